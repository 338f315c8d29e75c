#include "link/link_engine.h"

#include <algorithm>
#include <ranges>

#include "base/check.h"
#include "base/writer.h"
#include "link/quic_link.h"

namespace muster::link {
namespace {

// Paths of strangers are kept just long enough to answer them: a flood of spoofed
// addresses stays within this.
constexpr std::size_t kMaxStrangers = 1024;

// A request to join is at most 21 kB, on one stream; 4,096 strangers that fill this are what a hundred members are.
constexpr std::uint64_t kStrangerWindow = 64 * 1024;
constexpr std::uint64_t kStrangerStreams = 4;
// A quarter of those whom the session lets ask at a time.
constexpr std::size_t kMaxStrangersPerSource = 1024;

quic::Config quic_config(const LinkOptions& options) {
    quic::Config config{options.key};
    config.paced = options.paced;
    config.idle_timeout = {};  // heartbeats run beside QUIC, which would call a quiet link idle
    Writer{config.reset_scope}.write(options.group).write(options.port);
    config.stranger_window = kStrangerWindow;
    config.stranger_streams = kStrangerStreams;
    config.max_strangers_per_source = kMaxStrangersPerSource;
    return config;
}

LinkEnd end_of(const quic::CloseInfo& info) {
    using Kind = quic::CloseInfo::Kind;
    switch (info.kind) {
        case Kind::local: return LinkClosed{.by_peer = false, .code = info.code, .reason = info.reason};
        case Kind::peer_application:
            if (info.code == kLostCode)
                return Error{Errc::lost, "the peer gave this link up: " + info.reason};
            return LinkClosed{.by_peer = true, .code = info.code, .reason = info.reason};
        case Kind::reset:
            return Error{Errc::lost, "the peer has forgotten this link: its process was restarted"}
                .fault(Fault::peer_dead)
                .cure(std::string{cure_of(Fault::peer_dead)});
        case Kind::idle: return Error{Errc::lost, "nothing was heard for the idle timeout"};
        case Kind::refused_identity: return Error{Errc::untrusted, info.reason};
        case Kind::handshake_failed: return Error{Errc::handshake_failed, info.reason};
        case Kind::peer_transport:
            return Error{Errc::lost, "the peer's QUIC gave up with code " + std::to_string(info.code) + " " +
                                         info.reason};
        case Kind::internal: return Error{Errc::lost, "QUIC gave up: " + info.reason};
    }
    return Error{Errc::lost, info.reason};
}

/// Too many shake hands there at the moment, or our proof of address has become worthless.
bool is_refusal_for_now(const quic::CloseInfo& info) {
    return info.kind == quic::CloseInfo::Kind::peer_transport &&
           (info.code == quic::kConnectionRefused || info.code == quic::kInvalidToken);
}

}  // namespace

LinkEngine::LinkEngine(LinkOptions options, Randomness& random, Medium& medium, LinkEvents& events)
    : options_(std::move(options)),
      random_(random),
      medium_(medium),
      events_(events),
      quic_(quic::Endpoint::create(quic_config(options_), random, options_.accepts ? this : nullptr)) {}

LinkEngine::~LinkEngine() = default;

// --- dialing
// ---------------------------------------------------------------------------------------------------------

DialId LinkEngine::dial(const RaceOptions& race, std::span<const Path> candidates, TimePoint now) {
    now_ = now;
    const DialId id{next_dial_++};
    Dial& dial = dials_
                     .emplace(id, Dial{.race = Race{race, random_, budget_, now},
                                       .expected = race.expected,
                                       .attempts = {},
                                       .began = now})
                     .first->second;
    for (const Path& path : candidates) dial.race.add(path, now);
    return id;
}

void LinkEngine::add_candidates(DialId id, std::span<const Path> candidates, TimePoint now, NamedBy by) {
    const auto found = dials_.find(id);
    if (found == dials_.end()) return;
    for (const Path& path : candidates) found->second.race.add(path, now, by);
}

bool LinkEngine::has_answer(DialId id) const {
    const auto found = dials_.find(id);
    return found != dials_.end() && found->second.race.has_answer();
}

void LinkEngine::rule_out(DialId id, const Path& path, std::string why) {
    if (const auto found = dials_.find(id); found != dials_.end())
        found->second.race.rule_out(path, std::move(why));
}

void LinkEngine::renew(DialId id, TimePoint now) {
    now_ = now;
    const auto found = dials_.find(id);
    if (found == dials_.end()) return;
    const auto hung = found->second.race.renew(now);
    std::erase_if(found->second.attempts, [&](const auto& attempt) {
        if (std::ranges::find(hung, attempt.second) == hung.end()) return false;
        QuicLink& link = *links_.at(attempt.first);
        link.connection().close(kLostCode, "the network has changed");
        drop(link);
        return true;
    });
}

void LinkEngine::greet(const Path& path) {
    const Bytes greeting = encode(ProbeReply{.nonce = ProbeReply::kGreeting, .responder = options_.key.id()});
    medium_.send(path, greeting, greeting.size(), 0);
}

void LinkEngine::no_more_candidates(DialId id) {
    if (const auto found = dials_.find(id); found != dials_.end()) found->second.race.no_more_coming();
}

std::optional<Error> LinkEngine::explain(DialId id) const {
    const auto found = dials_.find(id);
    if (found == dials_.end()) return std::nullopt;
    return explain(found->second);
}

void LinkEngine::cancel(DialId id) {
    const auto found = dials_.find(id);
    if (found == dials_.end()) return;
    for (const auto& [serial, candidate] : found->second.attempts) {
        QuicLink& link = *links_.at(serial);
        link.connection().close(kLostCode, "another path was faster");
        drop(link);
    }
    if (found->second.is_open) record_dial(found->second, seen::DialEnded::Outcome::dropped);
    dials_.erase(found);
}

// The newest first: when the budget of probes is short, what has just been found has a better claim to the next
// one than what has been silent since.
void LinkEngine::advance_dials() {
    std::vector<DialId> ids;
    ids.reserve(dials_.size());
    for (const auto& [id, dial] : dials_) ids.push_back(id);
    for (const DialId id : ids | std::views::reverse)
        if (const auto found = dials_.find(id); found != dials_.end()) advance_dial(id, found->second);
}

void LinkEngine::advance_dial(DialId id, Dial& dial) {
    for (const Race::Probe& probe : dial.race.due_probes(now_)) {
        const Bytes datagram = encode(ProbeRequest{.nonce = probe.nonce, .group = options_.group});
        medium_.send(probe.path, datagram, datagram.size(), 0);
    }
    while (const auto candidate = dial.race.next_handshake(now_)) start_handshake(id, dial, *candidate);
    look_into(dial);
    if (!dial.race.is_over(now_)) return;
    Error why = explain(dial);
    record_dial(dial, seen::DialEnded::Outcome::failed, why);
    dial.is_open = false;
    cancel(id);
    events_.on_dial_failed(id, std::move(why));
}

void LinkEngine::start_handshake(DialId id, Dial& dial, Race::CandidateIndex candidate) {
    const quic::PathId path = path_id(dial.race.path(candidate));
    const LinkSerial serial{next_link_++};
    auto link = std::make_unique<QuicLink>(*this, serial, id, path, now_);
    auto connection = quic_->connect(path, *link, now_);
    if (!connection) return dial.race.on_handshake_failed(candidate, connection.error().message(), now_);
    pin(path);
    link->attach(**connection);
    dial.attempts.emplace(serial, candidate);
    links_.emplace(serial, std::move(link));
}

// --- input
// -----------------------------------------------------------------------------------------------------------

void LinkEngine::on_datagram(const Path& from, ByteView datagram, std::uint8_t ecn, TimePoint now) {
    now_ = now;
    if (!has_fixed_bit(datagram) && on_beside_quic(from, datagram)) return;
    quic_->on_datagram(path_id(from), datagram, ecn, now);
}

bool LinkEngine::on_beside_quic(const Path& from, ByteView datagram) {
    if (const auto tag = heartbeat_tag(datagram)) {
        const auto found = by_tag_.find(*tag);
        if (found == by_tag_.end() && quic_->knows(datagram)) return false;  // looks like one, and is not
        if (found == by_tag_.end()) return on_unknown_heartbeat(from, *tag), true;
        on_heartbeat(*found->second, from, datagram);
        return true;
    }
    if (const auto unknown = parse_unknown_link(datagram)) {
        const auto found = by_tag_.find(unknown->tag);
        if (found != by_tag_.end() && found->second->paths()) found->second->on_unknown(now_);
        return true;
    }
    if (const auto reply = parse_probe_reply(datagram)) return on_probe_reply(from, *reply), true;
    if (const auto request = parse_probe_request(datagram)) return on_probe_request(from, *request), true;
    return false;
}

void LinkEngine::on_probe_request(const Path& from, const ProbeRequest& request) {
    if (!options_.accepts || request.group != options_.group) return;
    const Bytes reply = encode(ProbeReply{.nonce = request.nonce, .responder = options_.key.id()});
    medium_.send(from, reply, reply.size(), 0);
}

void LinkEngine::on_probe_reply(const Path& from, const ProbeReply& reply) {
    if (reply.nonce == ProbeReply::kGreeting) {
        for (auto& [id, dial] : dials_) dial.race.on_greeting(from, now_);
        return;
    }
    for (auto& [id, dial] : dials_) {
        switch (dial.race.on_reply(reply.nonce, from, reply.responder, now_)) {
            case Race::Reply::ignored: continue;
            case Race::Reply::answered: return advance_dial(id, dial);
            case Race::Reply::stranger: return events_.on_stranger(id, reply.responder, from.remote);
        }
    }
}

void LinkEngine::on_heartbeat(QuicLink& link, const Path& from, ByteView datagram) {
    const auto [is_genuine, answer] = link.on_heartbeat(datagram, from, now_);
    if (answer) medium_.send(from, *answer, answer->size(), 0);
    if (is_genuine && advance(link)) reschedule(link);
}

/// Of a member that knew the last process under this address, perhaps: it would find out by silence only.
void LinkEngine::on_unknown_heartbeat(const Path& from, std::uint64_t tag) {
    if (!options_.accepts || !unknown_links_.take(now_)) return;
    const Bytes answer = encode(UnknownLink{tag});
    medium_.send(from, answer, answer.size(), 0);
}

// --- time
// ------------------------------------------------------------------------------------------------------------

TimePoint LinkEngine::next_wakeup() const {
    TimePoint next = quic_->next_wakeup();
    if (!wakeups_.empty()) next = std::min(next, wakeups_.begin()->first);
    for (const auto& [id, dial] : dials_) next = std::min(next, dial.race.next_wakeup());
    for (const OpenCase& each : open_cases_) next = std::min(next, each.next);
    return next;
}

void LinkEngine::on_timer(TimePoint now) {
    now_ = now;
    quic_->on_timer(now);
    run_liveness();
    advance_cases();
}

void LinkEngine::run_liveness() {
    while (!wakeups_.empty() && wakeups_.begin()->first <= now_) {
        QuicLink& link = *links_.at(wakeups_.begin()->second);
        const auto verdict = link.on_timer(now_);
        const Path* path = find_path(link.path());
        const WayBack& request = link.way_back();
        if (verdict == Liveness::Verdict::lost ||
            (request.is_asking() && now_ - request.since() >= liveness_bound(options_.profile)) ||
            is_known_dead(link)) {
            lose(link);
            continue;
        }
        look_into(link);
        if (verdict == Liveness::Verdict::send_probe && path) {
            const Bytes beat = link.ask(now_);
            medium_.send(*path, beat, beat.size(), 0);
        }
        if (advance(link)) reschedule(link);
    }
}

bool LinkEngine::flush(TimePoint now) {
    now_ = now;
    lose_known_dead();
    advance_dials();
    quic_->flush(now, *this);
    sweep();
    return quic_->has_more();
}

void LinkEngine::send(const quic::Transmit& batch) {
    if (const Path* path = find_path(batch.path)) medium_.send(*path, batch.octets, batch.segment, batch.ecn);
}

// --- a link's life
// ---------------------------------------------------------------------------------------------------

quic::Handler* LinkEngine::on_incoming(quic::Connection& connection, quic::PathId path) {
    const LinkSerial serial{next_link_++};
    auto link = std::make_unique<QuicLink>(*this, serial, std::nullopt, path, now_);
    link->attach(connection);
    pin(path);
    return links_.emplace(serial, std::move(link)).first->second.get();
}

std::optional<Endpoint> LinkEngine::address_of(quic::PathId id) const {
    const Path* path = find_path(id);
    return path ? std::optional{path->remote} : std::nullopt;
}

bool LinkEngine::admit(QuicLink& link, const DeviceId& peer) { return events_.on_admit(peer, link.dial()); }

void LinkEngine::established(QuicLink& link) {
    const Path* path = find_path(link.path());
    MUSTER_CHECK(path != nullptr);  // links pin their path
    LinkFacts facts{.path = *path, .handshake_took = now_ - link.started(), .candidates = {}};
    if (const auto dial = link.dial()) {
        const auto found = dials_.find(*dial);
        if (found == dials_.end()) return drop(link);
        facts.candidates = found->second.race.evidence(now_);
        found->second.attempts.erase(link.serial());
        record_dial(found->second, seen::DialEnded::Outcome::linked);
        found->second.is_open = false;
        cancel(*dial);  // the losers of the race
    }
    link.derive_keys();
    by_tag_[link.tag()] = &link;
    std::erase_if(open_cases_, [&](const OpenCase& each) { return each.peer == link.peer(); });
    link.begin_paths(options_.profile, now_);  // on_link_up may offer others
    if (link.dial()) record_link_up(link);
    link.bring_up(events_.on_link_up(link, facts, link.dial()), options_.profile, now_);
    reschedule(link);
}

void LinkEngine::closed(QuicLink& link, const quic::CloseInfo& info) {
    if (link.is_up()) {
        LinkEnd how = end_of(info);
        Error* lost = std::get_if<Error>(&how);
        if (lost && lost->code() == Errc::lost && lost->fault() == Fault::none) {
            // The peer has heard nothing of us for its bound, and may have been heard by us all the time.
            const TimePoint since = now_ - 2 * liveness_bound(options_.profile);
            Symptoms seen = symptoms_of(link, since);
            const Verdict verdict = judge(seen);
            *lost = with_verdict(std::move(*lost), verdict);
            if (!verdict.is_certain()) keep_open(link, path(link), std::move(seen), since);
        }
        return end(link, how);
    }
    const auto asked = link.dial();
    const auto dial = asked ? dials_.find(*asked) : dials_.end();
    if (dial != dials_.end()) {
        const auto attempt = dial->second.attempts.find(link.serial());
        if (attempt != dial->second.attempts.end()) {
            const std::string why =
                link.refused() ? "its identity is not the expected one" : "handshake: " + info.reason;
            if (is_refusal_for_now(info))
                dial->second.race.on_handshake_refused(attempt->second, why, now_);
            else
                dial->second.race.on_handshake_failed(attempt->second, why, now_);
            dial->second.attempts.erase(attempt);
        }
    }
    drop(link);
}

void LinkEngine::reschedule(QuicLink& link) {
    // Moving the entry on every packet would cost more than looking again when the old deadline comes up.
    const auto next = link.next_wakeup(now_);
    const auto scheduled = link.scheduled();
    if (scheduled && *scheduled <= next && *scheduled > now_) return;
    if (scheduled) wakeups_.erase({*scheduled, link.serial()});
    link.set_scheduled(next);
    wakeups_.emplace(next, link.serial());
}

void LinkEngine::end(QuicLink& link, const LinkEnd& how) {
    link.silence();
    record_link_end(link, how);
    events_.on_link_end(link, how);
    drop(link);
}

void LinkEngine::drop(QuicLink& link) {
    const auto found = links_.find(link.serial());
    if (found == links_.end()) return;
    link.silence();
    if (const auto scheduled = link.scheduled()) wakeups_.erase({*scheduled, link.serial()});
    if (const auto tag = by_tag_.find(link.tag()); tag != by_tag_.end() && tag->second == &link)
        by_tag_.erase(tag);
    unpin(link.path());
    ended_.push_back(std::move(found->second));
    links_.erase(found);
}

void LinkEngine::sweep() {
    for (auto& link : std::exchange(ended_, {})) quic_->forget(link->connection());
}

Duration LinkEngine::rtt(const LinkPort& link) const {
    const auto& quic_link = static_cast<const QuicLink&>(link);
    return quic_link.rtt() > Duration{} ? quic_link.rtt() : quic_link.connection().stats().smoothed_rtt;
}

Path LinkEngine::path(const LinkPort& link) const {
    const Path* path = find_path(static_cast<const QuicLink&>(link).path());
    return path ? *path : Path{};
}

// --- paths
// -----------------------------------------------------------------------------------------------------------

quic::PathId LinkEngine::path_id(const Path& path) {
    if (const auto known = path_ids_.find(path); known != path_ids_.end()) return known->second;
    const quic::PathId id{next_path_++};
    path_ids_.emplace(path, id);
    paths_.emplace(id, path);
    strangers_.push_back(id);
    while (strangers_.size() > kMaxStrangers) {  // those of links that ended are added to them
        const quic::PathId oldest = strangers_.front();
        strangers_.pop_front();
        if (!pins_.contains(oldest)) forget_path(oldest);
    }
    return id;
}

const Path* LinkEngine::find_path(quic::PathId id) const {
    const auto found = paths_.find(id);
    return found == paths_.end() ? nullptr : &found->second;
}

void LinkEngine::unpin(quic::PathId id) {
    const auto found = pins_.find(id);
    if (found == pins_.end() || --found->second > 0) return;
    pins_.erase(found);
    if (std::ranges::find(strangers_, id) == strangers_.end()) strangers_.push_back(id);
}

void LinkEngine::forget_path(quic::PathId id) {
    const auto found = paths_.find(id);
    if (found == paths_.end()) return;
    path_ids_.erase(found->second);
    paths_.erase(found);
}

}  // namespace muster::link
