#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "muster/endpoint.h"

namespace muster {

/// Takes out of texts what identifies a network or could be a secret, the same thing always for the same word:
///
/// - MAC addresses, also those in names of interfaces (enx001122334455) and in IPv6 addresses;
/// - addresses that are of one place in the world: global ones, unique local ones of IPv6, link-local ones of IPv6 that a
///   machine has made. Two of one /24 or /64 stay in one. Private addresses of IPv4, those for documentation, loopback and
///   multicast say nothing and stay.
/// - whatever is long enough to be a key in PEM, hex (also in groups, with colons) or base64 (also that for URLs), and looks
///   like one. A device id, which is public, is shorter.
///
/// An address is found wherever a word could begin, also behind a colon ("proxy:81.2.69.142"). What has been redacted once
/// stays as it is if it is redacted again, but for what looks like a key then, and three colons in a row.
class Redactor {
public:
    enum class Addresses { replace, keep };

    explicit Redactor(Addresses addresses = Addresses::replace) : addresses_(addresses) {}

    std::string text(std::string_view text);
    /// All texts in a JSON value; keys of objects stay.
    void apply(boost::json::value& value);

    IpAddress address(const IpAddress& address);

private:
    using Mac = std::array<std::uint8_t, 6>;

    std::string mac(const Mac& mac, char separator);
    // Each takes what begins at `at` if it is of its kind: adds what stands for it, and returns how much it has taken.
    std::size_t take_blob(std::string_view text, std::size_t at, std::string& made) const;
    std::size_t take_address(std::string_view text, std::size_t at, std::string& made);
    std::size_t take_v4(std::string_view text, std::size_t at, std::string& made);
    std::size_t take_v6(std::string_view text, std::size_t at, std::string& made);
    std::size_t take_mac(std::string_view text, std::size_t at, std::string& made);
    std::size_t take_interface(std::string_view rest, std::string& made);

    struct Network {
        std::uint16_t number = 0;
        std::map<IpAddress, std::uint32_t> hosts;
    };
    Network& network_of(const IpAddress& prefix);

    Addresses addresses_;
    std::map<IpAddress, Network> networks_;
    std::map<IpAddress, std::uint16_t> link_local_;
    std::map<Mac, std::uint16_t> macs_;
    std::uint16_t networks_v4_ = 0, networks_v6_ = 0;
};

}  // namespace muster
