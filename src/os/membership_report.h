#pragma once

#include "muster/endpoint.h"
#include "muster/error.h"

namespace muster::os {

/// Says on an interface that somebody here wants all of a group: IGMPv3 (RFC 3376 section 4.2) or MLDv2 (RFC 3810 section
/// 5.2), "change to exclude nothing". The kernel says so only when the first program joins; this is for finding out
/// whether a switch has forgotten it since. One that had forwards all of the group again for as long as it remembers, 260 s
/// as a rule; one that knows only the older protocols ignores it. Needs CAP_NET_RAW. Errors: system (no permission, the interface is gone).
Result<> report_membership(const IpAddress& group, InterfaceIndex interface);

}  // namespace muster::os
