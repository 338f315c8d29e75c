#include "muster/endpoint.h"

#include <algorithm>
#include <charconv>

#include <boost/asio/ip/address.hpp>

namespace muster {
namespace {

// Text forms of addresses are not what Muster is for: Asio's value types know RFC 4291 and 5952. No
// socket is touched here.
namespace ip = boost::asio::ip;

template <class T>
std::optional<T> parse_number(std::string_view text) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace

IpAddress::IpAddress(const V4& octets) { std::copy(octets.begin(), octets.end(), octets_.begin()); }

bool IpAddress::is_unspecified() const {
    return std::ranges::all_of(octets_, [](auto octet) { return octet == 0; });
}

bool IpAddress::is_loopback() const {
    if (!is_v6_) return octets_[0] == 127;
    return octets_[15] == 1 &&
           std::all_of(octets_.begin(), octets_.end() - 1, [](auto octet) { return octet == 0; });
}

bool IpAddress::is_multicast() const { return is_v6_ ? octets_[0] == 0xff : (octets_[0] & 0xf0) == 0xe0; }

bool IpAddress::is_link_local() const {
    return is_v6_ ? octets_[0] == 0xfe && (octets_[1] & 0xc0) == 0x80
                  : octets_[0] == 169 && octets_[1] == 254;
}

IpAddress IpAddress::unmapped() const {
    constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (!is_v6_ || !std::equal(kMapped.begin(), kMapped.end(), octets_.begin())) return *this;
    return IpAddress{V4{octets_[12], octets_[13], octets_[14], octets_[15]}};
}

IpAddress::V4 IpAddress::v4() const {
    if (is_v6_) return {};
    return {octets_[0], octets_[1], octets_[2], octets_[3]};
}

std::string IpAddress::to_string() const {
    return is_v6_ ? ip::address_v6(octets_).to_string() : ip::address_v4(v4()).to_string();
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    // Asio would look a scope's name up in the kernel, and stop reading at a NUL.
    if (text.find_first_of(std::string_view{"%\0", 2}) != std::string_view::npos) return std::nullopt;
    boost::system::error_code ec;
    const auto parsed = ip::make_address(text, ec);
    if (ec) return std::nullopt;
    if (parsed.is_v4()) return IpAddress{parsed.to_v4().to_bytes()};
    return IpAddress{parsed.to_v6().to_bytes()};
}

std::string Endpoint::to_string() const {
    const auto scope = static_cast<std::uint32_t>(interface);
    if (address.is_v4()) return address.to_string() + ":" + std::to_string(port);
    const bool scoped = scope != 0 && address.is_link_local();
    return "[" + address.to_string() + (scoped ? "%" + std::to_string(scope) : "") +
           "]:" + std::to_string(port);
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    std::uint32_t scope = 0;
    if (const auto percent = host.find('%'); bracketed && percent != std::string_view::npos) {
        const auto number = parse_number<std::uint32_t>(host.substr(percent + 1));
        if (!number) return std::nullopt;
        scope = *number;
        host = host.substr(0, percent);
    }
    const auto address = IpAddress::parse(host);
    if (!port || !address || address->is_v6() != bracketed) return std::nullopt;
    return Endpoint{*address, *port, InterfaceIndex{scope}};
}

}  // namespace muster
