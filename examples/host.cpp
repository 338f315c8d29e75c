// Hosts a group, shows who comes and goes, answers messages and takes files into the current directory.
//   host [GROUP]
#include <csignal>
#include <iostream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <muster/coordinator.h>

namespace asio = boost::asio;

asio::awaitable<void> receive(muster::IncomingFile file) {
    file.accept();  // verified by SHA-256, and never over a file that is there
    const auto receipt = co_await file.finished();
    std::cout << (receipt ? "stored " + receipt->path : receipt.error().message()) << std::endl;
}

asio::awaitable<void> host(std::string group) {
    const auto executor = co_await asio::this_coro::executor;
    muster::HostOptions options;
    options.group = std::move(group);
    auto hosting = co_await muster::host(executor, std::move(options));
    if (!hosting) {
        std::cerr << hosting.error().explain() << std::endl;
        co_return;
    }
    muster::Coordinator& coordinator = *hosting;
    std::cout << "hosting on UDP port " << coordinator.port() << std::endl;

    asio::signal_set interrupted{executor, SIGINT};
    interrupted.async_wait([&](auto, int) {  // everyone is told the reason
        coordinator.close(0, "the host was stopped", std::chrono::seconds{1}, asio::detached);
    });
    while (auto event = co_await coordinator.next_event()) {
        if (auto* joined = std::get_if<muster::PeerJoined>(&*event))
            std::cout << joined->peer.name << " joined" << std::endl;
        if (auto* left = std::get_if<muster::PeerLeft>(&*event))
            std::cout << left->peer.name << (left->how.is_closed() ? " left" : " was lost") << std::endl;
        if (auto* message = std::get_if<muster::Message>(&*event)) {
            const auto thanks =
                muster::to_bytes("thanks for " + std::to_string(message->payload.size()) + " octets");
            // Not co_await send(): one slow member would keep us from hearing the others.
            (void)coordinator.try_send(muster::Recipients::one(message->from), thanks);
        }
        if (auto* offered = std::get_if<muster::FileOffered>(&*event))
            asio::co_spawn(executor, receive(std::move(offered->file)), asio::detached);
    }
}

int main(int count, char** words) {
    asio::io_context context;
    asio::co_spawn(context, host(count > 1 ? words[1] : "muster"), asio::detached);
    context.run();
}
