#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/flight_recorder.h"
#include "link/link_engine.h"
#include "node/core.h"
#include "node/name_dispute.h"
#include "session/coordinator_engine.h"

namespace muster::node {

using NameHandler = std::function<void(const NameVerdict&)>;
using FaultHandler = std::function<void(const DeviceId& member, const Error& why)>;
using PathHandler = std::function<void(const DeviceId& member, const link::PathChange& change)>;

/// A coordinator without sockets: its links, its sessions, and its dispute with others about the group's name.
/// An engine; one strand.
class CoordinatorCore final : public Core, private link::LinkEvents {
public:
    /// All references must outlive the core. Errors: those of session::CoordinatorEngine::create.
    static Result<std::unique_ptr<CoordinatorCore>> create(link::LinkOptions link,
                                                           session::CoordinatorOptions session,
                                                           Randomness& random, link::Medium& medium,
                                                           session::CoordinatorListener& listener);

    session::CoordinatorEngine& session() { return *session_; }
    const link::LinkEngine& links() const { return links_; }
    /// What happens to this node is told to it, by the engines and by who runs them.
    FlightRecorder& recorder() { return recorder_; }
    /// The link that carries a member's session now; null if it has none.
    const link::LinkPort* link_of(const DeviceId& member) const;

    /// Who hears what has become of claims; called at the end of flush(), where everything may be called.
    void set_name_handler(NameHandler handler) { on_verdict_ = std::move(handler); }
    /// Who hears that a member's link goes on over another path; called from inside the engines.
    void set_path_handler(PathHandler handler) { on_path_ = std::move(handler); }
    /// Who hears that it is known now why a member fell silent; called from inside the engines.
    void set_fault_handler(FaultHandler handler) { on_fault_ = std::move(handler); }
    /// The group's name has been announced as ours.
    void on_name_announced() { dispute_.on_announced(); }
    /// mDNS says that another holds the group's name: it is asked for its key, by a probe and a handshake. Nobody
    /// is asked who is not a neighbour (link::is_neighbour).
    void on_name_claimed(NameClaim claim, TimePoint now);

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
    CoordinatorCore(link::LinkOptions link, Duration grace, Randomness& random, link::Medium& medium);

    // link::LinkEvents
    bool on_admit(const DeviceId& peer, std::optional<link::DialId> dial) override;
    link::LinkHandler& on_link_up(link::LinkPort& link, const link::LinkFacts& facts,
                                  std::optional<link::DialId> dial) override;
    void on_path_changed(link::LinkPort& link, const link::PathChange& change) override;
    void on_fault_found(const DeviceId& peer, const Error& why) override;
    void on_link_end(link::LinkPort& link, const link::LinkEnd& end) override;
    void on_dial_failed(link::DialId dial, Error why) override;
    void on_stranger(link::DialId, const DeviceId&, const Endpoint&) override {}

    void remember_way(const DeviceId& member, const Endpoint& at);
    void greet_interrupted();
    std::vector<Endpoint> own_endpoints() const;
    void on_holder_answer(const std::optional<DeviceId>& proven);
    bool tell_verdict();

    FlightRecorder recorder_;  // outlives the links
    const std::uint16_t port_;
    TimePoint now_{};
    std::vector<Interface> interfaces_;
    NameDispute dispute_;
    NameHandler on_verdict_;
    PathHandler on_path_;
    FaultHandler on_fault_;
    std::optional<link::DialId> asking_;  // the holder of the name
    link::DeafLinkHandler visitor_;       // at our end of a link made only to see whose key is there
    link::LinkPort* visited_ = nullptr;
    link::LinkEngine links_;
    std::map<DeviceId, Endpoint>
        ways_;  // where interrupted members were last, and some that are not any more
    std::unique_ptr<session::CoordinatorEngine> session_;
};

/// The same options, for an engine that tells this recorder.
link::LinkOptions recorded(link::LinkOptions link, FlightRecorder& recorder);

/// The link's end in the session's words.
session::LinkEnd session_end(const link::LinkEnd& end);

}  // namespace muster::node
