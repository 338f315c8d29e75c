#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/flight_recorder.h"
#include "link/link_engine.h"
#include "node/core.h"
#include "node/redial.h"
#include "session/member_engine.h"

namespace muster::node {

/// An interrupted member looks for its coordinator where it knows it, and by discovery after that time. A coordinator that
/// was started anew is back sooner, and a hundred members that all ask at once, each hearing all questions and answers, are
/// what keeps it busy.
inline constexpr Duration kDiscoverAgainAfter = std::chrono::milliseconds{300};

/// What a member's core tells beyond its session.
class MemberCoreListener : public session::MemberListener {
public:
    /// A link to the coordinator stands; joining begins.
    virtual void on_connected(const DeviceId& coordinator, const link::LinkFacts& facts) = 0;
    /// No link came up before the patience was over, or none can: no_coordinator, no_interface, or what the race
    /// says.
    /// The last event.
    virtual void on_connect_failed(const Error& why) = 0;
    /// The link to the coordinator goes on over another path.
    virtual void on_path_changed(const link::PathChange& change) = 0;
    /// It is known now which kind of fault the silence was for which the link was lost, or left its path.
    virtual void on_fault_found(const Error& why) = 0;
    /// After the first one was lost, another link to the same coordinator stands; the session is about to move to it.
    virtual void on_reconnected(const link::LinkFacts&) {}
    /// The link went before this device was in: the coordinator is looked for again, and asked again over another link
    /// (on_connected), until the patience is over.
    virtual void on_searching_again() {}
};

struct MemberCoreOptions {
    MemberCoreOptions() {}  // NOLINT(modernize-use-equals-default): not an aggregate (g++ 12.2)

    std::string group;
    std::optional<DeviceId> expected;  ///< Only this coordinator will do: given, or pinned before.
    bool pinned = false;               ///< `expected` is a pin: another key gets Errc::untrusted.
    Duration patience = std::chrono::seconds{10};  ///< From start() to a link.
};

/// How a member came to know a coordinator. Ordered: what comes later is believed to be worth more.
enum class FoundBy : std::uint8_t {
    list,         ///< The group's list: any number of instances, by anybody.
    unique_name,  ///< The answer for the group's one name.
    owner,        ///< The user, or a pin.
};

/// A member without sockets: looks for its coordinator among what discovery tells, links, joins; and looks for it again
/// when the link is lost and the session waits for another one.
/// An engine; one strand.
class MemberCore final : public Core,
                         public session::Journaled,
                         private session::Journal,
                         private link::LinkEvents {
public:
    /// The listener and what is around must outlive the core. Errors: those of session::MemberEngine::create.
    static Result<std::unique_ptr<MemberCore>> create(MemberCoreOptions options, link::LinkOptions link,
                                                      session::MemberOptions session,
                                                      const Surroundings& around,
                                                      MemberCoreListener& listener);

    /// The patience begins.
    void start(TimePoint now);
    /// Discovery says, or the user did, that `coordinator` (none: whoever answers) may be at `endpoints`.
    /// Call again whenever more is known; what is known already is ignored. What others than the owner named is
    /// tried only where it is a neighbour (link::is_neighbour), and gives way to what is named later as long as
    /// it is silent: 16 coordinators by the list, 4 by the unique name, 48 endpoints of each. Once a link stood, it
    /// is about that coordinator, whatever others say.
    void on_found(std::optional<DeviceId> coordinator, std::span<const Endpoint> endpoints, FoundBy by,
                  TimePoint now);
    /// Nobody will name anything more: discovery does not run, for the reason given if it should. From here
    /// on the core gives up as soon as it is known that nobody can answer. Silence is no such knowledge: the
    /// coordinator may still come.
    void on_all_found(TimePoint now, std::optional<Error> no_discovery = {});

    // session::Journaled, for the session that there is
    Result<Restored> start_journal(session::Journal& journal, const session::JournalContents& saved,
                                   const Error& why, TimePoint now) override;
    void on_journal_written(TimePoint now) override;
    void on_journal_failed(TimePoint now) override;
    const session::JournalWriter& journal() const override { return session_->journal(); }

    session::MemberEngine& session() { return *session_; }
    const link::LinkEngine& links() const { return links_; }
    /// The link that carries the session; null if none does.
    const link::LinkPort* current_link() const { return session_->link(); }
    /// What happens to this node is told to it, by the engines and by who runs them.
    FlightRecorder& recorder() { return recorder_; }
    /// While the session waits for a link: what was tried to make one, and what came of it.
    std::vector<Evidence> tried_again() const { return redial_.tried(); }

    // Core
    void on_datagram(const link::Path& from, ByteView datagram, std::uint8_t ecn, TimePoint now) override;
    void on_refused(const link::Path& path, SendRefusal refusal, TimePoint now) override {
        links_.on_refused(path, refusal, now);
    }
    void on_icmp(const IcmpReport& report, TimePoint now) override;
    void on_findings(const link::Path& path, const PathFindings& findings, TimePoint now) override;
    void on_interfaces(std::span<const Interface> interfaces, TimePoint now) override;
    void on_timer(TimePoint now) override;
    TimePoint next_wakeup() const override;
    bool flush(TimePoint now) override;

private:
    enum class State { idle, searching, connected, over };

    /// What is known of one possible coordinator.
    struct Target {
        FoundBy by = FoundBy::list;
        TimePoint since{};
        std::vector<Endpoint> endpoints;  // named by anybody, oldest first
        std::vector<Endpoint> given;      // by the owner
        std::optional<link::DialId> dial;
        TimePoint dial_ends{};  // a race that fails earlier has heard the answer of everyone in it
        bool has_way = false;   // packets can leave for one of the endpoints
        std::optional<Error> failure;
    };

    MemberCore(MemberCoreOptions options, link::LinkOptions link, session::MemberOptions session,
               const Surroundings& around, MemberCoreListener& listener);
    using Targets = std::map<std::optional<DeviceId>, Target>;

    Target* target_for(const std::optional<DeviceId>& id, FoundBy by);
    void make_room(FoundBy by);
    bool is_given(const Endpoint& endpoint) const;
    void pursue(const std::optional<DeviceId>& id, Target& target);
    /// False if it is certain that no packet can leave for this endpoint at present.
    bool try_endpoint(link::DialId dial, const Endpoint& endpoint, link::NamedBy by);
    void reconsider();
    void offer_paths();
    void hear_addresses();
    void give_up();
    void settle_on(const DeviceId& coordinator);
    void search_again(Error why);
    void look_after_join();
    void renew_session();
    void give_up_again();
    Redial::Need need() const;
    bool can_carry_to(std::span<const Endpoint> endpoints) const;
    const Target* most_telling() const;
    Error explain_no_interface() const;
    Error explain_nobody() const;
    Error explain_failure() const;

    // session::Journal
    void write(session::JournalBatch batch) override;

    // link::LinkEvents
    bool on_admit(const DeviceId& peer, std::optional<link::DialId> dial) override;
    link::LinkHandler& on_link_up(link::LinkPort& link, const link::LinkFacts& facts,
                                  std::optional<link::DialId> dial) override;
    void on_path_changed(link::LinkPort& link, const link::PathChange& change) override;
    void on_fault_found(const DeviceId& peer, const Error& why) override;
    void on_link_end(link::LinkPort& link, const link::LinkEnd& end) override;
    void on_dial_failed(link::DialId dial, Error why) override;
    void on_stranger(link::DialId dial, const DeviceId& responder, const Endpoint& at) override;

    MemberCoreOptions options_;
    session::MemberOptions session_options_;
    DeviceId self_;
    MemberCoreListener& listener_;
    State state_ = State::idle;
    TimePoint now_{};
    TimePoint started_{};
    TimePoint deadline_ = kNever;
    TimePoint next_hearing_{};           // of such a list
    std::uint64_t addresses_seen_ = 0;   // of the coordinator's list: the paths to them have been offered
    bool is_complete_ = false;           // nobody will name more
    std::optional<Error> no_discovery_;  // why discovery does not run although it should
    TimePoint hopeless_at_ =
        kNever;  // the verdict, unless an interface changes it; never if somebody may answer
    std::vector<Interface> interfaces_;
    Targets targets_;
    FlightRecorder recorder_;           // outlives the links
    std::optional<DeviceId> impostor_;  // showed a key that is not the pinned one
    link::LinkEngine links_;
    link::LinkPort* port_ = nullptr;     // the latest
    link::LinkPort* joining_ = nullptr;  // carries the request to join
    std::optional<Error> unanswered_;    // why it is not answered; until another link carries it
    bool is_spent_ = false;              // the session's engine has failed to join and is to be replaced
    Redial redial_;
    std::unique_ptr<session::MemberEngine> session_;
    session::Journal* journal_ = nullptr;
    bool is_write_stale_ = false;  // the batch on its way is of an engine that was replaced
    std::optional<session::JournalBatch> next_batch_;  // waits for that one
};

}  // namespace muster::node
