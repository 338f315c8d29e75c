// Joins a group, says how long that took, greets everyone, and shows what they answer until the group ends.
//   join [GROUP] [NAME]
#include <iostream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <muster/member.h>

namespace asio = boost::asio;

double milliseconds(muster::Duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}

asio::awaitable<void> join(std::string group, std::string name) {
    muster::JoinOptions options;
    options.group = std::move(group);
    options.name = std::move(name);
    options.info = {{"program", "example"}};
    const auto executor = co_await asio::this_coro::executor;
    auto joined = co_await muster::join(executor, std::move(options));
    if (!joined) {  // what was tried, on which interface, and what to do about it
        std::cerr << joined.error().explain() << std::endl;
        co_return;
    }
    muster::Member& member = *joined;
    std::cout << "found " << member.coordinator().name << " in " << milliseconds(member.found_after())
              << " ms, joined in " << milliseconds(member.joined_after()) << " ms" << std::endl;

    const auto greeting = muster::to_bytes("hello");
    if (auto sent = co_await member.send(muster::Recipients::everyone(), greeting); !sent)
        std::cerr << sent.error().explain() << std::endl;

    while (auto event = co_await member.next_event()) {
        if (auto* message = std::get_if<muster::Message>(&*event)) {
            const muster::Roster roster = member.roster();
            const muster::PeerInfo* sender = roster.find(message->from);
            std::cout << (sender ? sender->name : "somebody who left") << ": "
                      << muster::as_text(message->payload) << std::endl;
        }
        if (auto* ended = std::get_if<muster::SessionEnded>(&*event)) {
            if (ended->how.is_lost()) std::cerr << ended->how.cause().explain() << std::endl;
            if (ended->how.is_closed()) std::cout << "closed: " << ended->how.closed().reason << std::endl;
        }
    }
}

int main(int count, char** words) {
    asio::io_context context;
    asio::co_spawn(context, join(count > 1 ? words[1] : "muster", count > 2 ? words[2] : ""), asio::detached);
    context.run();
}
