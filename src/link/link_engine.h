#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/flight_recorder.h"
#include "base/random.h"
#include "base/rate_limit.h"
#include "link/link_port.h"
#include "link/path.h"
#include "link/path_reports.h"
#include "link/path_table.h"
#include "link/probe.h"
#include "link/race.h"
#include "link/verdict.h"
#include "quic/endpoint.h"

#include "muster/interface.h"
#include "muster/profile.h"

namespace muster::link {

class QuicLink;

/// The code with which a link is closed that this end gives up as lost: no goodbye, and not shown as one. Of
/// the codes below it, those below 2^32 are the application's, the others the session's (LinkCode).
inline constexpr std::uint64_t kLostCode = std::uint64_t{1} << 33;

/// The other side said goodbye, or we did.
struct LinkClosed {
    bool by_peer = false;
    std::uint64_t code = 0;
    std::string reason;
};

/// How a link ended: closed with a goodbye, or lost with a cause. Never confused.
using LinkEnd = std::variant<LinkClosed, Error>;

/// What is known of a link when it comes up.
struct LinkFacts {
    Path path;
    Duration handshake_took{};
    std::vector<Evidence> candidates;  ///< What became of every candidate; empty on the accepting side.
};

enum class DialId : std::uint64_t {};

/// Numbers the links of one engine as they are made. What is walked through is ordered by it and never by
/// addresses: equal inputs make equal runs, whatever the allocator does.
enum class LinkSerial : std::uint64_t {};

/// A link runs over another path from now on.
struct PathChange {
    Path from, to;
    std::string why;
    Fault fault = Fault::none;  ///< Of the path that was left.
};

/// Link events, from inside on_datagram, on_timer, on_interfaces and flush. Calling back into
/// the engine is allowed.
class LinkEvents {
public:
    virtual ~LinkEvents() = default;

    /// Whether to trust the device that is shaking hands. `dial` is none for incoming links.
    virtual bool on_admit(const DeviceId& peer, std::optional<DialId> dial) = 0;
    /// A link stands. The handler must live until on_link_end for it has returned.
    virtual LinkHandler& on_link_up(LinkPort& link, const LinkFacts& facts, std::optional<DialId> dial) = 0;
    /// The link goes on over another path; nothing reliable was lost.
    virtual void on_path_changed(LinkPort& link, const PathChange& change) = 0;
    /// A link to this peer was lost, or has left its path, for silence; now it is known which kind of fault it was.
    virtual void on_fault_found(const DeviceId& peer, const Error& why) = 0;
    /// Always the last event of a link that came up.
    virtual void on_link_end(LinkPort& link, const LinkEnd& end) = 0;
    virtual void on_dial_failed(DialId dial, Error why) = 0;
    /// Another device of the group than the dial expects says that it is at `at`; not proved.
    virtual void on_stranger(DialId dial, const DeviceId& responder, const Endpoint& at) = 0;
};

struct LinkOptions {
    explicit LinkOptions(DeviceKey device_key) : key(std::move(device_key)) {}

    DeviceKey key;
    GroupTag group{};
    bool accepts = false;    ///< A coordinator: answers probes and takes links.
    std::uint16_t port = 0;  ///< Of a coordinator: one device may host a group on several.
    Profile profile = Profile::balanced;
    bool paced = false;
    FlightRecorder* recorder =
        nullptr;  ///< Is told what happens to dials, links and paths; outlives the engine.
};

/// All links of one node, over any medium: finds working paths, shakes hands, watches that the peers live.
/// An engine: call on_* with what happens, then flush(); one strand.
class LinkEngine final : private quic::Acceptor, private quic::Wire {
public:
    LinkEngine(LinkOptions options, Randomness& random, Medium& medium, LinkEvents& events);
    ~LinkEngine() override;

    /// Starts looking for `race.expected` (or whoever answers for the group) over `candidates`.
    DialId dial(const RaceOptions& race, std::span<const Path> candidates, TimePoint now);
    /// More addresses became known. Ignored when the dial is over.
    void add_candidates(DialId dial, std::span<const Path> candidates, TimePoint now,
                        NamedBy by = NamedBy::owner);
    /// An address that is not worth trying, for the explanation.
    void rule_out(DialId dial, const Path& path, std::string why);
    /// Something has changed on the network: what has not answered is probed again at once (Race::renew).
    void renew(DialId dial, TimePoint now);
    /// Tells a peer without a link that this end can send again. For the end that does not dial.
    void greet(const Path& path);
    /// No further addresses will come: the dial may fail as soon as all have failed.
    void no_more_candidates(DialId dial);
    /// Why a dial that still runs has not succeeded yet; nullopt if it is over.
    std::optional<Error> explain(DialId dial) const;
    /// Whether somebody has answered a probe of this dial, and has not failed since.
    bool has_answer(DialId dial) const;
    /// Forgets a dial without an event.
    void cancel(DialId dial);

    /// The paths by which the peer of a link may be reached, instead of those offered before: they are asked from
    /// time to time, and the link goes to one of them when its own fails. Only for links that this engine has dialed.
    void offer_paths(LinkPort& link, std::span<const OfferedPath> paths, TimePoint now);

    void on_datagram(const Path& from, ByteView datagram, std::uint8_t ecn, TimePoint now);
    /// The kernel refused to send along this path. May come from inside Medium::send.
    void on_refused(const Path& path, SendRefusal refusal, TimePoint now);
    void on_icmp(const IcmpReport& report, TimePoint now);
    /// What came of Medium::inquire.
    void on_findings(const Path& path, const PathFindings& findings, TimePoint now);
    /// The interfaces as they are now. Links over what can carry nothing go to another path; those that have none
    /// end at once, with that as the cause.
    void on_interfaces(std::span<const Interface> interfaces, TimePoint now);
    TimePoint next_wakeup() const;
    void on_timer(TimePoint now);
    /// Sends what there is to send. True: more is waiting, call again soon.
    bool flush(TimePoint now);

    std::size_t links() const { return links_.size(); }
    Duration rtt(const LinkPort& link) const;
    Path path(const LinkPort& link) const;
    /// All that is known of the ways to the peer; at the end that did not dial only the path in use.
    std::vector<PathFacts> paths(const LinkPort& link) const;

private:
    friend class QuicLink;

    struct Dial {
        Race race;
        std::optional<DeviceId> expected;
        std::map<LinkSerial, Race::CandidateIndex> attempts;
        TimePoint began{};
        bool has_inquired = false;
        bool is_open = true;  // neither won nor failed
    };
    /// A fault that was called silent, until more is known.
    struct OpenCase {
        DeviceId peer;
        Path path;
        Symptoms symptoms;
        TimePoint since{};  // of the silence
        TimePoint next{};   // when to ask again
        int asked = 1;
    };

    // quic::Acceptor, quic::Wire
    quic::Handler* on_incoming(quic::Connection& connection, quic::PathId path) override;
    std::optional<Endpoint> address_of(quic::PathId path) const override;
    void send(const quic::Transmit& batch) override;

    void on_probe_request(const Path& from, const ProbeRequest& request);
    void on_probe_reply(const Path& from, const ProbeReply& reply);
    bool on_beside_quic(const Path& from, ByteView datagram);
    void on_heartbeat(QuicLink& link, const Path& from, ByteView datagram);
    void on_unknown_heartbeat(const Path& from, std::uint64_t tag);
    void advance_dials();
    void advance_dial(DialId id, Dial& dial);
    void start_handshake(DialId id, Dial& dial, Race::CandidateIndex candidate);
    void run_liveness();
    void lose(QuicLink& link);
    /// Asks the paths of a link that are due, and goes to another one if it is time. False: the link has ended.
    bool advance(QuicLink& link);
    bool move(QuicLink& link, const Move& to);
    /// Why the path of a link fails, if the link has nowhere else to go.
    std::optional<Obstacle> dead_end(QuicLink& link, std::span<const Interface> interfaces);

    // verdicts
    void look_into(QuicLink& link);
    void look_into(Dial& dial);
    bool is_known_dead(const QuicLink& link) const;
    /// With what the rim has told since then.
    Symptoms symptoms_of(const QuicLink& link, TimePoint since) const;
    /// Of a path that the link leaves: its peer lives.
    Verdict judge_left_path(const QuicLink& link, const Path& left);
    Error explain(const Dial& dial) const;
    void keep_open(const QuicLink& link, const Path& path, Symptoms symptoms, TimePoint since);
    void advance_cases();
    void close_cases(const std::function<bool(const OpenCase&)>& has_news);
    void lose_known_dead();
    std::string interface_of(const Path& path) const;

    // the flight recorder
    seen::Way way_of(const Path& path) const;
    void record(const std::optional<DeviceId>& peer, Seen what);
    void record_dial(const Dial& dial, seen::DialEnded::Outcome outcome, const Error& why = {});
    void record_link_up(QuicLink& link);
    void record_link_end(const QuicLink& link, const LinkEnd& how);
    void record_paths(QuicLink& link);
    void record_move(const QuicLink& link, const PathChange& change);

    // from QuicLink
    bool admit(QuicLink& link, const DeviceId& peer);
    void established(QuicLink& link);
    void closed(QuicLink& link, const quic::CloseInfo& info);
    void path_changed(QuicLink& link, quic::PathId path);
    void reschedule(QuicLink& link);
    void end(QuicLink& link, const LinkEnd& end);
    void drop(QuicLink& link);
    void sweep();

    quic::PathId path_id(const Path& path);
    const Path* find_path(quic::PathId id) const;
    void pin(quic::PathId id) { ++pins_[id]; }
    void unpin(quic::PathId id);
    void forget_path(quic::PathId id);

    LinkOptions options_;
    Randomness& random_;
    Medium& medium_;
    LinkEvents& events_;
    TimePoint now_{};  // of the input being handled
    std::unique_ptr<quic::Endpoint> quic_;

    std::uint64_t next_dial_ = 1;
    std::map<DialId, Dial> dials_;
    ProbeBudget budget_;  // of all dials together
    std::uint64_t next_link_ = 1;
    std::map<LinkSerial, std::unique_ptr<QuicLink>> links_;
    std::vector<std::unique_ptr<QuicLink>> ended_;  // freed when no event is on the stack any more
    std::unordered_map<std::uint64_t, QuicLink*> by_tag_;
    RateLimit unknown_links_{1024, 1024};  // answers
    PathReports reports_;
    bool has_reports_ = false;  // since the last flush()
    std::deque<OpenCase> open_cases_;
    std::map<InterfaceIndex, std::string> interface_names_;
    std::set<std::pair<TimePoint, LinkSerial>> wakeups_;

    std::uint64_t next_path_ = 1;
    std::unordered_map<Path, quic::PathId> path_ids_;
    std::unordered_map<quic::PathId, Path> paths_;
    std::unordered_map<quic::PathId, int> pins_;
    std::deque<quic::PathId> strangers_;  // paths that no link uses, oldest first
};

}  // namespace muster::link
