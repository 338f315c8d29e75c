#include "node/session_node.h"

#include <algorithm>
#include <tuple>

#include <boost/asio/post.hpp>

#include "base/duration_text.h"
#include "base/interfaces.h"
#include "base/log.h"
#include "node/completion.h"
#include "node/departure.h"

namespace muster::detail {

namespace asio = boost::asio;
using node::complete;

namespace {

constexpr std::size_t kMostExplained = 64;  // entries of the timeline about one peer

}  // namespace

SessionNode::SessionNode(asio::any_io_executor strand, Identity identity,
                         std::shared_ptr<node::Runner> runner, std::unique_ptr<node::JournalFile> journal)
    : strand_(strand),
      identity_(std::move(identity)),
      runner_(std::move(runner)),
      journal_file_(std::move(journal)),
      events_(strand,
              [this](const Message& message) {
                  in_hand_ = {message.from, message.payload.size()};
                  if (!journaled().journal().is_open()) settle_message();
              }),
      waits_(
          strand,
          [this](const Recipients& to, const SendOptions& options, ByteView payload) {
              auto outcome = engine_send(to, options, payload);
              runner_->poke();
              return outcome;
          },
          [this](const SendOptions& options, node::WaitId id, Session::DoneHandler handler) {
              on_send_taken(options, id, std::move(handler));
          }),
      board_(std::make_shared<StreamBoard>(
          StreamBoard::Wiring{.strand = strand,
                              .self = identity_.id(),
                              .port = [this]() -> session::StreamPort& { return streams(); },
                              .poke =
                                  [runner = std::weak_ptr{runner_}] {
                                      if (const auto alive = runner.lock()) alive->poke();
                                  },
                              .files = [this] { return file_work(); }},
          events_)) {}

SessionNode::~SessionNode() {
    runner_->stop();
    board_->abandon();
    file_threads_.reset();  // what is at the storage ends, or is left to it; nothing else is asked of it
}

Roster SessionNode::roster() const {
    const std::lock_guard lock(roster_mutex_);
    return roster_;
}

void SessionNode::set_roster(const Roster& roster) {
    const std::lock_guard lock(roster_mutex_);
    roster_ = roster;
}

void SessionNode::set_roster_revision(std::uint64_t revision) {
    const std::lock_guard lock(roster_mutex_);
    roster_.revision = revision;
}

void SessionNode::push_joined(const PeerInfo& peer, bool is_restored) {
    {
        const std::lock_guard lock(roster_mutex_);
        std::erase_if(roster_.peers, [&](const PeerInfo& other) { return other.id == peer.id; });
        roster_.peers.push_back(peer);
    }
    record(peer.id, seen::Joined{peer.name});
    push(PeerJoined{peer, is_restored});
}

void SessionNode::push_left(const PeerInfo& peer, const Departure& how) {
    {
        const std::lock_guard lock(roster_mutex_);
        std::erase_if(roster_.peers, [&](const PeerInfo& other) { return other.id == peer.id; });
    }
    if (how.is_closed()) {
        record(peer.id, seen::Left{how});
        push(PeerLeft{peer, how});
    } else {
        const Error cause = known_by_now(peer.id, how.cause());
        record(peer.id, seen::Left{cause});
        push(PeerLeft{peer, cause});
    }
    interruptions_.erase(peer.id);
    board_->on_left(peer.id, how);
}

void SessionNode::push_interrupted(const PeerInfo& peer, const Error& why) {
    interruptions_.insert_or_assign(peer.id, Interruption{SteadyClock::now(), std::nullopt});
    record(peer.id, seen::Interrupted{why});
    push(PeerInterrupted{peer, why});
}

void SessionNode::push_resumed(const PeerInfo& peer) {
    const auto interruption = interruptions_.find(peer.id);
    if (interruption == interruptions_.end()) return;
    const Duration after = SteadyClock::now() - interruption->second.since;
    interruptions_.erase(interruption);
    record(peer.id, seen::Resumed{after});
    push(PeerResumed{peer, after});
}

void SessionNode::push_path_changed(const PeerInfo& peer, const link::PathChange& change) {
    push(PathChanged{peer, change.from.remote, change.to.remote, change.why, change.fault});
}

void SessionNode::push_fault_found(const PeerInfo& peer, const Error& why) {
    if (const auto interruption = interruptions_.find(peer.id); interruption != interruptions_.end())
        interruption->second.found = why;
    push(FaultFound{peer, why});
}

Error SessionNode::known_by_now(const DeviceId& peer, Error cause) const {
    const auto interruption = interruptions_.find(peer);
    if (cause.fault() != Fault::silent || interruption == interruptions_.end()) return cause;
    const std::optional<Error>& found = interruption->second.found;
    if (!found) return cause;
    for (const Evidence& each : found->evidence()) cause.saw(each);
    return std::move(cause.fault(found->fault()).cure(found->cure()));
}

Explanation SessionNode::explain(const DeviceId& peer) {
    const Timeline seen = timeline();
    Explanation told = ways_to(peer, seen);
    told.timeline = seen.of(peer, kMostExplained);
    return told;
}

Explanation SessionNode::ways_to(const DeviceId& peer, const Timeline& seen) {
    Explanation told;
    told.peer = peer;
    if (const PeerInfo* info = roster_.find(peer)) told.name = info->name;  // written on this strand only
    told.tried = tried(peer);
    for (Evidence& each : runner_->preparations()) told.tried.push_back(std::move(each));
    const link::LinkPort* port = link_to(peer);
    if (!port) {
        told.fault = seen.fault_of(peer);
        return told;
    }
    for (const link::PathFacts& facts : links().paths(*port))
        told.paths.push_back({facts.path.remote, interface_name(facts.path.remote.interface),
                              facts.is_current, facts.is_ready, facts.round_trip, facts.loss, facts.finding});
    std::ranges::sort(told.paths, {}, [](const PathState& path) {
        return std::tuple{!path.in_use, !path.is_ready, path.remote};
    });
    return told;
}

Result<void> SessionNode::set_path_preferences(PathPreferences preferences) {
    if (has_ended_) return Error{Errc::closed, "the session is over"};
    if (auto set = runner_->set_path_preferences(preferences); !set) return set;
    on_path_preferences(preferences);
    return {};
}

Result<void> SessionNode::try_send(const Recipients& to, ByteView payload, const SendOptions& options) {
    if (waits_.must_wait(to)) return Error{Errc::queue_full, "earlier sends to the same peer wait for room"};
    auto outcome = engine_send(to, options, payload);
    runner_->poke();
    return outcome;
}

/// The application is done with the message that it had. With a journal that is when it asks for the next event: until
/// then another process would have to deliver it again.
void SessionNode::settle_message() {
    const auto message = std::exchange(in_hand_, {});
    if (!message || has_ended_) return;
    engine_consume(message->from, message->octets);
    runner_->poke();
}

void SessionNode::cancel_send(node::WaitId id) {
    waits_.cancel(id);
    const auto found = std::ranges::find(unsafe_sends_, id, &UnsafeSend::id);
    if (found == unsafe_sends_.end()) return;
    node::fail(strand_, std::move(found->handler), Errc::cancelled,
               "waiting for the journal was cancelled; the message is on its way");
    unsafe_sends_.erase(found);
}

void SessionNode::on_send_taken(const SendOptions& options, node::WaitId id, Session::DoneHandler handler) {
    const auto mark = journaled().journal().mark();
    if (!mark || options.delivery == Delivery::unreliable)
        return complete(strand_, std::move(handler), Result<void>{});
    unsafe_sends_.push_back({*mark, id, std::move(handler)});
}

void SessionNode::tell_safe() {
    const session::JournalWriter& journal = journaled().journal();
    while (!unsafe_sends_.empty() && journal.is_safe(unsafe_sends_.front().mark)) {
        complete(strand_, std::move(unsafe_sends_.front().handler), Result<void>{});
        unsafe_sends_.pop_front();
    }
}

void SessionNode::start_journal() {
    const std::weak_ptr self = weak_from_this();
    journal_file_->start(strand_, {.on_written =
                                       [this, self] {
                                           const auto alive = self.lock();
                                           if (!alive) return;
                                           journaled().on_journal_written(SteadyClock::now());
                                           runner_->poke();
                                       },
                                   .on_failed =
                                       [this, self](const Error& why) {
                                           if (const auto alive = self.lock()) on_journal_failed(why);
                                       }});
    auto saved = journal_file_->take_contents();
    if (!saved.damage.empty()) log_line(LogLevel::warning, saved.damage);
    const Error why{Errc::lost, "the process was started anew"};
    const auto restored = journaled().start_journal(*journal_file_, saved.sessions, why, SteadyClock::now());
    if (!restored) {
        journal_file_->put_aside();
        return on_journal_failed(restored.error());
    }
    for (const std::string& session : restored->left_out)
        log_line(LogLevel::warning, "lost from the journal: " + session);
}

void SessionNode::on_journal_failed(const Error& why) {
    log_line(LogLevel::error, "sessions do not outlive this process any more: " + why.explain());
    journaled().on_journal_failed(SteadyClock::now());
    record({}, seen::JournalFailed{why});
    push(JournalFailed{why});
    runner_->poke();
}

// The owner is the session: its transfers look whether the threads are still there.
Result<std::shared_ptr<node::FileWork>> SessionNode::file_work() {
    if (!file_threads_) {
        auto started = node::FileThreads::start();
        if (!started) return started.error();
        file_threads_ = std::move(*started);
    }
    return file_threads_->work();
}

// --- the end
// -----------------------------------------------------------------------------------------------------------

void SessionNode::close(const Goodbye& goodbye, node::WaitId id, Session::DoneHandler handler) {
    if (has_ended_) return complete(strand_, std::move(handler), close_outcome());
    closers_.push_back({id, std::move(handler)});
    on_closing();
    engine_close(goodbye.code, goodbye.reason, goodbye.deadline);
    runner_->poke();
}

void SessionNode::cancel_close(node::WaitId id) {
    const auto found = std::ranges::find(closers_, id, &Closer::id);
    if (found == closers_.end()) return;
    node::fail(strand_, std::move(found->handler), Errc::cancelled, "waiting for the close was cancelled");
    closers_.erase(found);
}

void SessionNode::abort() {
    if (has_ended_) return;
    on_closing();
    engine_abort();
    runner_->poke();
}

void SessionNode::abandon() {
    if (!has_ended_) {
        log_line(LogLevel::warning, "a session was dropped without close(): the others see it as lost");
        abort();
    }
    if (!runner_->is_running()) return;
    last_words_ = shared_from_this();  // until what the links have to say is on the wire
    runner_->poke();
}

void SessionNode::ended(const Departure& how) {
    if (std::exchange(has_ended_, true)) return;
    record({}, seen::Ended{how});
    on_closing();
    board_->end(how);
    waits_.fail_all(node::error_of(how));
    tell_safe();
    for (UnsafeSend& send : std::exchange(unsafe_sends_, {}))
        complete(strand_, std::move(send.handler), Result<void>{node::error_of(how)});
    for (Closer& closer : std::exchange(closers_, {}))
        complete(strand_, std::move(closer.handler), close_outcome());
    events_.push(SessionEnded{how});
    events_.finish();
}

Result<void> SessionNode::close_outcome() const {
    if (auto missed = engine_shortfall()) return std::move(missed->during("closing the session"));
    return {};
}

void SessionNode::after_flush() {
    board_->sweep();
    tell_safe();
    if (!has_ended_ || !is_quiet()) return;
    runner_->stop();
    if (last_words_)
        asio::post(strand_, [self = std::exchange(last_words_, nullptr)] {});  // not from inside a turn
}

PeerPath SessionNode::describe(const link::LinkEngine& links, const link::LinkPort& port) const {
    PeerPath told;
    const link::Path path = links.path(port);
    told.remote = path.remote;
    told.interface = interface_name(path.remote.interface);
    told.round_trip = links.rtt(port);
    return told;
}

std::string SessionNode::interface_name(InterfaceIndex index) const {
    const auto interfaces = runner_->interfaces();
    const Interface* found = find_interface(interfaces, index);
    return found ? found->name : std::string{};
}

}  // namespace muster::detail
