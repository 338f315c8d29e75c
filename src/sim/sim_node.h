#pragma once

#include <cstdint>

#include "link/path.h"
#include "node/core.h"
#include "sim/sim_network.h"

namespace muster::sim {

/// Runs the engines of one node at a simulated host: what the sockets and timers of node/ do, in virtual
/// time. First made, as the medium of the core; then started with the core.
class SimNode final : public Station, public link::Medium {
public:
    /// `port`: the node's UDP port, as every datagram of it is addressed.
    SimNode(SimNetwork& network, HostId host, std::uint16_t port)
        : network_(network), host_(host), port_(port) {}

    /// From here on the core is turned. Must be called from outside the network's own events.
    void start(node::Core& core);
    /// The process is killed: nothing more is said.
    void kill();
    /// Something called the core from outside: turn it.
    void turn() { network_.turn(host_); }
    HostId host() const { return host_; }

    // link::Medium
    void send(const link::Path& path, ByteView octets, std::size_t segment, std::uint8_t ecn) override;

    // Station
    void on_datagram(const Datagram& datagram, TimePoint now) override;
    void on_interfaces(std::span<const Interface> interfaces, TimePoint now) override;
    void on_timer(TimePoint now) override;
    TimePoint next_wakeup() const override;
    bool flush(TimePoint now) override;

private:
    SimNetwork& network_;
    HostId host_;
    std::uint16_t port_;
    node::Core* core_ = nullptr;
};

}  // namespace muster::sim
