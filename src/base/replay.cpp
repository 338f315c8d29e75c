// A scenario file of a timeline: docs/REPORT.md says what it repeats, and what it does not.
#include "base/replay.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <tuple>

#include "base/timeline_words.h"

namespace muster {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxPeers = 16;
constexpr std::size_t kMaxSwitches = 64;  // of a scenario file
constexpr Duration kLongestPause = 60s;   // in which nothing is wrong
// What the race at the beginning prefers in this way it also preferred then; too little for a link to move for it.
constexpr Duration kHeadStart = 500us;
constexpr Duration kShortestFault = 20ms;
constexpr char kIdle[] = "idle";  // what has happened and has touched no link
constexpr Duration kLan = 200us;  // the round trip of the simulator's own
constexpr Duration kAfterwards = 500ms;

std::string plain(const std::string& name) {
    std::string made = name;
    for (char& c : made)
        if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '-' && c != '_') c = '_';
    return made;
}

std::string in_ms(Duration time) {
    return std::to_string(std::chrono::ceil<std::chrono::milliseconds>(time).count()) + "ms";
}

std::string in_us(Duration time) {
    return std::to_string(std::chrono::ceil<std::chrono::microseconds>(time).count()) + "us";
}

bool is_global_v6(const IpAddress& address) { return address.is_v6() && !address.is_link_local(); }

}  // namespace

ReplayMaker::ReplayMaker(const Timeline& timeline) : timeline_(timeline) {
    for (const Interface& each : timeline.before) note_interface(each);
    for (const TimelineEntry& each : timeline.entries) survey(each);
    number_switches();
}

// --- the network
// ------------------------------------------------------------------------------------------------------

void ReplayMaker::survey(const TimelineEntry& entry) {
    if (const auto* changed = std::get_if<seen::InterfaceChanged>(&entry.what))
        note_interface(changed->interface);
    if (!entry.peer) return;
    if (const auto* up = std::get_if<seen::LinkUp>(&entry.what)) {
        if (peers_.size() < (timeline_.is_coordinator ? kMaxPeers : 1) && !is_peer(*entry.peer))
            peers_.push_back({.id = *entry.peer, .first = up->way});
        note_way(*entry.peer, up->way);
    } else if (const auto* proven = std::get_if<seen::PathProven>(&entry.what)) {
        note_way(*entry.peer, proven->way);
        Duration& round_trip = round_trips_[proven->way.interface];
        if (round_trip == Duration{} || (proven->round_trip > Duration{} && proven->round_trip < round_trip))
            round_trip = proven->round_trip;
    } else if (const auto* moved = std::get_if<seen::PathMoved>(&entry.what)) {
        note_way(*entry.peer, moved->from);
        note_way(*entry.peer, moved->to);
    }
    if (!began_ && std::holds_alternative<seen::Joined>(entry.what)) began_ = entry.at;
}

bool ReplayMaker::is_peer(const DeviceId& id) const {
    return std::ranges::find(peers_, id, &Peer::id) != peers_.end();
}

void ReplayMaker::note_interface(const Interface& interface) {
    for (const InterfaceAddress& own : interface.addresses) {
        if (own.address.is_v4()) own_v4_.insert(interface.name);
        if (own.address.is_v6()) has_v6_ = true;
        if (is_global_v6(own.address)) own_global_v6_.insert(interface.name);
    }
}

/// Two interfaces that lead to one address of a peer are on one network.
void ReplayMaker::note_way(const DeviceId& peer, const seen::Way& way) {
    const auto known = std::ranges::find(peers_, peer, &Peer::id);
    if (known == peers_.end() || way.interface.empty() || way.remote.address.is_loopback()) return;
    if (std::ranges::find(used_, way.interface) == used_.end()) used_.push_back(way.interface);
    known->ways.insert({way.interface, way.remote.address});
    const auto [other, is_new] = leads_to_.try_emplace({peer, way.remote.address}, way.interface);
    if (!is_new && other->second != way.interface) same_network_.insert({other->second, way.interface});
}

void ReplayMaker::number_switches() {
    for (const std::string& interface : used_) {
        std::size_t number = switches_;
        for (const auto& [one, other] : same_network_) {
            if (one == interface && switch_of_.contains(other)) number = switch_of_.at(other);
            if (other == interface && switch_of_.contains(one)) number = switch_of_.at(one);
        }
        if (number >= kMaxSwitches) continue;
        switch_of_[interface] = number;
        if (number == switches_) ++switches_;
    }
}

std::string ReplayMaker::name_of(const DeviceId& peer) const {
    if (!timeline_.is_coordinator) return "coordinator";
    const auto at = std::ranges::find(peers_, peer, &Peer::id) - peers_.begin();
    return "member" + std::to_string(at + 1);
}

std::string ReplayMaker::v4(std::size_t on_switch, std::size_t host) {
    return "10.77." + std::to_string(on_switch) + "." + std::to_string(host);
}

std::string ReplayMaker::v6(std::size_t on_switch, std::size_t host) {
    return "2001:db8:77:" + std::to_string(on_switch + 1) + "::" + std::to_string(host);
}

// --- what went wrong
// ------------------------------------------------------------------------------------------------------

void ReplayMaker::open(const Hole& hole, Duration at, Trouble trouble) {
    if (open_.contains(hole)) return;
    trouble.at = std::max(at, Duration{200ms});
    open_[hole] = troubles_.size();
    troubles_.push_back(std::move(trouble));
}

void ReplayMaker::close(const Hole& hole, Duration at) {
    const auto found = open_.find(hole);
    if (found == open_.end()) return;
    Trouble& trouble = troubles_[found->second];
    if (at <= Duration{}) trouble.what.clear();  // it was over before the session began
    trouble.until = std::max(at, trouble.at + kShortestFault);
    open_.erase(found);
}

void ReplayMaker::on_interface(const seen::InterfaceChanged& changed, Duration at) {
    const Interface& now = changed.interface;
    const auto on = switch_of_.find(now.name);
    if (on == switch_of_.end()) return;
    const std::string what = changed.is_gone ? "remove" : !now.up ? "down" : !now.carrier ? "cut" : "";
    Own& own = own_[now.name];
    if (what != own.trouble) {
        close({{}, now.name}, at);
        if (!what.empty())
            open({{}, now.name}, at, {.what = what, .host = self(), .interface = plain(now.name)});
        own.is_bare |= own.trouble == "remove";
        own.trouble = what;
    }
    if (what.empty()) renumber(own, now, on->second, at);
}

/// A change of its addresses, while it carries. Only if a link used one that has gone it is repeated.
void ReplayMaker::renumber(Own& own, const Interface& now, std::size_t on_switch, Duration at) {
    std::set<IpAddress> addresses;
    for (const InterfaceAddress& each : now.addresses) addresses.insert(each.address);
    const Hole hole{{}, now.name + " address"};
    own.is_bare &= addresses != own.addresses;
    if (own.is_bare) return;
    if (!own.addresses || at < Duration{}) {
        own.addresses = addresses;
    } else if (addresses == *own.addresses) {
        close(hole, at);
    } else {
        open(hole, at, {.what = kIdle, .host = self(), .interface = plain(now.name)});
        const auto is_new_v4 = [&](const IpAddress& each) {
            return each.is_v4() && !own.addresses->contains(each);
        };
        if (std::ranges::any_of(addresses, is_new_v4))
            troubles_[open_.at(hole)].address = v4(on_switch, kRenumbered) + "/24";
    }
}

/// True if the link was left because its own address had gone.
bool ReplayMaker::was_renumbered(const seen::Way& way) {
    const auto found = open_.find({{}, way.interface + " address"});
    if (found == open_.end()) return false;
    Trouble& trouble = troubles_[found->second];
    if (trouble.what != kIdle) return true;
    trouble.what = "address";
    trouble.gone = "in use";
    if (way.remote.address.is_v6()) trouble.address.clear();
    return true;
}

bool ReplayMaker::carries(const std::string& interface) const {
    const auto own = own_.find(interface);
    return switch_of_.contains(interface) && (own == own_.end() || own->second.trouble.empty());
}

/// Nothing passes between this end and the peer on a network, and this end's interface is fine: at the member's end.
void ReplayMaker::lose(const DeviceId& peer, const seen::Way& way, Duration at, bool is_flow) {
    if (!carries(way.interface)) return;
    const std::string interface = timeline_.is_coordinator ? peer_interface(way) : plain(way.interface);
    open({peer, way.interface}, at,
         {.what = "black_hole",
          .host = timeline_.is_coordinator ? name_of(peer) : self(),
          .interface = interface,
          .is_flow = is_flow});
}

void ReplayMaker::on_move(const DeviceId& peer, const seen::PathMoved& moved, Duration at) {
    close({peer, moved.to.interface}, at);
    if (moved.fault == Fault::none || open_.contains({peer, moved.from.interface}) ||
        !carries(moved.from.interface))
        return;
    if (moved.fault == Fault::path_moved && was_renumbered(moved.from)) return;
    const bool is_within = moved.from.interface == moved.to.interface;
    if (timeline_.is_coordinator || moved.fault != Fault::link_dead || is_within)
        return lose(peer, moved.from, at, is_within);
    open({peer, moved.from.interface}, at,
         {.what = "cut", .host = name_of(peer), .interface = peer_interface(moved.from)});
}

/// Whether the path in use was left for another one of the same interface.
bool ReplayMaker::stays_on(const std::string& interface, std::size_t after) const {
    for (std::size_t i = after; i < timeline_.entries.size(); ++i) {
        if (std::holds_alternative<seen::LinkEnded>(timeline_.entries[i].what)) return false;
        if (const auto* moved = std::get_if<seen::PathMoved>(&timeline_.entries[i].what))
            return moved->from.interface == interface && moved->to.interface == interface;
    }
    return false;
}

void ReplayMaker::on_link_end(const DeviceId& peer, const seen::LinkEnded& ended, std::size_t index,
                              Duration at) {
    if (!ended.lost) return;
    const auto comes_back = [&](const TimelineEntry& later) {
        return later.peer == peer && std::holds_alternative<seen::LinkUp>(later.what);
    };
    const bool is_over = std::none_of(timeline_.entries.begin() + static_cast<std::ptrdiff_t>(index),
                                      timeline_.entries.end(), comes_back);
    if (ended.lost->fault() == Fault::peer_dead && is_over)
        return open({peer, "process"}, at - ended.silence, {.what = "kill", .host = name_of(peer)});
    if (ended.lost->fault() == Fault::path_moved && was_renumbered(ended.way)) return;
    if (!open_.contains({peer, ended.way.interface})) lose(peer, ended.way, at - ended.silence, false);
}

void ReplayMaker::relive(std::size_t index) {
    const TimelineEntry& entry = timeline_.entries[index];
    const Duration at = entry.at - *began_;
    if (const auto* changed = std::get_if<seen::InterfaceChanged>(&entry.what)) on_interface(*changed, at);
    if (std::holds_alternative<seen::Interrupted>(entry.what)) was_interrupted_ = true;
    if (const auto* ended = std::get_if<seen::Ended>(&entry.what)) was_lost_ = ended->how.is_lost();
    if (!entry.peer || !is_peer(*entry.peer)) return;
    const DeviceId& peer = *entry.peer;
    if (const auto* up = std::get_if<seen::LinkUp>(&entry.what)) close({peer, up->way.interface}, at);
    if (const auto* proven = std::get_if<seen::PathProven>(&entry.what))
        close({peer, proven->way.interface}, at);
    if (const auto* moved = std::get_if<seen::PathMoved>(&entry.what)) on_move(peer, *moved, at);
    if (const auto* ended = std::get_if<seen::LinkEnded>(&entry.what)) on_link_end(peer, *ended, index, at);
    if (const auto* lost = std::get_if<seen::PathLost>(&entry.what); lost && lost->fault == Fault::silent)
        lose(peer, lost->way, at - lost->silence, lost->in_use && stays_on(lost->way.interface, index));
}

/// Long times in which all is well are shortened.
void ReplayMaker::shorten_pauses() {
    std::erase_if(troubles_, [](const Trouble& each) { return each.what.empty() || each.what == kIdle; });
    std::ranges::sort(troubles_, {},
                      [](const Trouble& each) { return std::tuple{each.at, each.host, each.interface}; });
    Duration busy_until{}, left_out{};
    const bool is_still_open =
        std::ranges::any_of(troubles_, [](const Trouble& each) { return !each.until; });
    for (Trouble& trouble : troubles_) {
        const Duration pause = trouble.at - left_out - busy_until;
        if (pause > kLongestPause) left_out += pause - kLongestPause;
        trouble.at -= left_out;
        if (trouble.until) *trouble.until -= left_out;
        busy_until = std::max(busy_until, trouble.until.value_or(trouble.at));
    }
    const Duration last = timeline_.entries.back().at - *began_ - left_out;
    length_ = std::max(busy_until, is_still_open ? last : Duration{}) + kAfterwards;
}

// --- the file
// ------------------------------------------------------------------------------------------------------

std::string ReplayMaker::self() const { return timeline_.is_coordinator ? "coordinator" : "member"; }

std::string ReplayMaker::peer_interface(const seen::Way& way) const {
    return "lan" + std::to_string(switch_of_.at(way.interface));
}

void ReplayMaker::write_own_host() {
    text_ += "\n[[host]]\nname = \"" + self() + "\"\nrole = \"" + self() + "\"\n";
    if (!has_v6_) text_ += "ipv6 = false\n";
    if (!timeline_.is_coordinator) write_knowledge(peers_.front());
    const std::size_t host = timeline_.is_coordinator ? 1 : 2;
    const auto first = switch_of_.find(peers_.front().first.interface);
    for (const std::string& each : used_) {
        const auto on = switch_of_.find(each);
        if (on == switch_of_.end()) continue;
        write_interface(
            plain(each), on->second,
            {.host = host, .has_v4 = own_v4_.contains(each), .has_v6 = own_global_v6_.contains(each)});
        Duration delay = std::max(round_trips_[each] - kLan, Duration{}) / 2;
        if (delay < kHeadStart) delay = {};
        if (on != first) delay += kHeadStart;
        if (delay > Duration{}) text_ += "delay = \"" + in_us(delay) + "\"\n";
    }
}

/// By the address that won then, if it is of a kind that can be repeated: the link begins on the same path.
void ReplayMaker::write_knowledge(const Peer& coordinator) {
    const IpAddress& address = coordinator.first.remote.address;
    const auto on = switch_of_.find(coordinator.first.interface);
    if (on == switch_of_.end() || (address.is_v6() && address.is_link_local())) return;
    const std::string at = address.is_v4() ? v4(on->second, 1) : "[" + v6(on->second, 1) + "]";
    text_ += "discovers = false\nknows = [\"" + at + ":4711\"]\n";
}

void ReplayMaker::write_peer(const Peer& peer, std::size_t host) {
    const auto has = [&](const auto& is_it) {
        return std::ranges::any_of(peer.ways, [&](const auto& way) { return is_it(way.second); });
    };
    text_ += "\n[[host]]\nname = \"" + name_of(peer.id) + "\"\nrole = \"" +
             (timeline_.is_coordinator ? "member" : "coordinator") + "\"\n";
    if (!has([](const IpAddress& address) { return address.is_v6(); })) text_ += "ipv6 = false\n";
    for (std::size_t number = 0; number < switches_; ++number) {
        Addresses addresses{.host = host};
        bool is_there = false;
        for (const auto& [interface, address] : peer.ways) {
            const auto on = switch_of_.find(interface);
            if (on == switch_of_.end() || on->second != number) continue;
            is_there = true;
            addresses.has_v4 |= address.is_v4();
            addresses.has_v6 |= is_global_v6(address);
        }
        if (is_there) write_interface("lan" + std::to_string(number), number, addresses);
    }
}

void ReplayMaker::write_interface(const std::string& name, std::size_t on_switch,
                                  const Addresses& addresses) {
    text_ += "[[host.interface]]\nname = \"" + name + "\"\non = \"net" + std::to_string(on_switch) + "\"\n";
    std::string list;
    if (addresses.has_v4) list += "\"" + v4(on_switch, addresses.host) + "/24\"";
    if (addresses.has_v6) list += (list.empty() ? "\"" : ", \"") + v6(on_switch, addresses.host) + "/64\"";
    if (!list.empty()) text_ += "addresses = [" + list + "]\n";
}

void ReplayMaker::write(const Trouble& trouble) {
    text_ += "\n[[fault]]\nwhat = \"" + trouble.what + "\"\nhost = \"" + trouble.host + "\"\n";
    const auto line = [this](const char* key, const std::string& value) {
        if (!value.empty()) text_ += std::string{key} + " = \"" + value + "\"\n";
    };
    line("interface", trouble.interface);
    line("gone", trouble.gone);
    line("address", trouble.address);
    if (trouble.is_flow) text_ += "flow = true\n";
    line("at", in_us(trouble.at));  // two cables may have been pulled within a millisecond
    if (trouble.until) line("for", in_us(*trouble.until - trouble.at));
}

Result<std::string> ReplayMaker::make() {
    if (peers_.empty() || switch_of_.empty())
        return Error{
            Errc::not_connected,
            "nothing can be repeated: no link over an interface to another machine stands in the timeline"};
    if (!began_) began_ = timeline_.entries.front().at;
    for (std::size_t i = 0; i < timeline_.entries.size(); ++i) relive(i);
    shorten_pauses();
    text_ = "about = \"Made from the timeline of a " + self() +
            ": the networks as it knew them, and the faults that it saw.\"\nprofile = \"" +
            std::string{to_string(timeline_.profile)} + "\"\ngrace = \"" + in_ms(timeline_.grace) + "\"\n";
    for (std::size_t i = 0; i < switches_; ++i)
        text_ += "\n[[switch]]\nname = \"net" + std::to_string(i) + "\"\n";
    write_own_host();
    for (std::size_t i = 0; i < peers_.size(); ++i)
        write_peer(peers_[i], timeline_.is_coordinator ? i + 2 : 1);
    for (const Trouble& trouble : troubles_) write(trouble);
    text_ += "\n[traffic]\nfor = \"" + in_ms(length_) + "\"\n";
    if (troubles_.empty()) return text_;
    if (was_lost_) return text_ += "\n[expect]\nsession = \"lost\"\n", text_;
    text_ += std::string{"\n[expect]\ninterrupted = \""} + (was_interrupted_ ? "always" : "never") + "\"\n";
    return text_;
}

Result<std::string> Timeline::to_scenario() const { return ReplayMaker{*this}.make(); }

}  // namespace muster
