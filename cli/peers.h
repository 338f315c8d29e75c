#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "json_line.h"
#include "output.h"

#include "muster/session.h"

namespace muster::cli {

/// What the command line says about who a message is for, once it is known who is there.
struct Addressed {
    Recipients to;
    std::vector<PeerInfo> peers;  ///< The same as devices, for what is sent one by one; never this device.
};

/// Finds "everyone", "coordinator", a name, a device id or the first characters of one. A whole device id is never taken
/// for a name. Errors: unknown_peer, which lists who is there; bad_input if several have the name.
Result<Addressed> find_peers(const Roster& roster, const DeviceId& self, std::string_view who);

/// The name of a peer for people; the start of its id if it is not there any more.
std::string name_of(const Roster& roster, const DeviceId& id);

JsonLine json_of(const InfoMap& info);
/// {"id", "name", "coordinator", "info"}
JsonLine json_of(const PeerInfo& peer);
/// {"how": "closed", "by", "code", "reason"} or {"how": "lost", "error"}
void add_departure(JsonLine& line, const Departure& how);

/// Says that the link to a peer is gone, that the session goes on, or by which other way, in both languages of the program.
void tell(Output& output, const PeerInterrupted& interrupted);
void tell(Output& output, const PeerResumed& resumed);
void tell(Output& output, const PathChanged& change);
void tell(Output& output, const FaultFound& found);

/// "stage-left (ab12cd34)", and what else it says about itself.
std::string described(const PeerInfo& peer);

}  // namespace muster::cli
