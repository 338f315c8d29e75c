#pragma once

#include <optional>
#include <string>
#include <vector>

#include "muster/endpoint.h"
#include "muster/ids.h"
#include "muster/service.h"

namespace muster {

/// The DNS-SD type of all groups: `BrowseOptions{kGroupType}` watches which are on the network.
inline constexpr char kGroupType[] = "_muster._udp";

/// A group as its coordinator announces it. A value. Anybody can announce anything: `group` and `name` are
/// checked as text, and who the coordinator is, is proved only by joining.
struct FoundGroup {
    std::string group;
    std::string name;  ///< The coordinator's, for people.
    DeviceId coordinator;
    std::vector<Endpoint> endpoints;  ///< JoinOptions::at takes their to_text().

    bool operator==(const FoundGroup&) const = default;
};

/// What a service of kGroupType says; nullopt if it is no coordinator's: a fact is missing,
/// or is no name or id.
std::optional<FoundGroup> found_group(const ServiceInstance& service);

}  // namespace muster
