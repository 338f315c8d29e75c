#include "node/member_core.h"

#include <algorithm>

#include "link/candidates.h"
#include "node/coordinator_core.h"

namespace muster::node {

using namespace std::chrono_literals;

namespace {

// Coordinators of one group, endpoints of one coordinator: a hostile network may announce any number.
constexpr std::size_t kMaxTargets = 16;
constexpr std::size_t kMaxEndpoints = 64;
// One race before the next begins with fresh probes; the member's own patience bounds them all.
constexpr Duration kRacePatience = 5s;

/// What the interface lacks to carry packets to others; empty if nothing.
std::string lack_of(const Interface& interface) {
    if (!interface.up) return "switched off";
    if (!interface.carrier) return "no carrier";
    return interface.addresses.empty() ? "no address" : "";
}

}  // namespace

Result<std::unique_ptr<MemberCore>> MemberCore::create(MemberCoreOptions options, link::LinkOptions link,
                                                       session::MemberOptions session, Randomness& random,
                                                       link::Medium& medium, MemberCoreListener& listener) {
    const DeviceId self = link.key.id();
    link.accepts = false;
    link.group = link::group_tag(options.group);
    std::unique_ptr<MemberCore> core{
        new MemberCore(std::move(options), std::move(link), random, medium, listener)};
    auto engine = session::MemberEngine::create(std::move(session), self, listener);
    if (!engine) return engine.error();
    core->session_ = std::move(*engine);
    return core;
}

MemberCore::MemberCore(MemberCoreOptions options, link::LinkOptions link, Randomness& random,
                       link::Medium& medium, MemberCoreListener& listener)
    : options_(std::move(options)), listener_(listener), links_(std::move(link), random, medium, *this) {}

void MemberCore::start(TimePoint now) {
    now_ = started_ = now;
    deadline_ = now + options_.patience;
    state_ = State::searching;
}

void MemberCore::on_found(std::optional<DeviceId> coordinator, std::span<const Endpoint> endpoints,
                          TimePoint now) {
    now_ = now;
    if (state_ != State::searching) return;
    if (coordinator && options_.expected && coordinator != options_.expected) {
        if (options_.pinned) impostor_ = coordinator;
        return;
    }
    if (!targets_.contains(coordinator) && targets_.size() >= kMaxTargets) return;
    Target& target = targets_[coordinator];
    for (const Endpoint& endpoint : endpoints) {
        const bool known = std::ranges::any_of(targets_, [&endpoint](const auto& entry) {
            return std::ranges::find(entry.second.endpoints, endpoint) != entry.second.endpoints.end();
        });  // under whatever id: one handshake is enough
        if (!known && target.endpoints.size() < kMaxEndpoints) target.endpoints.push_back(endpoint);
    }
    if (!target.endpoints.empty()) pursue(coordinator, target);
}

void MemberCore::pursue(const std::optional<DeviceId>& id, Target& target) {
    if (!target.dial) {
        link::RaceOptions race;
        race.expected = id ? id : options_.expected;
        race.patience = std::min(kRacePatience, deadline_ - now_);
        target.dial = links_.dial(race, {}, now_);
    }
    for (const Endpoint& endpoint : target.endpoints) {
        const link::Candidates candidates = link::gather(endpoint, interfaces_);
        links_.add_candidates(*target.dial, candidates.paths, now_);
        for (const auto& [path, why] : candidates.ruled_out) links_.rule_out(*target.dial, path, why);
    }
}

void MemberCore::on_datagram(const link::Path& from, ByteView datagram, std::uint8_t ecn, TimePoint now) {
    now_ = now;
    links_.on_datagram(from, datagram, ecn, now);
}

void MemberCore::on_interfaces(std::span<const Interface> interfaces, TimePoint now) {
    now_ = now;
    interfaces_.assign(interfaces.begin(), interfaces.end());
    links_.on_interfaces(interfaces, now);
    if (state_ != State::searching) return;
    for (auto& [id, target] : targets_)
        if (!target.endpoints.empty()) pursue(id, target);
}

void MemberCore::on_timer(TimePoint now) {
    now_ = now;
    links_.on_timer(now);
    session_->on_timer(now);
    if (state_ == State::searching && now >= deadline_) give_up();
}

TimePoint MemberCore::next_wakeup() const {
    const TimePoint engines = std::min(links_.next_wakeup(), session_->next_wakeup());
    return state_ == State::searching ? std::min(engines, deadline_) : engines;
}

bool MemberCore::flush(TimePoint now) {
    now_ = now;
    session_->flush(now);
    links_.flush(now);
    session_->flush(now);  // what the links told while they wrote: streams became writable, links ended
    return links_.flush(now);
}

bool MemberCore::on_admit(const DeviceId& peer, std::optional<link::DialId>) {
    if (!options_.expected || peer == *options_.expected) return true;
    if (options_.pinned) impostor_ = peer;
    return false;
}

link::LinkHandler& MemberCore::on_link_up(link::LinkPort& link, const link::LinkFacts& facts,
                                          std::optional<link::DialId>) {
    state_ = State::connected;
    port_ = &link;
    for (auto& [id, target] : targets_)
        if (target.dial) links_.cancel(*std::exchange(target.dial, std::nullopt));
    link::LinkHandler& handler = session_->on_link_up(link, now_);
    listener_.on_connected(link.peer(), facts);
    return handler;
}

void MemberCore::on_link_end(link::LinkPort& link, const link::LinkEnd& end) {
    if (port_ == &link) port_ = nullptr;
    session_->on_link_down(link, session_end(end), now_);
}

void MemberCore::on_dial_failed(link::DialId dial, Error why) {
    for (auto& [id, target] : targets_) {
        if (target.dial != dial) continue;
        target.dial.reset();
        target.failure = std::move(why);
        if (now_ < deadline_) pursue(id, target);
        return;
    }
}

void MemberCore::give_up() {
    state_ = State::over;
    for (auto& [id, target] : targets_) {
        if (!target.dial) continue;
        if (auto why = links_.explain(*target.dial); why && !target.endpoints.empty())
            target.failure = std::move(why);
        links_.cancel(*std::exchange(target.dial, std::nullopt));
    }
    listener_.on_connect_failed(explain_failure());
}

/// Whether packets could have left for any of these endpoints; with none of them, whether any could have left
/// this machine.
bool MemberCore::can_carry_to(std::span<const Endpoint> endpoints) const {
    const auto is_here = [](const Endpoint& endpoint) { return endpoint.address.is_loopback(); };
    if (std::ranges::any_of(endpoints, is_here)) return true;
    return std::ranges::any_of(interfaces_, [](const Interface& interface) {
        return !interface.loopback && lack_of(interface).empty();
    });
}

Error MemberCore::explain_no_interface() const {
    Error error{Errc::no_interface,
                "no interface can carry packets, and nobody on this machine answered for group '" +
                    options_.group + "'"};
    for (const Interface& interface : interfaces_)
        if (!interface.loopback) error.saw({"interface", interface.name, lack_of(interface)});
    if (error.evidence().empty())
        error.saw({"interface", "", "this machine has none but those for itself (loopback)"});
    return std::move(error).cure(
        "plug in a cable, join a Wi-Fi, or switch an interface on with `ip link set dev NAME up`: a "
        "link-local address is enough, no router or DHCP is needed");
}

Error MemberCore::explain_failure() const {
    const std::string group = "group '" + options_.group + "'";
    const std::string cure =
        options_.pinned ? "if the coordinator was replaced on purpose, forget the pin with `muster forget " +
                              options_.group + "`"
                        : "";
    for (const auto& [id, target] : targets_) {
        if (!target.failure) continue;
        Error why = *target.failure;
        if (why.code() == Errc::unreachable && !can_carry_to(target.endpoints)) return explain_no_interface();
        if (options_.pinned && why.code() == Errc::untrusted)
            why.during("the key of " + group + " is pinned").cure(cure);
        return why;
    }
    if (impostor_)
        return Error{Errc::untrusted, "the coordinator of " + group + " shows the key " +
                                          impostor_->short_string() + "..., but this device has pinned " +
                                          options_.expected->short_string() + "..."}
            .cure(cure);
    if (!can_carry_to({})) return explain_no_interface();
    Error error{Errc::no_coordinator, "nobody answered for " + group};
    for (const Interface& interface : interfaces_) {
        if (interface.loopback) continue;
        const std::string lack = lack_of(interface);
        error.saw({"discover", interface.name, lack.empty() ? "asked by multicast, no answer" : lack});
    }
    return std::move(error).cure("start one with `muster host " + options_.group +
                                 "`; if multicast is blocked, name its address with --at ADDRESS:PORT");
}

}  // namespace muster::node
