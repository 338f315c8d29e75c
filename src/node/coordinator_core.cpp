#include "node/coordinator_core.h"

#include <algorithm>

#include "link/candidates.h"

namespace muster::node {

namespace {

// Whoever holds a name answers a probe and a handshake in milliseconds; with this, five lost
// probes are made up for.
constexpr Duration kHolderPatience = std::chrono::seconds{1};

// More members find us by their own probes: a megabyte at a time may leave when a cable comes back.
constexpr std::size_t kMostGreetings = 1024;

Timeline about_coordinator(const link::LinkOptions& link, Duration grace) {
    Timeline about;
    about.self = link.key.id();
    about.is_coordinator = true;
    about.profile = link.profile;
    about.grace = grace;
    return about;
}

}  // namespace

Result<std::unique_ptr<CoordinatorCore>> CoordinatorCore::create(link::LinkOptions link,
                                                                 session::CoordinatorOptions session,
                                                                 Randomness& random, link::Medium& medium,
                                                                 session::CoordinatorListener& listener) {
    const DeviceId self = link.key.id();
    link.accepts = true;
    std::unique_ptr<CoordinatorCore> core{
        new CoordinatorCore(std::move(link), session.grace, random, medium)};
    auto engine = session::CoordinatorEngine::create(std::move(session), self, random, listener);
    if (!engine) return engine.error();
    core->session_ = std::move(*engine);
    return core;
}

CoordinatorCore::CoordinatorCore(link::LinkOptions link, Duration grace, Randomness& random,
                                 link::Medium& medium)
    : recorder_(about_coordinator(link, grace)),
      port_(link.port),
      links_(recorded(std::move(link), recorder_), random, medium, *this) {}

const link::LinkPort* CoordinatorCore::link_of(const DeviceId& member) const {
    return session_->link_of(member);
}

void CoordinatorCore::on_datagram(const link::Path& from, ByteView datagram, std::uint8_t ecn,
                                  TimePoint now) {
    now_ = now;
    links_.on_datagram(from, datagram, ecn, now);
}

void CoordinatorCore::on_icmp(const IcmpReport& report, TimePoint now) {
    now_ = now;
    links_.on_icmp(report, now);
}

void CoordinatorCore::on_findings(const link::Path& path, const PathFindings& findings, TimePoint now) {
    now_ = now;
    links_.on_findings(path, findings, now);
}

void CoordinatorCore::on_interfaces(std::span<const Interface> interfaces, TimePoint now) {
    now_ = now;
    interfaces_.assign(interfaces.begin(), interfaces.end());
    recorder_.on_interfaces(interfaces, now);
    links_.on_interfaces(interfaces, now);
    greet_interrupted();
    session_->set_addresses(own_endpoints());
}

/// Where members may reach this node, whatever way brought them here first. In turns: one address of each interface,
/// then the next ones; the list is short, and a machine with containers has many.
std::vector<Endpoint> CoordinatorCore::own_endpoints() const {
    std::vector<std::pair<std::size_t, Endpoint>> all;
    for (const Interface& interface : interfaces_) {
        if (interface.loopback || interface.prohibited || !interface.up || !interface.carrier) continue;
        std::size_t turn = 0;
        for (const InterfaceAddress& own : interface.addresses)
            if (!own.tentative) all.push_back({turn++, {own.address, port_, InterfaceIndex::none}});
    }
    std::ranges::sort(all);
    std::vector<Endpoint> endpoints;
    for (auto& [turn, endpoint] : all) endpoints.push_back(std::move(endpoint));
    return endpoints;
}

void CoordinatorCore::on_timer(TimePoint now) {
    now_ = now;
    links_.on_timer(now);
    session_->on_timer(now);
    dispute_.on_timer(now);
}

TimePoint CoordinatorCore::next_wakeup() const {
    return std::min({links_.next_wakeup(), session_->next_wakeup(), dispute_.next_wakeup()});
}

bool CoordinatorCore::flush(TimePoint now) {
    now_ = now;
    session_->flush(now);
    links_.flush(now);
    session_->flush(now);  // what the links told while they wrote: streams became writable, links ended
    if (visited_) visited_->close(link::kLostCode, "only asked who holds the group's name");
    const bool more = links_.flush(now);
    return tell_verdict() || more;
}

// --- the group's name
// ----------------------------------------------------------------------------------------------------

void CoordinatorCore::on_name_claimed(NameClaim claim, TimePoint now) {
    now_ = now;
    if (!dispute_.on_claim(std::move(claim))) return;
    const NameClaim& asked = dispute_.claim();
    if (!link::is_neighbour(asked.at, interfaces_)) return on_holder_answer({});
    link::RaceOptions race;
    race.expected = asked.id;
    race.patience = kHolderPatience;
    const link::Candidates candidates = link::gather(asked.at, interfaces_);
    asking_ = links_.dial(race, {}, now);
    links_.add_candidates(*asking_, candidates.paths, now, link::NamedBy::anybody);
    links_.no_more_candidates(*asking_);
}

void CoordinatorCore::on_holder_answer(const std::optional<DeviceId>& proven) {
    asking_.reset();
    dispute_.on_answer(proven, session_->roster().peers.size() > 1, now_);
}

bool CoordinatorCore::tell_verdict() {
    const auto verdict = dispute_.take_verdict();
    if (!verdict || !on_verdict_) return false;
    on_verdict_(*verdict);
    return true;
}

// --- links
// ---------------------------------------------------------------------------------------------------------------

bool CoordinatorCore::on_admit(const DeviceId& peer, std::optional<link::DialId> dial) {
    if (dial) return dispute_.claim().id.value_or(peer) == peer;
    return true;  // refusing needs a reason, and only the session can tell it to the other side
}

link::LinkHandler& CoordinatorCore::on_link_up(link::LinkPort& link, const link::LinkFacts&,
                                               std::optional<link::DialId> dial) {
    if (dial) {
        visited_ = &link;
        on_holder_answer(link.peer());
        return visitor_;
    }
    return session_->on_link_up(link, now_);
}

void CoordinatorCore::on_path_changed(link::LinkPort& link, const link::PathChange& change) {
    if (on_path_ && link_of(link.peer()) == &link) on_path_(link.peer(), change);
}

void CoordinatorCore::on_fault_found(const DeviceId& peer, const Error& why) {
    if (on_fault_) on_fault_(peer, why);
}

void CoordinatorCore::on_link_end(link::LinkPort& link, const link::LinkEnd& end) {
    if (visited_ == &link) {
        visited_ = nullptr;
        return;
    }
    const bool is_members = session_->link_of(link.peer()) == &link;
    const Endpoint at = links_.path(link).remote;
    session_->on_link_down(link, session_end(end), now_);
    if (is_members && session_->is_interrupted(link.peer())) remember_way(link.peer(), at);
}

void CoordinatorCore::remember_way(const DeviceId& member, const Endpoint& at) {
    const auto is_over = [this](const auto& way) { return !session_->is_interrupted(way.first); };
    // Not each time: ten thousand may be interrupted together.
    if (ways_.size() > 2 * session_->roster().peers.size()) std::erase_if(ways_, is_over);
    ways_.insert_or_assign(member, at);
}

void CoordinatorCore::greet_interrupted() {
    std::erase_if(ways_, [this](const auto& way) { return !session_->is_interrupted(way.first); });
    std::size_t greeted = 0;
    for (const auto& [member, at] : ways_) {
        if (greeted++ == kMostGreetings) return;
        const link::Candidates ways = link::gather(at, interfaces_);
        for (const link::Path& path : ways.paths) links_.greet(path);
    }
}

void CoordinatorCore::on_dial_failed(link::DialId dial, Error) {
    if (asking_ == dial) on_holder_answer({});
}

link::LinkOptions recorded(link::LinkOptions link, FlightRecorder& recorder) {
    link.recorder = &recorder;
    return link;
}

session::LinkEnd session_end(const link::LinkEnd& end) {
    if (const auto* closed = std::get_if<link::LinkClosed>(&end))
        return session::LinkClosed{closed->code, closed->reason};
    return std::get<Error>(end);
}

}  // namespace muster::node
