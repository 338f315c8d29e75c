#include "peers.h"

#include <algorithm>

#include "text.h"

namespace muster::cli {
namespace {

constexpr std::size_t kShortestId = 4;   // of 32 characters: enough to tell a handful of devices apart
constexpr std::size_t kMostListed = 16;  // names that an error lists

std::string role(const PeerInfo& peer) { return peer.is_coordinator ? "coordinator" : "member"; }

Error unknown(const Roster& roster, const DeviceId& self, std::string_view who) {
    Error error{Errc::unknown_peer, "nobody here is called '" + printable(who) + "'"};
    std::size_t listed = 0;
    for (const PeerInfo& peer : roster.peers)
        if (peer.id != self && listed++ < kMostListed) error.saw({role(peer), described(peer), "is here"});
    if (listed > kMostListed)
        error.saw({"note", "", "and " + std::to_string(listed - kMostListed) + " more"});
    return std::move(error).cure("use a name or id from the list, 'coordinator', or 'everyone'");
}

/// Anybody may give himself the id of another as a name: who says a whole id means the device.
bool is_called(const PeerInfo& peer, std::string_view who) {
    if (const auto id = DeviceId::parse(who)) return peer.id == *id;
    return peer.name == who || (who.size() >= kShortestId && peer.id.to_string().starts_with(who));
}

}  // namespace

Result<Addressed> find_peers(const Roster& roster, const DeviceId& self, std::string_view who) {
    std::vector<PeerInfo> others;
    std::ranges::copy_if(roster.peers, std::back_inserter(others),
                         [&](const auto& peer) { return peer.id != self; });
    if (who == "everyone") return Addressed{Recipients::everyone(), std::move(others)};
    std::erase_if(others, [&](const PeerInfo& peer) {
        return who == "coordinator" ? !peer.is_coordinator : !is_called(peer, who);
    });
    if (others.empty()) return unknown(roster, self, who);
    if (others.size() == 1) return Addressed{Recipients::one(others.front().id), others};
    Error several{Errc::bad_input, "several devices here are called '" + printable(who) + "'"};
    for (const PeerInfo& peer : others) several.saw({role(peer), described(peer), peer.id.to_string()});
    return std::move(several).cure("use the id of one of them");
}

std::string name_of(const Roster& roster, const DeviceId& id) {
    const PeerInfo* peer = roster.find(id);
    return printable(peer ? peer->name : id.short_string());
}

JsonLine json_of(const InfoMap& info) {
    JsonLine line;
    for (const auto& [key, value] : info) line.text(key, value);
    return line;
}

JsonLine json_of(const PeerInfo& peer) {
    JsonLine line;
    line.text("id", peer.id.to_string()).text("name", peer.name).flag("coordinator", peer.is_coordinator);
    return line.object("info", json_of(peer.info));
}

void add_departure(JsonLine& line, const Departure& how) {
    if (how.is_lost()) {
        line.text("how", "lost").json("error", harmless_json(how.cause().to_json()));
        return;
    }
    const Closed& closed = how.closed();
    line.text("how", "closed").text("by", closed.by == Closed::By::peer ? "peer" : "this_end");
    line.integer("code", closed.code).text("reason", closed.reason);
}

void tell(Output& output, const PeerInterrupted& interrupted) {
    JsonLine line{"peer_interrupted"};
    line.object("peer", json_of(interrupted.peer));
    output.event(line.json("error", harmless_json(interrupted.why.to_json())));
    output.say(output.paint(Colour::yellow, "~ ") + printable(interrupted.peer.name) +
               " cannot be reached, waiting: " + printable(interrupted.why.message()) + " (" +
               std::string{to_string(interrupted.why.fault())} + ")");
}

void tell(Output& output, const PeerResumed& resumed) {
    JsonLine line{"peer_resumed"};
    output.event(line.object("peer", json_of(resumed.peer)).ms("after_ms", resumed.after));
    output.say(output.paint(Colour::green, "~ ") + printable(resumed.peer.name) + " is back after " +
               duration_text(resumed.after));
}

void tell(Output& output, const PathChanged& change) {
    JsonLine line{"path_changed"};
    line.object("peer", json_of(change.peer));
    line.text("from", to_text(change.from)).text("to", to_text(change.to));
    if (change.fault != Fault::none) line.text("fault", to_string(change.fault));
    output.event(line.text("reason", change.why));
    output.say(output.paint(Colour::green, "~ ") + printable(change.peer.name) + " is reached over " +
               printable(to_text(change.to)) + " now: " + printable(change.why));
}

void tell(Output& output, const FaultFound& found) {
    JsonLine line{"fault_found"};
    line.object("peer", json_of(found.peer));
    output.event(line.json("error", harmless_json(found.why.to_json())));
    output.say(output.paint(Colour::yellow, "~ ") + printable(found.peer.name) +
               " did not answer because of this: " + std::string{to_string(found.why.fault())} + "; " +
               printable(found.why.cure()));
}

std::string described(const PeerInfo& peer) {
    std::string text = printable(peer.name) + " (" + peer.id.short_string();
    for (const auto& [key, value] : peer.info) text += ", " + printable(key) + "=" + printable(value);
    return text + ")";
}

}  // namespace muster::cli
