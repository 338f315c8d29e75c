#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "link/link_engine.h"
#include "node/core.h"
#include "session/member_engine.h"

namespace muster::node {

/// What a member's core tells beyond its session.
class MemberCoreListener : public session::MemberListener {
public:
    /// A link to the coordinator stands; joining begins.
    virtual void on_connected(const DeviceId& coordinator, const link::LinkFacts& facts) = 0;
    /// No link came up before the patience was over: no_coordinator, no_interface, or what the race says.
    /// The last event.
    virtual void on_connect_failed(const Error& why) = 0;
};

struct MemberCoreOptions {
    MemberCoreOptions() {}  // NOLINT(modernize-use-equals-default): not an aggregate (g++ 12.2)

    std::string group;
    std::optional<DeviceId> expected;  ///< Only this coordinator will do: given, or pinned before.
    bool pinned = false;               ///< `expected` is a pin: another key gets Errc::untrusted.
    Duration patience = std::chrono::seconds{10};  ///< From start() to a link.
};

/// A member without sockets: looks for its coordinator among what discovery tells, links, joins. An engine;
/// one strand.
class MemberCore final : public Core, private link::LinkEvents {
public:
    /// All references must outlive the core. Errors: those of session::MemberEngine::create.
    static Result<std::unique_ptr<MemberCore>> create(MemberCoreOptions options, link::LinkOptions link,
                                                      session::MemberOptions session, Randomness& random,
                                                      link::Medium& medium, MemberCoreListener& listener);

    /// The patience begins.
    void start(TimePoint now);
    /// Discovery says, or the user did, that `coordinator` (none: whoever answers) may be at `endpoints`.
    /// Call again whenever more is known; what is known already is ignored.
    void on_found(std::optional<DeviceId> coordinator, std::span<const Endpoint> endpoints, TimePoint now);

    session::MemberEngine& session() { return *session_; }
    const link::LinkEngine& links() const { return links_; }
    const link::LinkPort* current_link() const { return port_; }

    // Core
    void on_datagram(const link::Path& from, ByteView datagram, std::uint8_t ecn, TimePoint now) override;
    void on_interfaces(std::span<const Interface> interfaces, TimePoint now) override;
    void on_timer(TimePoint now) override;
    TimePoint next_wakeup() const override;
    bool flush(TimePoint now) override;

private:
    enum class State { idle, searching, connected, over };

    /// What is known of one possible coordinator.
    struct Target {
        std::vector<Endpoint> endpoints;
        std::optional<link::DialId> dial;
        std::optional<Error> failure;
    };

    MemberCore(MemberCoreOptions options, link::LinkOptions link, Randomness& random, link::Medium& medium,
               MemberCoreListener& listener);
    void pursue(const std::optional<DeviceId>& id, Target& target);
    void give_up();
    bool can_carry_to(std::span<const Endpoint> endpoints) const;
    Error explain_no_interface() const;
    Error explain_failure() const;

    // link::LinkEvents
    bool on_admit(const DeviceId& peer, std::optional<link::DialId> dial) override;
    link::LinkHandler& on_link_up(link::LinkPort& link, const link::LinkFacts& facts,
                                  std::optional<link::DialId> dial) override;
    void on_link_end(link::LinkPort& link, const link::LinkEnd& end) override;
    void on_dial_failed(link::DialId dial, Error why) override;

    MemberCoreOptions options_;
    MemberCoreListener& listener_;
    State state_ = State::idle;
    TimePoint now_{};
    TimePoint started_{};
    TimePoint deadline_ = kNever;
    std::vector<Interface> interfaces_;
    std::map<std::optional<DeviceId>, Target> targets_;
    std::optional<DeviceId> impostor_;  // showed a key that is not the pinned one
    link::LinkEngine links_;
    link::LinkPort* port_ = nullptr;
    std::unique_ptr<session::MemberEngine> session_;
};

}  // namespace muster::node
