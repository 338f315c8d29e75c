#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "muster/error.h"
#include "muster/ids.h"

namespace muster {

/// An IPv4 or IPv6 address without scope; the scope is part of the Endpoint. A value, ordered and comparable.
class IpAddress {
public:
    using V4 = std::array<std::uint8_t, 4>;
    using V6 = std::array<std::uint8_t, 16>;

    IpAddress() = default;  ///< 0.0.0.0
    explicit IpAddress(const V4& octets);
    explicit IpAddress(const V6& octets) : octets_(octets), is_v6_(true) {}

    bool is_v4() const { return !is_v6_; }
    bool is_v6() const { return is_v6_; }
    bool is_unspecified() const;
    bool is_loopback() const;
    bool is_multicast() const;
    /// fe80::/10 or 169.254.0.0/16: meaningful only together with an interface.
    bool is_link_local() const;
    /// The IPv4 address that ::ffff:192.0.2.1 means (RFC 4291 2.5.5.2): sockets of IPv6 send to it by IPv4. Any other as it is.
    IpAddress unmapped() const;
    V4 v4() const;                            ///< The four octets; all zero for an IPv6 address.
    const V6& v6() const { return octets_; }  ///< The sixteen octets; for IPv4 the first four are used.

    /// Text as in RFC 5952, without scope.
    std::string to_string() const;
    /// Parses dotted decimal or RFC 4291 text without scope; nullopt for anything else.
    static std::optional<IpAddress> parse(std::string_view text);

    auto operator<=>(const IpAddress&) const = default;

private:
    V6 octets_{};
    bool is_v6_ = false;
};

/// Where datagrams go to or come from: address, port, and the local interface they pass.
/// `interface` is InterfaceIndex::none only where the kernel's routing is asked to choose.
struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;
    InterfaceIndex interface = InterfaceIndex::none;

    auto operator<=>(const Endpoint&) const = default;

    /// "192.0.2.1:4711", "[fe80::1%3]:4711" (the scope is the interface index).
    std::string to_string() const;
    /// Parses what to_string() prints. The scope may only be a number; parse_endpoint() takes names.
    static std::optional<Endpoint> parse(std::string_view text);
};

/// Reads an endpoint as people write it: "192.0.2.1:4711", "192.0.2.1%eth0:4711",
/// "[fe80::1%eth0]:4711". The scope is an interface by name or index. An IPv6 link-local address needs one; an IPv4 link-local one
/// does not, for a join tries it on every link (where one link has to be meant, path_to() and scope_socket() refuse it without). Asks
/// the kernel for the name. Error: bad_input, which says what is wrong (also that no interface has this name), shows the form, and
/// names the interfaces that could be meant.
Result<Endpoint> parse_endpoint(std::string_view text);
/// Prints what parse_endpoint() reads, with the interface by the name it has now, for every
/// address that has one.
std::string to_text(const Endpoint& endpoint);

}  // namespace muster
