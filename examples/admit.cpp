// A host that decides who may join: who brings the password is let in, anybody else is told why not.
//   admit PASSWORD [GROUP]
#include <iostream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <muster/muster.h>

namespace asio = boost::asio;

asio::awaitable<void> host(std::string password, std::string group) {
    muster::HostOptions options;
    options.group = std::move(group);
    // The link is encrypted, and the member has proved its key; but a member that has not pinned the coordinator gives
    // the password to whoever answers first (JoinOptions::coordinator prevents that). An answer that needs time, or a
    // person, is given by the event JoinRequest and accept() or refuse() instead: see HostOptions::ask.
    options.admit = [password = muster::to_bytes(password)](const muster::JoinRequest& request) {
        std::cout << request.name << " (" << request.id.short_string() << "...) asks to join" << std::endl;
        return request.context == password ? muster::Admission::accept()
                                           : muster::Admission::refuse("that is not the password");
    };
    auto coordinator = co_await muster::host(co_await asio::this_coro::executor, std::move(options));
    if (!coordinator) {
        std::cerr << coordinator.error().explain() << std::endl;
        co_return;
    }
    std::cout << "hosting on UDP port " << coordinator->port() << std::endl;
    while (auto event = co_await coordinator->next_event()) {
        if (auto* joined = std::get_if<muster::PeerJoined>(&*event))
            std::cout << joined->peer.name << " joined" << std::endl;
        if (auto* left = std::get_if<muster::PeerLeft>(&*event))
            std::cout << left->peer.name << " went" << std::endl;
    }
}

int main(int count, char** words) {
    if (count < 2) {
        std::cerr << "usage: admit PASSWORD [GROUP]" << std::endl;
        return 2;
    }
    asio::io_context context;
    asio::co_spawn(context, host(words[1], count > 2 ? words[2] : "muster"), asio::detached);
    context.run();
}
