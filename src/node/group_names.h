#pragma once

#include <string>

#include "discovery/discovery.h"

#include "muster/error.h"
#include "muster/group.h"
#include "muster/ids.h"
#include "muster/service.h"

namespace muster::node {

// How a group shows in DNS-SD: docs/DISCOVERY.md, "Names in DNS-SD".

/// "coord-" and 16 base32 characters of the group's hash: the one name that members ask for.
std::string coordinator_instance(std::string_view group);
/// The subtype under which all coordinators of a group are listed.
std::string group_subtype(std::string_view group);
/// The first label of a device's host name: unique by its key.
std::string host_label(const DeviceId& id);
/// What a coordinator tells about itself.
TxtRecord coordinator_txt(std::string_view group, std::string_view name, const DeviceId& id);
/// The device id in a coordinator's TXT record; nullopt if it has none or names another group.
std::optional<DeviceId> coordinator_id(const TxtRecord& txt, std::string_view group);
/// The instance of one coordinator in one group: its device id, "-" and 8 base32 characters of the group's
/// hash, so that a device may host several groups.
std::string listed_instance(std::string_view group, const DeviceId& id);

/// The coordinator's name in its TXT record, cleaned as all text from others; empty if it has none.
std::string coordinator_name(const TxtRecord& txt);

/// What a coordinator advertises.
struct CoordinatorNames {
    discovery::Registration own;     ///< Itself in its group's list: unique by its key, never given up.
    discovery::Registration shared;  ///< The group's one name, unlisted; another coordinator may hold it.
};
CoordinatorNames coordinator_names(std::string_view group, std::string_view name, const DeviceId& id,
                                   std::uint16_t port);
/// What a member asks: the group's one name at once, and beside it the list of all coordinators of the group.
discovery::ResolveRequest unique_request(std::string_view group, std::vector<Endpoint> hints);
discovery::BrowseRequest listing_request(std::string_view group);
/// Checks what a user wrote. Errors: bad_name.
Result<void> check_group(std::string_view group);

}  // namespace muster::node
