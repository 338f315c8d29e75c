// A member without coroutines: it joins by callback, sends from another thread and waits there for a future, and
// shows what it hears until the group ends. Every operation takes any of Asio's completion tokens.
//   callbacks [GROUP]
#include <future>
#include <iostream>

#include <boost/asio.hpp>
#include <muster/muster.h>

namespace asio = boost::asio;
using muster::Result;

class Listener {
public:
    Listener(asio::io_context& context, std::string group) : context_(context) {
        muster::JoinOptions options;
        options.group = std::move(group);
        muster::join(context.get_executor(), std::move(options), [this](Result<muster::Member> joined) {
            if (joined) member_.emplace(std::move(*joined));
            joined_.set_value(joined ? "" : joined.error().explain());
            if (member_) wait();
        });
    }

    /// Any thread but the one that runs the context: it blocks until the message is on its way.
    void greet() {
        if (const auto why = joined_.get_future().get(); !member_) throw std::runtime_error(why);
        auto sent =
            member_->send(muster::Recipients::everyone(), muster::to_bytes("hello"), {}, asio::use_future);
        if (sent.wait_for(std::chrono::seconds{10}) != std::future_status::ready)
            return;  // the session ended first
        if (const auto result = sent.get(); !result) std::cerr << result.error().explain() << std::endl;
    }

private:
    void wait() {
        member_->next_event([this](Result<muster::Event> event) {
            if (!event) return context_.stop();  // the session is over, and everything was told
            if (const auto* message = std::get_if<muster::Message>(&*event))
                std::cout << "heard " << muster::as_text(message->payload) << std::endl;
            wait();
        });
    }

    asio::io_context& context_;
    std::optional<muster::Member> member_;
    std::promise<std::string> joined_;  // why not; empty: it has
};

int main(int count, char** words) try {
    asio::io_context context;
    Listener listener{context, count > 1 ? words[1] : "muster"};
    const auto network = std::async(std::launch::async, [&context] { context.run(); });
    listener.greet();
} catch (const std::exception& trouble) {
    std::cerr << trouble.what() << std::endl;
    return 1;
}
