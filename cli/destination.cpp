#include "destination.h"

#include <cstdint>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/udp.hpp>

#include "text.h"

namespace muster::cli {

namespace asio = boost::asio;

namespace {

constexpr std::uint16_t kAnyPort = 9;  // discard: a route does not depend on it

}  // namespace

Result<Endpoint> find_destination(asio::io_context& io, const std::string& text) {
    if (auto endpoint = parse_endpoint(text)) return *endpoint;
    const std::string port = ":" + std::to_string(kAnyPort);
    if (auto endpoint = parse_endpoint(text + port)) return *endpoint;
    auto bracketed = parse_endpoint("[" + text + "]" + port);
    if (bracketed) return *bracketed;
    if (text.find_first_of(":%/ ") != std::string::npos) return bracketed.error();
    boost::system::error_code error;
    asio::ip::udp::resolver resolver{io};
    const auto found = resolver.resolve(text, std::to_string(kAnyPort), error);
    if (error || found.empty())
        return Error{Errc::bad_input,
                     "no address is known for the name '" + printable(text) + "': " + error.message()}
            .cure("check the name, or give an address: 192.0.2.1, fe80::1%eth0");
    return endpoint_of(found.begin()->endpoint().address());
}

Endpoint endpoint_of(const asio::ip::address& address) {
    if (address.is_v4())
        return Endpoint{IpAddress{address.to_v4().to_bytes()}, kAnyPort, InterfaceIndex::none};
    const auto v6 = address.to_v6();
    return Endpoint{IpAddress{v6.to_bytes()}, kAnyPort,
                    InterfaceIndex{static_cast<std::uint32_t>(v6.scope_id())}};
}

}  // namespace muster::cli
