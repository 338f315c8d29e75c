#pragma once

#include <span>
#include <string>
#include <vector>

#include "discovery/mdns_types.h"

#include "muster/interface.h"

namespace muster::discovery {

/// An interface that takes part now.
struct LocalLink {
    InterfaceIndex index = InterfaceIndex::none;
    std::vector<InterfaceAddress> addresses;  ///< usable ones: not tentative
    std::uint32_t mtu = 0;
    bool v4 = false;
    bool v6 = false;
    HardwareAddress mac;
    TimePoint since{};  ///< It takes part as the device that it is.

    bool has(Family family) const { return family == Family::v4 ? v4 : v6; }
    /// Octets of a DNS message that fit one packet without fragments (RFC 6762 section 17).
    std::size_t packet_limit() const;
};

struct LinkChanges {
    std::vector<InterfaceIndex> appeared;
    std::vector<InterfaceIndex> changed;  ///< other addresses than before, or made anew
    std::vector<InterfaceIndex> gone;     ///< or made anew
};

/// Decides which interfaces take part and knows their addresses.
class LinkTable {
public:
    explicit LinkTable(LinkPolicy policy) : policy_(std::move(policy)) {}

    LinkChanges update(std::span<const Interface> interfaces, TimePoint now);

    const std::vector<LocalLink>& all() const { return links_; }
    const LocalLink* find(InterfaceIndex index) const;
    bool active(LinkId link) const;
    /// The active links of one interface, or of all for InterfaceIndex::none.
    std::vector<LinkId> ids(InterfaceIndex index = InterfaceIndex::none) const;
    /// An address of this host, on whichever interface.
    bool is_own(const IpAddress& address) const;
    /// Link-local, or within a subnet of this interface (RFC 6762 section 11).
    bool on_link(InterfaceIndex index, const IpAddress& address) const;

private:
    bool named_in(const std::vector<std::string>& names, const std::string& name) const;
    bool may_take_part(const Interface& interface) const;

    LinkPolicy policy_;
    std::vector<LocalLink> links_;
    std::vector<IpAddress> own_;  ///< of all interfaces, also those that do not take part
};

}  // namespace muster::discovery
