#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "net/interface_monitor.h"
#include "net/multicast_engine.h"
#include "os/datagram.h"
#include "os/multicast_socket.h"
#include "os/timer.h"

namespace muster::net {

struct MulticastDriverOptions {
    IpAddress group;
    std::uint16_t port = 0;
    std::vector<IpAddress> sources;  ///< Only what these send; empty: anybody.
    MulticastEngineOptions engine;
};

struct MulticastHandlers {
    std::function<void(const os::ReceivedDatagram&)> on_datagram;
    std::function<void()> on_change;  ///< The status is another one.
};

/// Runs a MulticastEngine on sockets, kernel events and a timer. One socket per interface, bound to the group: so that
/// no limit of memberships per socket is met, unicast to the port stays with other programs, and what comes by an
/// interface cannot come twice. All on one strand; shared with its own pending handlers, which may outlive stop().
class MulticastDriver final : public std::enable_shared_from_this<MulticastDriver>, private MulticastWire {
public:
    MulticastDriver(boost::asio::any_io_executor strand, MulticastDriverOptions options,
                    MulticastHandlers handlers);
    ~MulticastDriver() override;

    /// Joins before it returns. Errors: already_exists (another program keeps the port for itself), system, timed_out.
    Result<void> start();
    /// Leaves everywhere. No handler is called after it. Idempotent.
    void stop();

    MulticastStatus status() const;

private:
    struct Port;
    using PortPointer = std::shared_ptr<Port>;

    JoinAnswer join(InterfaceIndex interface) override;
    void leave(InterfaceIndex interface) override;
    JoinAnswer announce(InterfaceIndex interface) override;
    bool has_older_querier(InterfaceIndex interface) override;

    Result<std::unique_ptr<os::MulticastSocket>> open_socket(InterfaceIndex interface, os::BindTo bind) const;
    JoinAnswer try_join(Port& port);
    void wait(const PortPointer& port);
    void read(Port& port);
    void end_turn();
    void arm();

    boost::asio::any_io_executor strand_;
    MulticastDriverOptions options_;
    MulticastHandlers handlers_;
    MulticastEngine engine_;
    std::map<InterfaceIndex, PortPointer> ports_;
    std::unique_ptr<InterfaceMonitor> monitor_;
    os::Timer timer_;
    TimePoint armed_ = kNever;
};

}  // namespace muster::net
