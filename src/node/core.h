#pragma once

#include <span>

#include "base/path_findings.h"
#include "base/random.h"
#include "link/path.h"

#include "muster/interface.h"
#include "muster/time.h"

namespace muster::node {

/// What a core takes from the world it runs in; must outlive it.
struct Surroundings {
    Randomness& random;
    link::Medium& medium;
};

/// All engines of one node behind one face: what a driver on real sockets, or a simulated host,
/// has to feed and turn.
class Core {
public:
    virtual ~Core() = default;

    virtual void on_datagram(const link::Path& from, ByteView datagram, std::uint8_t ecn, TimePoint now) = 0;
    /// The kernel refused to send along a path; may come from inside Medium::send.
    virtual void on_refused(const link::Path& path, SendRefusal refusal, TimePoint now) = 0;
    virtual void on_icmp(const IcmpReport& report, TimePoint now) = 0;
    /// What came of link::Medium::inquire.
    virtual void on_findings(const link::Path& path, const PathFindings& findings, TimePoint now) = 0;
    virtual void on_interfaces(std::span<const Interface> interfaces, TimePoint now) = 0;
    virtual void on_timer(TimePoint now) = 0;
    virtual TimePoint next_wakeup() const = 0;
    /// Call after every batch of inputs. True: call again soon, but let others have their turn.
    virtual bool flush(TimePoint now) = 0;
};

}  // namespace muster::node
