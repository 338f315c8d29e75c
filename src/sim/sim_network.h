#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/random.h"
#include "os/datagram.h"
#include "sim/payload.h"
#include "sim/sim_clock.h"
#include "sim/trace.h"
#include "sim/wire.h"

#include "muster/interface.h"

namespace muster::sim {

/// A datagram as a station gets it. `local` is where it was sent to: an address of ours or a group, with the
/// port; both endpoints name the receiving interface.
struct Datagram {
    Endpoint remote;
    Endpoint local;
    ByteView octets;  ///< Valid for the call.
    std::uint8_t ecn = 0;
    std::uint8_t hop_limit = 0;
};

/// What a station sends. `remote.interface` names the interface to leave by, none leaves it to the
/// routing (the interface whose prefix fits, else the first usable one). `local.address`
/// unspecified: the host chooses.
struct SimSend {
    Endpoint local;
    Endpoint remote;
    ByteView octets;
    std::size_t segment = 0;  ///< As in os::SendRequest.
    std::uint8_t ecn = 0;
};

/// The program at a host: engines with a driver that has no sockets. After each input the network calls flush
/// and asks for the next wake-up.
class Station {
public:
    virtual ~Station() = default;
    virtual void on_datagram(const Datagram& datagram, TimePoint now) = 0;
    virtual void on_interfaces(std::span<const Interface> interfaces, TimePoint now) = 0;
    virtual void on_timer(TimePoint now) = 0;
    virtual TimePoint next_wakeup() const = 0;
    /// Sends what there is to send; true: call again soon.
    virtual bool flush(TimePoint now) = 0;
};

/// A datagram that is about to enter an interface. From behind a router `from` is still who sent it.
struct Passing {
    HostId from{}, to{};
    InterfaceIndex out{}, in{};
    Endpoint source, destination;
    std::size_t size = 0;  ///< With IP and UDP headers.
};

struct LanOptions {
    Quality quality{.delay = std::chrono::microseconds{100}};  ///< About a switch and two network stacks.
    /// Largest IP packet that the LAN carries. Smaller than an interface's MTU: a black
    /// hole for large packets.
    std::uint32_t mtu = 1500;
};

struct AttachOptions {
    std::string name{};  ///< Empty: eth0, eth1 ...
    /// Empty: one link-local IPv6 address, fe80::<host>:<interface>.
    std::vector<InterfaceAddress> addresses{};
    std::uint32_t mtu = 1500;
    Quality cable{};  ///< For both directions, on top of the LAN's.
};

/// Hosts, LANs and what goes wrong between them, in virtual time and replayable by its seed. A LAN is a
/// broadcast domain: multicast reaches every interface attached to it, unicast the one that has the address,
/// routers forward unicast of global scope to other LANs. Nothing is told to a sender but what a kernel would
/// tell. No ARP, no duplicate address detection: both are the lab's.
class SimNetwork final : private EventTarget {
public:
    SimNetwork(SimClock& clock, std::uint64_t seed);
    ~SimNetwork() override;
    SimNetwork(const SimNetwork&) = delete;
    SimNetwork& operator=(const SimNetwork&) = delete;

    // ---- topology
    LanId add_lan(LanOptions options = {});
    /// A host with a loopback interface (index 1) and nothing else. Addresses count from the host's number.
    HostId add_host(std::string name);
    InterfaceIndex attach(HostId host, LanId lan, AttachOptions options = {});
    /// Puts a router between two LANs; several make longer ways.
    void add_router(LanId a, LanId b);
    void remove_router(LanId a, LanId b);

    // ---- programs
    /// Starts the station: it is told the interfaces at once. Null: the process is killed, without a word.
    /// The station must live until then.
    void set_station(HostId host, Station* station);
    /// Something called the station's engines from outside: flush, and ask for its next wake-up.
    void turn(HostId host);
    std::vector<Interface> interfaces(HostId host) const;
    const std::string& name(HostId host) const;
    std::size_t hosts() const { return hosts_.size(); }
    /// Random numbers of this host alone: another host more or less changes nothing here.
    Randomness& random(HostId host);
    /// What the kernel would answer; a batch is judged as a whole.
    os::SendStatus send(HostId host, const SimSend& request);

    // ---- what happens; stations are told of their own interfaces at once, in an event of its own
    void take_down(HostId host, InterfaceIndex interface);
    void bring_up(HostId host, InterfaceIndex interface);
    void unplug(HostId host, InterfaceIndex interface);
    void plug(HostId host, InterfaceIndex interface);
    void add_address(HostId host, InterfaceIndex interface, InterfaceAddress address);
    void remove_address(HostId host, InterfaceIndex interface, const IpAddress& address);
    void set_cable(HostId host, InterfaceIndex interface, const Quality& cable) {
        set_cable(host, interface, cable, cable);
    }
    void set_cable(HostId host, InterfaceIndex interface, const Quality& out, const Quality& in);
    /// The interface ceases to exist, with its addresses. Its index is never used again.
    void detach(HostId host, InterfaceIndex interface);

    // ---- what happens and nobody is told
    void set_quality(LanId lan, const Quality& quality);
    void set_mtu(LanId lan, std::uint32_t mtu);
    /// Datagrams pass only between interfaces of one part: those of `hosts` are one, all others the rest.
    /// Every call makes one more part.
    void partition(LanId lan, std::span<const HostId> hosts);
    void heal(LanId lan);
    /// Nothing passes from `from` to `to` any more; the other direction is not touched.
    void block(HostId from, HostId to);
    void unblock(HostId from, HostId to);
    /// Datagrams of which it says true vanish. Null: none.
    void set_filter(std::function<bool(const Passing&)> vanishes) { filter_ = std::move(vanishes); }
    void forbid_multicast(LanId lan);
    void allow_multicast(LanId lan);

    // ---- evidence
    const FateCounters& counters() const { return counters_; }
    /// Datagrams in flight now.
    std::size_t in_flight() const { return packets_.size() - free_packets_.size(); }
    /// A number for everything that has happened: equal for equal seeds and inputs. Octets themselves are
    /// left out, for TLS draws its own random numbers; their count is in.
    std::uint64_t trace_hash() const { return trace_hash_; }
    /// Called for every fate. Null: none.
    void set_trace(TraceSink sink) { sink_ = std::move(sink); }

private:
    struct Port;
    struct Host;
    struct Lan;
    struct Packet {
        Payload payload;
        Endpoint source;       // address and port
        Endpoint destination;  // address and port
        Port* from = nullptr;
        Port* to = nullptr;  // null: not resolved yet, it crosses `lan`
        LanId lan{};
        std::uint8_t ecn = 0;
        std::uint8_t hop_limit = 0;
    };

    void on_event(std::uint64_t slot) override;
    Host& at(HostId host);
    const Host& at(HostId host) const;
    Port& at(HostId host, InterfaceIndex interface);
    Lan& at(LanId lan);

    void own(Port& port, const IpAddress& address);
    void disown(Port& port, const IpAddress& address);
    void tell_interfaces(Host& host);
    void after_input(Host& host);

    Port* choose_port(Host& host, const SimSend& request);
    const InterfaceAddress* choose_source(const Port& port, const SimSend& request) const;
    void send_one(Port& port, const Packet& draft, ByteView octets);
    void cross(LanId lan, Packet packet);
    void arrive(Packet packet);
    void arrive_multicast(const Packet& packet);
    void arrive_at(Port& port, const Packet& packet);
    void enter(Port& port, Packet packet);
    void deliver(Packet packet);
    void forward(Packet packet);
    bool is_blocked(const Packet& packet, const Port& to) const;
    Port* owner(LanId lan, const IpAddress& address) const;
    std::vector<LanId> way(LanId from, const IpAddress& address) const;

    void queue(TimePoint when, Packet packet);
    void note(Fate fate, const Packet& packet, const Port* to);

    SimClock& clock_;
    std::uint64_t seed_;
    SeededRandomness random_;
    PayloadPool payloads_;  // before everything that holds payloads
    std::vector<std::unique_ptr<Host>> hosts_;
    std::vector<std::unique_ptr<Lan>> lans_;
    std::set<std::pair<HostId, HostId>> blocked_;
    std::function<bool(const Passing&)> filter_;
    std::vector<Packet> packets_;
    std::vector<std::uint64_t> free_packets_;
    FateCounters counters_;
    std::uint64_t trace_hash_;
    TraceSink sink_;
};

}  // namespace muster::sim
