#include "base/flight_recorder.h"

#include <algorithm>
#include <utility>

namespace muster {

using namespace std::chrono_literals;

namespace {

// Among so many of the latest entries the same thing is looked for. A machine with 64 interfaces refuses packets on all
// of them in turn; more would make each refusal cost more than the packet.
constexpr std::ptrdiff_t kLookBack = 64;
// What comes again later than this is news.
constexpr Duration kSoon = 10s;
constexpr std::size_t kMaxCandidates = 16;
constexpr std::size_t kMaxAddresses = 16;  // of an interface
constexpr std::size_t kMaxNames = 4;       // ... besides its name; each has up to 127 octets
constexpr std::size_t kMaxText = 1024;
// What one peer may fill of the room before it makes room for the others.
constexpr std::size_t kMostEntriesOfOne = FlightRecorder::kMaxEntries / 4;
constexpr std::size_t kMostOctetsOfOne = FlightRecorder::kMaxOctets / 4;

std::size_t octets_of(const Error& error) {
    std::size_t octets = error.message().size() + error.cure().size();
    for (const Evidence& each : error.evidence())
        octets += sizeof each + each.phase.size() + each.subject.size() + each.finding.size();
    return octets;
}

std::size_t octets_of(const Departure& how) {
    return how.is_lost() ? octets_of(how.cause()) : how.closed().reason.size();
}

/// What an entry holds besides itself.
struct Octets {
    std::size_t operator()(const seen::InterfaceChanged& is) const {
        std::size_t octets = is.interface.addresses.size() * sizeof(InterfaceAddress);
        for (const std::string& each : is.interface.alternative_names)
            octets += sizeof(std::string) + each.size();
        return octets;
    }
    std::size_t operator()(const seen::DialEnded& is) const {
        std::size_t octets = octets_of(is.why);
        for (const Evidence& each : is.candidates)
            octets += sizeof each + each.phase.size() + each.subject.size() + each.finding.size();
        return octets;
    }
    std::size_t operator()(const seen::LinkEnded& is) const {
        return is.reason.size() + (is.lost ? octets_of(*is.lost) : 0);
    }
    std::size_t operator()(const seen::PathLost& is) const { return is.why.size(); }
    std::size_t operator()(const seen::PathMoved& is) const { return is.why.size(); }
    std::size_t operator()(const seen::FaultFound& is) const { return octets_of(is.why); }
    std::size_t operator()(const seen::Joined& is) const { return is.name.size(); }
    std::size_t operator()(const seen::Interrupted& is) const { return octets_of(is.why); }
    std::size_t operator()(const seen::Left& is) const { return octets_of(is.how); }
    std::size_t operator()(const seen::Ended& is) const { return octets_of(is.how); }
    std::size_t operator()(const seen::JournalFailed& is) const { return octets_of(is.why); }
    template <class Small>
    std::size_t operator()(const Small&) const {
        return 0;
    }
};

std::size_t octets_of(const TimelineEntry& entry) { return sizeof entry + std::visit(Octets{}, entry.what); }

/// Cuts what somebody else may have made long.
void bound(Seen& what) {
    if (auto* changed = std::get_if<seen::InterfaceChanged>(&what)) {
        Interface& it = changed->interface;
        if (it.addresses.size() > kMaxAddresses) it.addresses.resize(kMaxAddresses);
        if (it.alternative_names.size() > kMaxNames) it.alternative_names.resize(kMaxNames);
    }
    if (auto* ended = std::get_if<seen::LinkEnded>(&what); ended && ended->reason.size() > kMaxText)
        ended->reason.resize(kMaxText);
    auto* dial = std::get_if<seen::DialEnded>(&what);
    if (!dial || dial->candidates.size() <= kMaxCandidates) return;
    dial->left_out = dial->candidates.size() - kMaxCandidates;
    dial->candidates.resize(kMaxCandidates);
}

/// Whether the second is the first one again.
struct SameAgain {
    bool operator()(const seen::DialEnded& one, const seen::DialEnded& other) const {
        using enum seen::DialEnded::Outcome;
        return one.outcome == failed && other.outcome == failed && one.why.code() == other.why.code();
    }
    bool operator()(const seen::SendRefused& one, const seen::SendRefused& other) const {
        return one == other;
    }
    bool operator()(const seen::IcmpError& one, const seen::IcmpError& other) const { return one == other; }
    template <class One, class Other>
    bool operator()(const One&, const Other&) const {
        return false;
    }
};

bool may_repeat(const Seen& what) { return std::visit(SameAgain{}, what, what); }

bool is_by_anybody(const Seen& what) {
    return std::holds_alternative<seen::SendRefused>(what) || std::holds_alternative<seen::IcmpError>(what);
}

}  // namespace

void FlightRecorder::record(const std::optional<DeviceId>& peer, Seen what, TimePoint now) {
    bound(what);
    if (TimelineEntry* same = same_as(peer, what, now)) {
        uncount(*same);
        same->what = std::move(what);
        ++same->times;
        same->until = now;
        count(*same);
    } else if (is_by_anybody(what) && !floods_.take(now)) {
        ++left_out_;
    } else {
        const auto when = wall_clock_ ? wall_clock_(now)
                                      : std::chrono::system_clock::time_point{
                                            std::chrono::duration_cast<std::chrono::system_clock::duration>(
                                                now.time_since_epoch())};
        entries_.push_back({.at = now, .when = when, .until = now, .peer = peer, .what = std::move(what)});
        count(entries_.back());
    }
    while (entries_.size() > kMaxEntries || (octets_ > kMaxOctets && entries_.size() > 1)) drop_one();
}

TimelineEntry* FlightRecorder::same_as(const std::optional<DeviceId>& peer, const Seen& what, TimePoint now) {
    if (!may_repeat(what)) return nullptr;
    const auto looked_at = std::min(kLookBack, std::ssize(entries_));
    for (auto entry = entries_.rbegin(); entry != entries_.rbegin() + looked_at; ++entry)
        if (now - entry->until < kSoon && entry->peer == peer && std::visit(SameAgain{}, entry->what, what))
            return &*entry;
    return nullptr;
}

/// The oldest; of those who fill more than their share, if there are any: a peer that joins and leaves in a loop must not
/// drive out what was seen of the others.
void FlightRecorder::drop_one() {
    const auto is_of_a_glutton = [this](const TimelineEntry& each) {
        if (!each.peer) return false;
        const Share& share = shares_.at(*each.peer);
        return share.entries > kMostEntriesOfOne || share.octets > kMostOctetsOfOne;
    };
    auto dropped = std::ranges::find_if(entries_, is_of_a_glutton);
    if (dropped == entries_.end()) dropped = entries_.begin();
    if (const auto* changed = std::get_if<seen::InterfaceChanged>(&dropped->what)) {
        before_.erase(changed->interface.index);
        if (!changed->is_gone) before_.emplace(changed->interface.index, changed->interface);
    }
    uncount(*dropped);
    entries_.erase(dropped);
    ++left_out_;
}

void FlightRecorder::count(const TimelineEntry& entry) {
    const std::size_t octets = octets_of(entry);
    octets_ += octets;
    if (!entry.peer) return;
    Share& share = shares_[*entry.peer];
    ++share.entries;
    share.octets += octets;
}

void FlightRecorder::uncount(const TimelineEntry& entry) {
    const std::size_t octets = octets_of(entry);
    octets_ -= octets;
    if (!entry.peer) return;
    const auto found = shares_.find(*entry.peer);
    found->second.octets -= octets;
    if (--found->second.entries == 0) shares_.erase(found);
}

void FlightRecorder::on_interfaces(std::span<const Interface> interfaces, TimePoint now) {
    std::map<InterfaceIndex, Interface> here;
    for (const Interface& each : interfaces) {
        here.emplace(each.index, each);
        const auto known = now_.find(each.index);
        if (known == now_.end() || known->second != each) record({}, seen::InterfaceChanged{each}, now);
    }
    for (const auto& [index, gone] : now_)
        if (!here.contains(index)) record({}, seen::InterfaceChanged{gone, true}, now);
    now_ = std::move(here);
}

Timeline FlightRecorder::read(TimePoint now) const {
    Timeline told = about_;
    told.taken = now;
    for (const auto& [index, interface] : before_) told.before.push_back(interface);
    told.entries.assign(entries_.begin(), entries_.end());
    told.left_out = left_out_;
    return told;
}

}  // namespace muster
