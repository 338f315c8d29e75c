#include "node/member_core.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "link/candidates.h"
#include "node/coordinator_core.h"

namespace muster::node {

using namespace std::chrono_literals;

namespace {

// Coordinators of one group by the list and by the unique name, endpoints of one coordinator: a hostile network
// may announce any number. 48 of the 64 places of a race: the others are for what the owner named.
constexpr std::size_t kMaxListed = 16;
// Between two lists of addresses that a coordinator is believed: each costs packets to places that it names.
constexpr Duration kBetweenAddresses = 1s;
constexpr std::size_t kMaxUnique = 4;
constexpr std::size_t kMaxEndpoints = 48;
// One race before the next begins with fresh probes; the member's own patience bounds them all.
constexpr Duration kRacePatience = 5s;
// When all that is known cannot be reached because interfaces lack something, they get this long to come up: with
// half of it a cable that is being plugged in, or a link-local address that is being made, would be too late; with
// more of it people wait for what is known. Together with the work of saying it the verdict stands within a second.
constexpr Duration kInterfaceComesUp = 950ms;

/// What the interface lacks to carry packets to others; empty if nothing.
std::string lack_of(const Interface& interface) {
    if (interface.prohibited) return "not to be used (path preferences)";
    if (!interface.up) return "switched off";
    if (!interface.carrier) return "no carrier";
    return interface.addresses.empty() ? "no address" : "";
}

Timeline about_member(const link::LinkOptions& link, Duration grace) {
    Timeline about;
    about.self = link.key.id();
    about.profile = link.profile;
    about.grace = grace;
    return about;
}

}  // namespace

Result<std::unique_ptr<MemberCore>> MemberCore::create(MemberCoreOptions options, link::LinkOptions link,
                                                       session::MemberOptions session,
                                                       const Surroundings& around,
                                                       MemberCoreListener& listener) {
    link.accepts = false;
    link.group = link::group_tag(options.group);
    std::unique_ptr<MemberCore> core{
        new MemberCore(std::move(options), link, std::move(session), around, listener)};
    auto engine = session::MemberEngine::create(core->session_options_, core->self_, listener);
    if (!engine) return engine.error();
    core->session_ = std::move(*engine);
    return core;
}

MemberCore::MemberCore(MemberCoreOptions options, link::LinkOptions link, session::MemberOptions session,
                       const Surroundings& around, MemberCoreListener& listener)
    : options_(std::move(options)),
      session_options_(std::move(session)),
      self_(link.key.id()),
      listener_(listener),
      recorder_(about_member(link, session_options_.grace)),
      links_(recorded(link, recorder_), around.random, around.medium, *this),
      redial_(links_, interfaces_, around.random, link.profile) {}

void MemberCore::start(TimePoint now) {
    now_ = started_ = now;
    deadline_ = now + options_.patience;
    state_ = State::searching;
}

void MemberCore::on_found(std::optional<DeviceId> coordinator, std::span<const Endpoint> endpoints,
                          FoundBy by, TimePoint now) {
    now_ = now;
    if (const auto& ours = redial_.coordinator(); ours && coordinator.value_or(*ours) == *ours) {
        redial_.know(endpoints, link::NamedBy::anybody, now);
        offer_paths();
    }
    if (state_ != State::searching || endpoints.empty()) return;
    if (coordinator && options_.expected && coordinator != options_.expected) {
        if (options_.pinned) impostor_ = coordinator;
        return;
    }
    const auto given = [this](const Endpoint& endpoint) { return is_given(endpoint); };
    if (std::ranges::all_of(endpoints, given)) return;
    Target* target = target_for(coordinator, by);
    std::vector<Endpoint>& known = by == FoundBy::owner ? target->given : target->endpoints;
    for (const Endpoint& endpoint : endpoints) {
        if (given(endpoint) || std::ranges::find(known, endpoint) != known.end()) continue;
        if (by != FoundBy::owner && known.size() >= kMaxEndpoints) known.erase(known.begin());
        known.push_back(endpoint);
    }
    pursue(coordinator, *target);
    reconsider();
}

void MemberCore::on_all_found(TimePoint now, std::optional<Error> no_discovery) {
    now_ = now;
    if (state_ != State::searching) return;
    no_discovery_ = std::move(no_discovery);
    is_complete_ = true;
    for (auto& [id, target] : targets_) pursue(id, target);
    reconsider();
}

MemberCore::Target* MemberCore::target_for(const std::optional<DeviceId>& id, FoundBy by) {
    const auto known = targets_.find(id);
    if (known != targets_.end() && known->second.by >= by) return &known->second;
    make_room(by);
    Target& target = targets_[id];
    if (known == targets_.end()) target.since = now_;
    target.by = by;
    return &target;
}

// At the limit the one that has been silent for longest goes: whoever is there answers within milliseconds.
void MemberCore::make_room(FoundBy by) {
    const std::size_t limit = by == FoundBy::list ? kMaxListed : kMaxUnique;
    const auto is_alike = [by](const auto& entry) { return entry.second.by == by; };
    if (by == FoundBy::owner || std::cmp_less(std::ranges::count_if(targets_, is_alike), limit)) return;
    const auto worth = [this, by](const auto& entry) {
        const Target& target = entry.second;
        const bool answers = target.dial && links_.has_answer(*target.dial);
        return std::tuple{target.by != by, answers, target.since};
    };
    const auto least = std::ranges::min_element(targets_, {}, worth);
    if (const auto dial = least->second.dial) links_.cancel(*dial);
    targets_.erase(least);
}

/// The user or the pin has named it, and whoever answers there will do, or is the only one who will.
bool MemberCore::is_given(const Endpoint& endpoint) const {
    return std::ranges::any_of(targets_, [&](const auto& entry) {
        const auto& given = entry.second.given;
        return std::ranges::find(given, endpoint) != given.end();
    });
}

void MemberCore::pursue(const std::optional<DeviceId>& id, Target& target) {
    if (!target.dial) {
        link::RaceOptions race;
        race.expected = id ? id : options_.expected;
        race.patience = std::min(kRacePatience, deadline_ - now_);
        target.dial_ends = now_ + race.patience;
        target.dial = links_.dial(race, {}, now_);
    }
    const link::DialId dial = *target.dial;
    target.has_way = false;
    for (const Endpoint& endpoint : target.given)
        target.has_way |= try_endpoint(dial, endpoint, link::NamedBy::owner);
    for (const Endpoint& endpoint : target.endpoints)
        target.has_way |= try_endpoint(dial, endpoint, link::NamedBy::anybody);
    // Without a way an interface may still come, and then there are more candidates.
    if (is_complete_ && target.has_way) links_.no_more_candidates(dial);
}

bool MemberCore::try_endpoint(link::DialId dial, const Endpoint& endpoint, link::NamedBy by) {
    if (by == link::NamedBy::anybody && !link::is_neighbour(endpoint, interfaces_)) {
        links_.rule_out(dial, {.remote = endpoint, .local = {}},
                        "mDNS names it, but it is no neighbour; given as a known address it would be tried");
        return false;
    }
    const link::Candidates candidates = link::gather(endpoint, interfaces_);
    links_.add_candidates(dial, candidates.paths, now_, by);
    for (const auto& [path, why] : candidates.ruled_out) links_.rule_out(dial, path, why);
    return !candidates.paths.empty() && can_carry_to({&endpoint, 1});
}

/// Says when to give up before the patience is over.
void MemberCore::reconsider() {
    if (!is_complete_ || state_ != State::searching) return;
    const auto may_answer = [](const auto& entry) { return entry.second.dial && entry.second.has_way; };
    const auto needs_interface = [](const auto& entry) { return entry.second.dial.has_value(); };
    if (std::ranges::any_of(targets_, may_answer)) {
        hopeless_at_ = kNever;
        return;
    }
    const Duration grace = std::ranges::any_of(targets_, needs_interface) ? kInterfaceComesUp : Duration{};
    hopeless_at_ = std::min(hopeless_at_, now_ + grace);
}

void MemberCore::on_datagram(const link::Path& from, ByteView datagram, std::uint8_t ecn, TimePoint now) {
    now_ = now;
    links_.on_datagram(from, datagram, ecn, now);
}

void MemberCore::on_icmp(const IcmpReport& report, TimePoint now) {
    now_ = now;
    links_.on_icmp(report, now);
}

void MemberCore::on_findings(const link::Path& path, const PathFindings& findings, TimePoint now) {
    now_ = now;
    links_.on_findings(path, findings, now);
}

void MemberCore::on_interfaces(std::span<const Interface> interfaces, TimePoint now) {
    now_ = now;
    interfaces_.assign(interfaces.begin(), interfaces.end());
    recorder_.on_interfaces(interfaces, now);
    links_.on_interfaces(interfaces, now);
    redial_.on_interfaces(now);
    offer_paths();
    if (state_ != State::searching) return;
    for (auto& [id, target] : targets_) pursue(id, target);
    reconsider();
}

void MemberCore::on_timer(TimePoint now) {
    now_ = now;
    links_.on_timer(now);
    renew_session();
    session_->on_timer(now);
    if (state_ == State::searching && now >= std::min(deadline_, hopeless_at_)) give_up();
    if (now >= deadline_) give_up_again();
}

TimePoint MemberCore::next_wakeup() const {
    const bool has_news = addresses_seen_ != session_->coordinator_addresses().revision;
    const TimePoint engines = std::min({links_.next_wakeup(), session_->next_wakeup(), redial_.next_wakeup(),
                                        has_news ? next_hearing_ : kNever});
    if (is_spent_) return now_;
    if (unanswered_) return std::min(engines, deadline_);
    return state_ == State::searching ? std::min({engines, deadline_, hopeless_at_}) : engines;
}

bool MemberCore::flush(TimePoint now) {
    now_ = now;
    renew_session();
    session_->flush(now);
    hear_addresses();
    links_.flush(now);
    renew_session();
    session_->flush(now);  // what the links told while they wrote: streams became writable, links ended
    look_after_join();

    redial_.tend(need(), now);
    return links_.flush(now);
}

Redial::Need MemberCore::need() const {
    if (unanswered_) return Redial::Need::link;
    if (session_->wants_link()) return Redial::Need::link;
    return session_->is_interrupted() ? Redial::Need::pending : Redial::Need::none;
}

bool MemberCore::on_admit(const DeviceId& peer, std::optional<link::DialId>) {
    if (const auto& known = redial_.coordinator()) return peer == *known;
    if (!options_.expected || peer == *options_.expected) return true;
    if (options_.pinned) impostor_ = peer;
    return false;
}

link::LinkHandler& MemberCore::on_link_up(link::LinkPort& link, const link::LinkFacts& facts,
                                          std::optional<link::DialId>) {
    const bool is_first = state_ != State::connected;
    const bool asks_to_join = !session_->is_joined();
    renew_session();
    port_ = &link;
    if (asks_to_join) joining_ = &link;
    unanswered_.reset();
    redial_.on_link_up(link.peer(), facts.path.remote, now_);
    if (is_first) settle_on(link.peer());
    link::LinkHandler& handler = session_->on_link_up(link, now_);
    if (asks_to_join)
        listener_.on_connected(link.peer(), facts);
    else
        listener_.on_reconnected(facts);
    offer_paths();
    return handler;
}

/// All ways to the coordinator that may work besides the one that the link runs over.
void MemberCore::offer_paths() {
    if (port_) links_.offer_paths(*port_, redial_.paths(), now_);
}

/// The coordinator itself says where it can be reached now.
void MemberCore::hear_addresses() {
    const auto& told = session_->coordinator_addresses();
    if (addresses_seen_ == told.revision || now_ < next_hearing_) return;
    addresses_seen_ = told.revision;
    next_hearing_ = now_ + kBetweenAddresses;
    redial_.on_told(told.endpoints, now_);
    offer_paths();
}

void MemberCore::on_path_changed(link::LinkPort& link, const link::PathChange& change) {
    if (port_ != &link) return;
    redial_.on_reached(change.to.remote);
    listener_.on_path_changed(change);
}

/// From here on only what is known of this one matters.
void MemberCore::settle_on(const DeviceId& coordinator) {
    state_ = State::connected;
    for (auto& [id, target] : targets_) {
        if (const auto dial = std::exchange(target.dial, std::nullopt)) links_.cancel(*dial);
        redial_.know(target.given, link::NamedBy::owner, now_);
        if (id.value_or(coordinator) == coordinator)
            redial_.know(target.endpoints, link::NamedBy::anybody, now_);
    }
    targets_.clear();
}

void MemberCore::on_fault_found(const DeviceId& peer, const Error& why) {
    if (redial_.coordinator() == peer) listener_.on_fault_found(why);
}

void MemberCore::on_link_end(link::LinkPort& link, const link::LinkEnd& end) {
    if (port_ == &link) port_ = nullptr;
    const bool asked = std::exchange(joining_, joining_ == &link ? nullptr : joining_) == &link;
    const bool is_open = asked && !session_->is_joined() && !session_->has_ended();
    session_->on_link_down(link, session_end(end), now_);
    const auto* lost = std::get_if<Error>(&end);
    if (!is_open || lost == nullptr) return;
    const bool goes_on = session_->wants_link();  // with the session of an earlier process
    if (!goes_on && now_ >= deadline_) return;
    is_spent_ = !goes_on;
    search_again(*lost);
}

/// Before it is in: whatever became of the link, another one is waited for no longer than the first.
void MemberCore::search_again(Error why) {
    unanswered_ = std::move(why);
    listener_.on_searching_again();
}

void MemberCore::look_after_join() {
    const bool is_open = state_ == State::connected && !session_->is_joined() && !session_->has_ended();
    if (is_open && !unanswered_ && session_->wants_link())
        search_again({Errc::lost, "the coordinator does not go on with the saved session"});
}

// What has not begun cannot be resumed: another link brings the request again, in a session of its own. Not from inside
// the engine's events.
void MemberCore::renew_session() {
    if (!std::exchange(is_spent_, false)) return;
    is_write_stale_ |= session_->journal().is_writing() && !next_batch_;
    next_batch_.reset();
    session_ = session::MemberEngine::create(session_options_, self_, listener_).value();  // as at first
    // Nothing is lost of the journal: an engine that has failed to join has put nothing there.
    if (journal_) (void)session_->start_journal(*this, {}, Error{Errc::lost, ""}, now_);
    addresses_seen_ = 0;
}

Result<session::Journaled::Restored> MemberCore::start_journal(session::Journal& journal,
                                                               const session::JournalContents& saved,
                                                               const Error& why, TimePoint now) {
    journal_ = &journal;
    auto restored = session_->start_journal(*this, saved, why, now);
    if (!restored) journal_ = nullptr;
    // The pin may have been on its way to the disk when the last process was killed.
    if (!options_.expected) options_.expected = session_->restored_with();
    return restored;
}

void MemberCore::on_journal_written(TimePoint now) {
    if (!std::exchange(is_write_stale_, false)) return session_->on_journal_written(now);
    if (auto next = std::exchange(next_batch_, std::nullopt)) journal_->write(std::move(*next));
}

// One at a time, also when the engine was replaced meanwhile.
void MemberCore::write(session::JournalBatch batch) {
    if (is_write_stale_)
        next_batch_ = std::move(batch);
    else
        journal_->write(std::move(batch));
}

void MemberCore::on_journal_failed(TimePoint now) {
    journal_ = nullptr;
    is_write_stale_ = false;
    next_batch_.reset();
    session_->on_journal_failed(now);
}

void MemberCore::give_up_again() {
    if (!unanswered_) return;
    state_ = State::over;
    Error why = std::move(*unanswered_);
    unanswered_.reset();
    for (Evidence& each : redial_.tried()) why.saw(std::move(each));
    listener_.on_connect_failed(why);
}

void MemberCore::on_dial_failed(link::DialId dial, Error why) {
    if (redial_.on_dial_failed(dial, why, now_)) return;
    for (auto& [id, target] : targets_) {
        if (target.dial != dial) continue;
        target.dial.reset();
        target.failure = std::move(why);
        // Who was only silent may come; who has answered wrongly would answer the same.
        const bool was_silent = now_ >= target.dial_ends;
        if (now_ < deadline_ && (was_silent || !is_complete_)) pursue(id, target);
        return reconsider();
    }
}

// The id that was announced for an address is only a hint, and so is the one that answers there: it is asked for
// its key under its own.
void MemberCore::on_stranger(link::DialId, const DeviceId& responder, const Endpoint& at) {
    on_found(responder, {&at, 1}, FoundBy::list, now_);
}

void MemberCore::give_up() {
    state_ = State::over;
    for (auto& [id, target] : targets_) {
        const auto dial = std::exchange(target.dial, std::nullopt);
        if (!dial) continue;
        if (auto why = links_.explain(*dial)) target.failure = std::move(why);
        links_.cancel(*dial);
    }
    listener_.on_connect_failed(explain_failure());
}

/// Whether packets could have left for any of these endpoints; with none of them, whether any could
/// have left this machine.
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
    return std::move(error.fault(Fault::link_dead))
        .cure(
            "plug in a cable, join a Wi-Fi, or switch an interface on with `ip link set dev NAME up`: a "
            "link-local address is enough, no router or DHCP is needed");
}

/// The failure to show; null if nobody was found. That another device than announced answers at an address says
/// nothing, unless one is expected.
const MemberCore::Target* MemberCore::most_telling() const {
    const auto worth = [this](const auto& entry) {
        const Target& target = entry.second;
        const bool is_mislabelled = !options_.expected && target.failure->code() == Errc::untrusted;
        return std::tuple{!is_mislabelled, target.by};
    };
    const Target* best = nullptr;
    std::tuple<bool, FoundBy> best_worth;
    for (const auto& entry : targets_) {
        if (!entry.second.failure || (best && worth(entry) <= best_worth)) continue;
        best = &entry.second;
        best_worth = worth(entry);
    }
    return best;
}

Error MemberCore::explain_failure() const {
    const std::string group = "group '" + options_.group + "'";
    const std::string cure =
        options_.pinned ? "if the coordinator was replaced on purpose, forget the pin of " + group : "";
    if (const Target* target = most_telling(); target && target->failure) {
        Error why = *target->failure;
        if (why.code() == Errc::unreachable && !can_carry_to(target->given) &&
            !can_carry_to(target->endpoints))
            return explain_no_interface();
        if (options_.pinned && why.code() == Errc::untrusted)
            why.during("the key of " + group + " is pinned").cure(cure);
        return why;
    }
    if (impostor_ && options_.expected)
        return Error{Errc::untrusted, "the coordinator of " + group + " shows the key " +
                                          impostor_->short_string() + "..., but this device has pinned " +
                                          options_.expected->short_string() + "..."}
            .cure(cure);
    if (!no_discovery_ && !can_carry_to({})) return explain_no_interface();
    return explain_nobody();
}

/// No endpoint became known.
Error MemberCore::explain_nobody() const {
    const std::string group = "group '" + options_.group + "'";
    if (no_discovery_) {
        Error error = *no_discovery_;
        error.during("nobody can be asked for " + group +
                     ", for no address is known and discovery does not run");
        return std::move(error.cure((error.cure().empty() ? "" : error.cure() + "; or ") +
                                    "give the coordinator's address"));
    }
    if (is_complete_)
        return Error{Errc::no_coordinator,
                     "nobody can be asked for " + group + ": discovery does not run, and no address is known"}
            .cure("give the coordinator's address, or let discovery look for it");
    Error error{Errc::no_coordinator, "nobody answered for " + group};
    for (const Interface& interface : interfaces_) {
        if (interface.loopback) continue;
        const std::string lack = lack_of(interface);
        error.saw({"discover", interface.name, lack.empty() ? "asked by multicast, no answer" : lack});
    }
    return std::move(error).cure("start the coordinator; if multicast is blocked, give its address");
}

}  // namespace muster::node
