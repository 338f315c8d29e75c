#include "net/multicast_engine.h"

#include <algorithm>
#include <utility>

#include "base/interfaces.h"
#include "net/group_target.h"

namespace muster::net {
namespace {

using namespace std::chrono_literals;

// After so long it is not the switch: it has been told four times (MembershipKeeper).
constexpr Duration kAskingTakes = 2s;
constexpr Duration kFirstRetry = 1s;
constexpr Duration kLastRetry = 60s;

bool carries(const Interface& interface) { return interface.up && interface.carrier; }

bool has_lost_address(const Interface& before, const Interface& now) {
    return std::ranges::any_of(before.addresses, [&](const InterfaceAddress& old) {
        return std::ranges::find(now.addresses, old.address, &InterfaceAddress::address) ==
               now.addresses.end();
    });
}

}  // namespace

MulticastEngine::MulticastEngine(MulticastEngineOptions options, MulticastWire& wire, TimePoint now)
    : options_(std::move(options)), wire_(wire) {
    judged_.state = MulticastState::no_interface;
    judged_.since = now;
}

void MulticastEngine::on_interfaces(const std::vector<Interface>& interfaces, TimePoint now) {
    is_alone_ = is_alone_ && is_alone(interfaces);
    std::map<InterfaceIndex, const Interface*> wanted;
    for (const Interface& each : interfaces)
        if (takes_part(each, options_.interfaces, is_alone_)) wanted.emplace(each.index, &each);
    std::vector<InterfaceIndex> gone;
    for (const auto& [index, port] : ports_)
        if (!wanted.contains(index)) gone.push_back(index);
    for (const InterfaceIndex index : gone) remove(index);
    for (const auto& [index, interface] : wanted) {
        const auto known = ports_.find(index);
        if (known == ports_.end())
            add(*interface, wanted_on(*interface), now);
        else
            update(known->second, *interface, now);
    }
    tend(now);
}

Membership MulticastEngine::wanted_on(const Interface& interface) const {
    // The kernel's loopback does not say that it can, and does.
    if (!interface.multicast && !interface.loopback) return Membership::unable;
    if (fits_any(interface, options_.prohibit)) return Membership::prohibited;
    const bool is_chosen = options_.interfaces.empty() || fits_any(interface, options_.interfaces);
    return is_chosen ? Membership::joined : Membership::not_chosen;
}

void MulticastEngine::add(const Interface& interface, Membership wanted, TimePoint now) {
    Port& port = ports_[interface.index];
    port.interface = interface;
    port.told.index = interface.index;
    port.told.name = interface.name;
    port.told.carries = carries(interface);
    port.told.membership = wanted;
    port.is_chosen = wanted == Membership::joined;
    changed_ = true;
    if (port.is_chosen) join(port, now);  // also while it is down: then it is ready when it comes up
}

void MulticastEngine::update(Port& port, const Interface& interface, TimePoint now) {
    const Interface before = std::exchange(port.interface, interface);
    const bool carried = std::exchange(port.told.carries, carries(interface));
    if (carried != port.told.carries || before.name != interface.name) changed_ = true;
    port.told.name = interface.name;
    const Membership wanted = wanted_on(interface);  // a rename or a flag may change it
    if (port.is_chosen != (wanted == Membership::joined)) {
        leave(port, wanted);
        port.is_chosen = wanted == Membership::joined;
        if (port.is_chosen) join(port, now);
        return;
    }
    if (!port.is_chosen && port.told.membership != Membership::watched) set(port, wanted);
    if (has_lost_address(before, interface)) note(interface.index, SilenceCause::address_gone);
    if (carried && !port.told.carries) note(interface.index, SilenceCause::link_down);
    if (before == interface || !port.told.carries) return;
    // Also if it never stopped carrying: what was deleted and made anew under the same index looks like a change.
    if (port.keeper) port.keeper->on_link_changed(now);
    if (port.is_chosen && !port.keeper) join(port, now);
}

void MulticastEngine::remove(InterfaceIndex index) {
    note(index, SilenceCause::interface_gone);
    end_membership(ports_.at(index));
    ports_.erase(index);
    changed_ = true;
}

void MulticastEngine::join(Port& port, TimePoint now) {
    if (port.is_chosen && !has_room()) make_room();
    if (has_room()) return take_answer(port, wire_.join(port.interface.index), now);
    take_answer(port,
                {JoinAnswer::Kind::failed, "the group is joined on too many interfaces already: choose some"},
                now);
}

/// Who only looks gives way to who is to receive.
void MulticastEngine::make_room() {
    const auto watched = std::ranges::find_if(
        ports_, [](const auto& each) { return each.second.told.membership == Membership::watched; });
    if (watched != ports_.end()) leave(watched->second, Membership::not_chosen);
}

void MulticastEngine::take_answer(Port& port, const JoinAnswer& answer, TimePoint now) {
    port.told.finding = answer.why;
    if (answer.kind == JoinAnswer::Kind::joined) {
        if (!port.keeper) {
            port.keeper.emplace(now);
            ++memberships_;
        }
        port.retry_at = kNever;
        port.retry_wait = {};
        return set(port, port.is_chosen ? Membership::joined : Membership::watched);
    }
    end_membership(port);
    port.retry_wait = port.retry_wait == Duration{} ? kFirstRetry : std::min(2 * port.retry_wait, kLastRetry);
    port.retry_at = now + port.retry_wait;
    if (!port.is_chosen) return set(port, Membership::not_chosen);
    set(port, answer.kind == JoinAnswer::Kind::forbidden ? Membership::blocked : Membership::failed);
}

void MulticastEngine::leave(Port& port, Membership then) {
    end_membership(port);
    port.retry_at = kNever;
    port.retry_wait = {};
    set(port, then);
}

void MulticastEngine::end_membership(Port& port) {
    if (!port.keeper) return;
    wire_.leave(port.interface.index);
    port.keeper.reset();
    --memberships_;
}

void MulticastEngine::set(Port& port, Membership membership) {
    if (std::exchange(port.told.membership, membership) != membership) changed_ = true;
}

bool MulticastEngine::on_datagram(InterfaceIndex interface, std::size_t octets, TimePoint now) {
    const auto known = ports_.find(interface);
    if (known == ports_.end()) return false;
    Port& port = known->second;
    if (!port.keeper) return false;
    ++port.told.datagrams;
    port.told.octets += octets;
    port.told.last_heard = now;
    const bool is_revived = port.keeper->on_heard(now);
    if (port.is_chosen) {
        end_outage(is_revived, now);
        rhythm_.on_arrival(now);
        heard_at_ = now;
        heard_by_ = interface;
        noted_ = SilenceCause::none;
    }
    if (!port.is_chosen) elsewhere_at_ = now;
    // More of the same says nothing new, and tend() looks at every interface.
    const auto said = port.is_chosen ? MulticastState::receiving : MulticastState::sender_on_other_interface;
    if (judged_.state != said) tend(now);
    return port.is_chosen;
}

/// Something has happened to an interface: only that by which it came at last can be why it stops.
void MulticastEngine::note(InterfaceIndex index, SilenceCause cause) {
    if (index != heard_by_ || noted_ == SilenceCause::interface_gone) return;
    if (noted_ == SilenceCause::none || cause != SilenceCause::address_gone) noted_ = cause;
}

void MulticastEngine::end_outage(bool is_revived, TimePoint now) {
    if (!heard_at_) return;
    const bool was_late = now >= rhythm_.late_at();
    const bool was_cut = noted_ != SilenceCause::none && now >= *heard_at_ + options_.silent_after;
    if (!was_late && !was_cut) return;
    SilenceCause cause = is_revived ? SilenceCause::switch_forgot : SilenceCause::sender_paused;
    if (noted_ != SilenceCause::none) cause = noted_;
    judged_.last_outage = MulticastOutage{*heard_at_, now - *heard_at_, cause};
    ++judged_.outages;
    changed_ = true;
}

void MulticastEngine::on_timer(TimePoint now) {
    for (auto& [index, port] : ports_) {
        if (port.retry_at <= now) {
            port.retry_at = kNever;
            if (port.is_chosen) join(port, now);  // the others: look_elsewhere()
        }
        using enum MembershipKeeper::Due;
        const auto due = port.keeper ? port.keeper->on_timer(now) : nothing;
        if (due == nothing || !port.told.carries) continue;
        // Whoever asks does not forget, and a goodbye may cut off a port at once.
        if (due == refresh && wire_.has_older_querier(index)) continue;
        ++port.told.announcements;
        take_answer(port, wire_.announce(index), now);
    }
    tend(now);
}

/// When what came last is so long ago that it does not count as coming any more.
TimePoint MulticastEngine::quiet_at() const {
    if (!heard_at_) return TimePoint{};
    const TimePoint late_at = rhythm_.late_at();
    const TimePoint patient = *heard_at_ + options_.silent_after;
    return late_at == kNever ? patient : std::max(late_at, patient);
}

/// Only if there is no obstacle.
TimePoint MulticastEngine::silent_at() const {
    return std::max(quiet_at(), ready_at_ + options_.silent_after);
}

TimePoint MulticastEngine::elsewhere_until() const {
    return elsewhere_at_ ? *elsewhere_at_ + std::max(options_.silent_after, kAskingTakes) : TimePoint{};
}

/// Why nothing can come at all.
std::optional<MulticastState> MulticastEngine::obstacle() const {
    bool is_joined = false, is_refused = false, is_prohibited = !ports_.empty();
    for (const auto& [index, port] : ports_) {
        const auto membership = port.told.membership;
        if (membership == Membership::joined && port.told.carries) return std::nullopt;
        is_joined |= membership == Membership::joined;
        is_refused |= membership == Membership::blocked || membership == Membership::failed;
        is_prohibited &= membership == Membership::prohibited;
    }
    if (is_prohibited || (is_refused && !is_joined)) return MulticastState::blocked;
    return MulticastState::no_interface;
}

MulticastState MulticastEngine::judge(TimePoint now) const {
    if (now < quiet_at()) return MulticastState::receiving;
    if (now < elsewhere_until()) return MulticastState::sender_on_other_interface;
    return now < silent_at() ? MulticastState::listening : MulticastState::silent;
}

SilenceCause MulticastEngine::why_silent(TimePoint now) const {
    if (!heard_at_) return SilenceCause::nothing_yet;
    if (now >= silent_at() + kAskingTakes) return SilenceCause::sender_paused;
    return noted_ != SilenceCause::none ? noted_ : SilenceCause::asking_again;
}

/// Judges afresh, and does what the new state calls for.
void MulticastEngine::tend(TimePoint now) {
    const MulticastState before = judged_.state;
    const auto in_the_way = obstacle();
    if (in_the_way) ready_at_ = kNever;
    if (!in_the_way && ready_at_ == kNever) ready_at_ = now;
    judged_.state = in_the_way ? *in_the_way : judge(now);
    look_elsewhere(now);
    const bool is_silent = judged_.state == MulticastState::silent;
    const SilenceCause cause = is_silent ? why_silent(now) : SilenceCause::none;
    if (judged_.state == before && cause == judged_.silence) return;
    if (judged_.state != before) judged_.since = is_silent ? heard_at_.value_or(ready_at_) : now;
    judged_.silence = cause;
    changed_ = true;
}

void MulticastEngine::look_elsewhere(TimePoint now) {
    const bool is_missed =
        judged_.state == MulticastState::silent || judged_.state == MulticastState::sender_on_other_interface;
    if (!is_missed) elsewhere_at_.reset();
    for (auto& [index, port] : ports_) {
        const bool wanted = options_.look_elsewhere && is_missed && port.told.carries;
        const bool may_join = port.told.membership == Membership::not_chosen && port.retry_at == kNever;
        if (wanted && may_join && has_room()) join(port, now);
        if (port.told.membership == Membership::watched && !wanted) leave(port, Membership::not_chosen);
    }
}

TimePoint MulticastEngine::next_wakeup() const {
    TimePoint next = kNever;
    for (const auto& [index, port] : ports_) {
        next = std::min(next, port.retry_at);
        if (port.keeper) next = std::min(next, port.keeper->next_wakeup());
    }
    switch (judged_.state) {
        case MulticastState::receiving: return std::min(next, quiet_at());
        case MulticastState::listening: return std::min(next, silent_at());
        case MulticastState::sender_on_other_interface: return std::min(next, elsewhere_until());
        case MulticastState::silent: {
            const bool may_tell_more = heard_at_ && judged_.silence != SilenceCause::sender_paused;
            return may_tell_more ? std::min(next, silent_at() + kAskingTakes) : next;
        }
        case MulticastState::blocked:
        case MulticastState::no_interface: return next;
    }
    return next;
}

MulticastStatus MulticastEngine::status() const {
    MulticastStatus status = judged_;
    for (const auto& [index, port] : ports_) status.interfaces.push_back(port.told);
    return status;
}

}  // namespace muster::net
