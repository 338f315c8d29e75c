#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::names {

/// An absolute domain name: a list of labels of any octets (RFC 1035 section 3.1). A value that cannot
/// be too long: labels of 1 to 63 octets, at most 255 octets on the wire. Compares and hashes without
/// ASCII case (RFC 4343).
class DnsName {
public:
    static constexpr std::size_t kMaxLabel = 63;
    static constexpr std::size_t kMaxWire = 255;  ///< with the final zero octet

    DnsName() = default;  ///< the root

    /// Parses "stage\.left._muster._udp.local", with or without the final dot; "\." "\\" and
    /// "\065" are escapes (RFC 1035 section 5.1). nullopt for empty or overlong labels, overlong
    /// names and broken escapes.
    static std::optional<DnsName> parse(std::string_view text);
    /// Makes a name of whole labels, without any escaping.
    static std::optional<DnsName> from_labels(const std::vector<std::string_view>& labels);

    /// Adds one label at the end (towards the root): the way a message is read. False if it does not fit.
    bool append(std::string_view label);
    /// This name with one label more in front; nullopt if it does not fit.
    std::optional<DnsName> prefixed(std::string_view label) const;

    bool is_root() const { return wire_.empty(); }
    std::size_t label_count() const;
    /// The first label as it is; empty for the root.
    std::string_view first_label() const;
    /// The name without its first label; the root's parent is the root.
    DnsName parent() const;
    bool ends_with(const DnsName& suffix) const;
    std::vector<std::string_view> labels() const;

    /// Length octets and labels, without the final zero octet.
    std::string_view wire() const { return wire_; }
    /// Escaped as parse() reads it, without the final dot; "." for the root. Octets outside 0x20-0x7E that
    /// are not UTF-8 continuations are kept as they are only above 0x7F; control characters become \ddd.
    std::string to_string() const;

    friend bool operator==(const DnsName& a, const DnsName& b);
    friend std::strong_ordering operator<=>(const DnsName& a, const DnsName& b);
    std::size_t hash() const noexcept;

private:
    std::string wire_;
};

}  // namespace muster::names

template <>
struct std::hash<muster::names::DnsName> {
    std::size_t operator()(const muster::names::DnsName& name) const noexcept { return name.hash(); }
};
