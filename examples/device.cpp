// Talks to a device on its own network (a camera that is set up over its access point, say), by the interface it is on and
// no other. Waits until that interface has an address; of several endpoints the first to answer counts.
//   device SECONDS ENDPOINT...        device 10 192.168.4.1%wlan0:7000 [fe80::1%wlan0]:7000
#include <algorithm>
#include <chrono>
#include <iostream>

#include <boost/asio.hpp>
#include <muster/muster.h>

namespace asio = boost::asio;
using asio::ip::tcp;

tcp::endpoint to_tcp(const muster::Endpoint& to) {
    if (to.address.is_v4()) return {asio::ip::make_address(to.address.to_string()), to.port};
    return {asio::ip::address_v6{to.address.v6(), static_cast<std::uint32_t>(to.interface)}, to.port};
}

asio::awaitable<bool> reach(muster::Endpoint device, std::chrono::seconds patience) {
    const auto executor = co_await asio::this_coro::executor;
    const auto began = std::chrono::steady_clock::now();
    if (auto ready = co_await muster::wait_for_scope(executor, device, patience); !ready)
        co_return std::cerr << ready.error().explain() << std::endl, false;
    const std::chrono::duration<double, std::milli> waited = std::chrono::steady_clock::now() - began;

    const tcp::endpoint remote = to_tcp(device);
    tcp::socket socket{executor, remote.protocol()};
    const auto scope = muster::scope_socket(socket.native_handle(), device);
    if (!scope) co_return std::cerr << scope.error().explain() << std::endl, false;
    boost::system::error_code failed;
    co_await socket.async_connect(remote, asio::redirect_error(asio::use_awaitable, failed));
    std::string text = "hello\n";
    if (!failed)
        co_await asio::async_write(socket, asio::buffer(text),
                                   asio::redirect_error(asio::use_awaitable, failed));
    text.clear();
    if (!failed)
        co_await asio::async_read_until(socket, asio::dynamic_buffer(text, 4096), '\n',
                                        asio::redirect_error(asio::use_awaitable, failed));
    text.resize(std::min(text.size(), text.find('\n')));  // more may have come
    if (failed) co_return std::cerr << to_text(device) << ": " << failed.message() << std::endl, false;
    std::cout << to_text(device) << " from " << scope->source.to_string() << " on " << scope->interface_name
              << " after " << waited.count() << " ms: " << muster::printable(text) << std::endl;
    co_return true;
}

int main(int count, char** words) {
    const std::chrono::seconds patience{count > 1 ? std::atoi(words[1]) : 0};
    asio::io_context context;
    bool is_reached = false;
    for (int each = 2; each < count; ++each) {
        const auto device = muster::parse_endpoint(words[each]);
        if (!device) return std::cerr << device.error().explain() << std::endl, 2;
        asio::co_spawn(context, reach(*device, patience), [&](const std::exception_ptr&, bool reached) {
            if (!reached) return;
            is_reached = true;
            context.stop();
        });
    }
    context.run();
    return is_reached ? 0 : 1;
}
