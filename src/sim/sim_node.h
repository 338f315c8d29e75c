#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "discovery/mdns_front.h"
#include "link/path.h"
#include "node/core.h"
#include "sim/sim_network.h"

#include "muster/path_preferences.h"

namespace muster::sim {

/// Runs the engines of one node at a simulated host: what the sockets and timers of node/ do, in virtual
/// time. First made, as the medium of the core; then started with the core.
class SimNode final : public Station, public link::Medium, public discovery::MdnsWire {
public:
    /// `port`: the node's UDP port, as every datagram of it is addressed.
    SimNode(SimClock& clock, SimNetwork& network, HostId host, std::uint16_t port)
        : clock_(clock), network_(network), host_(host), port_(port) {}

    /// From here on the core is turned. Must be called from outside the network's own events.
    void start(node::Core& core);
    /// mDNS on this host, made at the first call. `host_label` is unique on the network.
    discovery::Discovery& discovery(std::string host_label);
    /// The process is killed: nothing more is said.
    void kill();
    /// The process is stopped (SIGSTOP) until thaw(): no timer comes, and what arrives waits in its sockets, up to
    /// 256 datagrams. Nothing may call the core meanwhile.
    void freeze() { state_ = State::stopped; }
    /// As freeze(), after so many datagrams more have arrived.
    void freeze_after(std::size_t datagrams) { until_freeze_ = datagrams; }
    /// The machine sleeps until thaw(): what is sent to it is lost, and time goes on all the same (CLOCK_BOOTTIME).
    void sleep() { state_ = State::asleep; }
    /// It runs again, and hears first what has arrived, as node::Runner does.
    void thaw();
    bool is_frozen() const { return state_ != State::running; }
    /// As node::Runner does it: interfaces are marked, and what is prohibited passes neither way.
    void set_path_preferences(PathPreferences preferences);
    /// Datagrams that the core wanted to send by a prohibited interface.
    std::uint64_t stopped() const { return stopped_; }
    /// Something called the core from outside: turn it.
    void turn() { network_.turn(host_); }
    HostId host() const { return host_; }

    // link::Medium
    void send(const link::Path& path, ByteView octets, std::size_t segment, std::uint8_t ecn) override;
    void inquire(const link::Path& path) override;
    /// What an inquiry along any path finds at once; nullopt: nothing is ever found.
    void set_findings(std::optional<PathFindings> findings) { findings_ = findings; }

    // discovery::MdnsWire
    void multicast(discovery::LinkId link, discovery::SendFrom from, ByteView packet) override;
    void unicast(const Endpoint& to, discovery::SendFrom from, ByteView packet) override;

    // Station
    void on_datagram(const Datagram& datagram, TimePoint now) override;
    void on_interfaces(std::span<const Interface> interfaces, TimePoint now) override;
    void on_timer(TimePoint now) override;
    TimePoint next_wakeup() const override;
    bool flush(TimePoint now) override;

private:
    struct Mdns;
    enum class State : std::uint8_t { running, stopped, asleep };
    struct Waiting {
        Datagram datagram;
        Bytes octets;
    };
    static constexpr std::size_t kSocketBuffer = 256;

    /// `what` is called by the clock, unless this node is killed or gone by then.
    void soon(std::function<void()> what);
    void keep(const Datagram& datagram);

    SimClock& clock_;
    SimNetwork& network_;
    HostId host_;
    std::uint16_t port_;
    node::Core* core_ = nullptr;
    std::vector<Interface> marked(std::span<const Interface> interfaces) const;
    bool may_use(InterfaceIndex interface) const { return !prohibited_.contains(interface); }

    std::optional<PathFindings> findings_;
    PathPreferences preferences_;
    std::set<InterfaceIndex> prohibited_;
    std::uint64_t stopped_ = 0;
    State state_ = State::running;
    std::optional<std::size_t> until_freeze_;
    std::deque<Waiting> in_sockets_;                               // of a stopped process
    std::shared_ptr<const bool> life_ = std::make_shared<bool>();  // gone with this
    std::shared_ptr<Mdns> mdns_;  // shared only so that it need not be complete here
};

}  // namespace muster::sim
