// Writes down every message before it asks for the next one, so that nothing is forgotten when it is killed: whoever reads
// the ledgers of all processes knows what was lost, doubled or out of order.
//
//   ledger host --ledger=FILE [--journal=FILE --home=DIRECTORY] [--boot=N] ...
//   ledger join --ledger=FILE ...
//
// Orders on standard input: "go [ID]" begins to send --rate messages a second (host: to everyone, "c BOOT NUMBER"; member: "m
// NUMBER" to the coordinator and to the member ID), "stop" ends that. The host confirms in its ledger what was sent ("S BOOT
// NUMBER"); all write down what they get ("R FROM NUMBER-OF-MESSAGE REDELIVERED TEXT"). Events: hosting, joined, peer_joined,
// peer_left, interrupted, resumed, said, ended.
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "probe_options.h"
#include "stdin_lines.h"

#include "muster/muster.h"

namespace asio = boost::asio;
using namespace muster;
using namespace muster::lab;

namespace {

class Ledger {
public:
    explicit Ledger(const std::string& path) : file_(std::fopen(path.c_str(), "a")) {
        if (file_ == nullptr) throw std::runtime_error("cannot open the ledger " + path);
    }
    ~Ledger() { std::fclose(file_); }
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;

    /// Is in the file when it returns, whoever is killed then.
    void write(const std::string& line) {
        std::fwrite(line.data(), 1, line.size(), file_);
        std::fflush(file_);
    }

private:
    std::FILE* file_;
};

class Clerk {
public:
    Clerk(const Options& options, Session& session, bool is_host)
        : session_(session),
          ledger_(options.text("ledger")),
          boot_(options.text("boot", "0")),
          pause_(std::chrono::microseconds{1'000'000 / options.number("rate", 10)}),
          is_host_(is_host) {}

    asio::awaitable<void> live() {
        while (auto event = co_await session_.next_event())
            std::visit([this](auto& what) { on(what); }, *event);
    }
    asio::awaitable<void> obey() {
        StdinLines orders{co_await asio::this_coro::executor};
        while (const auto line = co_await orders.next()) {
            const auto [verb, what] = split_order(*line);
            if (verb == "go")
                asio::co_spawn(session_.get_executor(), talk(std::string{what}), asio::detached);
            if (verb == "stop") is_talking_ = false;
            if (verb == "leave") (void)co_await session_.close(0, "told to", std::chrono::seconds{5});
        }
    }

private:
    asio::awaitable<void> talk(const std::string to) {
        std::optional<DeviceId> friend_id;
        if (!to.empty()) friend_id = DeviceId::parse(to).value();
        asio::steady_timer timer{session_.get_executor()};
        is_talking_ = true;
        std::size_t number = 0;
        for (; is_talking_; ++number) {
            timer.expires_after(pause_);
            const std::string tail = std::to_string(number);
            if (is_host_) {
                const std::string text = "c " + boot_ + " " + tail;
                if (!is_sent(co_await session_.send(Recipients::everyone(), to_bytes(text)))) break;
                ledger_.write("S " + boot_ + " " + tail + "\n");
            } else {
                if (!is_sent(co_await session_.send(Recipients::coordinator(), to_bytes("m " + tail)))) break;
                if (friend_id &&
                    !is_sent(co_await session_.send(Recipients::one(*friend_id), to_bytes("m " + tail))))
                    break;
            }
            co_await timer.async_wait(asio::use_awaitable);
        }
        tell("said", {{"messages", number}});
    }

    static bool is_sent(const Result<void>& outcome) {
        if (!outcome) tell_failure(outcome.error());
        return outcome.has_value();
    }

    void on(const Message& message) {
        ledger_.write(
            "R " + message.from.to_string() + " " + std::to_string(message.number) +
            (message.redelivered ? " again " : " first ") +
            std::string{reinterpret_cast<const char*>(message.payload.data()), message.payload.size()} +
            "\n");
    }
    void on(const PeerJoined& joined) { tell("peer_joined", {{"name", joined.peer.name}}); }
    void on(const PeerLeft& left) {
        auto facts = facts_of(left.how);
        facts["name"] = left.peer.name;
        tell("peer_left", std::move(facts));
    }
    void on(const PeerInterrupted& interrupted) { tell("interrupted", {{"name", interrupted.peer.name}}); }
    void on(const PeerResumed& resumed) {
        tell("resumed", {{"name", resumed.peer.name}, {"after_us", microseconds(resumed.after)}});
    }
    void on(const SessionEnded& ended) {
        is_talking_ = false;
        tell("ended", facts_of(ended.how));
    }
    template <class Other>
    void on(const Other&) {}

    Session& session_;
    Ledger ledger_;
    std::string boot_;
    Duration pause_;
    bool is_host_ = false;
    bool is_talking_ = false;
};

[[noreturn]] void give_up(const Error& why) {
    tell_failure(why);
    std::exit(1);
}

asio::awaitable<void> run(const Options& options, Session& session, bool is_host) {
    Clerk clerk{options, session, is_host};
    asio::co_spawn(session.get_executor(), clerk.obey(), asio::detached);
    co_await clerk.live();
    std::exit(0);  // what waits for orders has nothing to wait for
}

asio::awaitable<void> run_host(asio::io_context& context, const Options& options) {
    auto made = co_await host(context.get_executor(), host_options(options));
    if (!made) give_up(made.error());
    tell("hosting", {{"port", made->port()}, {"id", made->id().to_string()}});
    co_await run(options, *made, true);
}

asio::awaitable<void> run_join(asio::io_context& context, const Options& options) {
    auto made = co_await join(context.get_executor(), join_options(options));
    if (!made) give_up(made.error());
    tell("joined", {{"id", made->id().to_string()}});
    co_await run(options, *made, false);
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view role = argc > 1 ? argv[1] : "";
    if (role != "host" && role != "join") {
        std::cerr << "ledger host|join --ledger=FILE ...\n";
        return 2;
    }
    const Options options{argc - 1, argv + 1};
    asio::io_context context{1};
    asio::co_spawn(context, role == "host" ? run_host(context, options) : run_join(context, options),
                   [](std::exception_ptr failed) {
                       if (failed) std::rethrow_exception(failed);
                   });
    context.run();
}
