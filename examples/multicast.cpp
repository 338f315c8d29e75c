// Receives a multicast group on every interface, says how it stands, and sends to it each second.
//   multicast GROUP PORT [TEXT]
#include <iostream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <muster/multicast_group.h>
#include <muster/multicast_sender.h>

namespace asio = boost::asio;

asio::awaitable<void> watch(muster::MulticastGroup& group) {
    while (auto status = co_await group.next_status()) std::cout << status->explain() << std::endl;
}

asio::awaitable<void> send(muster::MulticastSender sender, std::string text) {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer{executor};
    for (;;) {
        for (const auto& each : sender.send(muster::as_bytes(text)))
            if (!each.is_sent()) std::cerr << each.name << ": " << each.finding << std::endl;
        timer.expires_after(std::chrono::seconds{1});
        co_await timer.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<void> run(muster::IpAddress address, std::uint16_t port, std::string text) {
    const auto executor = co_await asio::this_coro::executor;
    muster::MulticastGroupOptions wanted{address, port};
    auto group = co_await muster::join_multicast(executor, std::move(wanted));
    if (!group) {
        std::cerr << group.error().explain() << std::endl;
        co_return;
    }
    asio::co_spawn(executor, watch(*group), asio::detached);
    if (!text.empty()) {
        auto sender = muster::MulticastSender::open({address, port});
        if (sender) asio::co_spawn(executor, send(std::move(*sender), text), asio::detached);
    }
    while (auto datagram = co_await group->receive())
        std::cout << to_text(datagram->from) << "  " << muster::as_text(datagram->octets) << std::endl;
}

int main(int count, char** words) {
    const auto address = muster::IpAddress::parse(count > 2 ? words[1] : "");
    if (!address) {
        std::cerr << "multicast GROUP PORT [TEXT]" << std::endl;
        return 2;
    }
    asio::io_context context;
    const auto port = static_cast<std::uint16_t>(std::stoul(words[2]));
    asio::co_spawn(context, run(*address, port, count > 3 ? words[3] : ""), asio::detached);
    context.run();
}
