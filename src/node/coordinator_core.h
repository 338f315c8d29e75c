#pragma once

#include <memory>

#include "link/link_engine.h"
#include "node/core.h"
#include "session/coordinator_engine.h"

namespace muster::node {

/// A coordinator without sockets: its links and its sessions. An engine; one strand.
class CoordinatorCore final : public Core, private link::LinkEvents {
public:
    /// All references must outlive the core. Errors: those of session::CoordinatorEngine::create.
    static Result<std::unique_ptr<CoordinatorCore>> create(link::LinkOptions link,
                                                           session::CoordinatorOptions session,
                                                           Randomness& random, link::Medium& medium,
                                                           session::CoordinatorListener& listener);

    session::CoordinatorEngine& session() { return *session_; }
    const link::LinkEngine& links() const { return links_; }
    /// How a member's link runs now; null if it has none.
    const link::LinkPort* link_of(const DeviceId& member) const;

    // Core
    void on_datagram(const link::Path& from, ByteView datagram, std::uint8_t ecn, TimePoint now) override;
    void on_interfaces(std::span<const Interface> interfaces, TimePoint now) override;
    void on_timer(TimePoint now) override;
    TimePoint next_wakeup() const override;
    bool flush(TimePoint now) override;

private:
    CoordinatorCore(link::LinkOptions link, Randomness& random, link::Medium& medium);

    // link::LinkEvents
    bool on_admit(const DeviceId& peer, std::optional<link::DialId> dial) override;
    link::LinkHandler& on_link_up(link::LinkPort& link, const link::LinkFacts& facts,
                                  std::optional<link::DialId> dial) override;
    void on_link_end(link::LinkPort& link, const link::LinkEnd& end) override;
    void on_dial_failed(link::DialId, Error) override {}  // a coordinator does not dial

    TimePoint now_{};
    link::LinkEngine links_;
    std::unordered_map<DeviceId, link::LinkPort*> ports_;
    std::unique_ptr<session::CoordinatorEngine> session_;
};

/// The link's end in the session's words.
session::LinkEnd session_end(const link::LinkEnd& end);

}  // namespace muster::node
