#pragma once

// What SimNetwork is made of; only for its own .cpp files.

#include <cstring>
#include <stdexcept>

#include "sim/sim_network.h"

namespace muster::sim {

struct AddressHash {
    std::size_t operator()(const IpAddress& address) const noexcept {
        std::uint64_t halves[2];
        std::memcpy(halves, address.v6().data(), sizeof halves);
        return static_cast<std::size_t>(mix(mix(address.is_v6(), halves[0]), halves[1]));
    }
};

/// One interface of a host.
struct SimNetwork::Port {
    Host* host = nullptr;
    Interface value;
    LanId lan{};
    Wire out, in;
    TimePoint out_order{}, lan_order{},
        in_order{};          // until when earlier datagrams of this port are under way
    std::uint32_t part = 0;  // of a partitioned LAN
    bool is_gone = false;    // detached; its place in the host keeps the indexes of the others

    bool carries() const { return value.up && value.carrier; }
};

struct SimNetwork::Lan {
    Wire wire;
    std::uint32_t mtu = 1500;
    bool multicast = true;
    std::uint32_t parts = 0;
    std::vector<Port*> ports;
    std::vector<LanId> routes;  // LANs behind a router of this one
    std::unordered_map<IpAddress, Port*, AddressHash> owners;
};

struct SimNetwork::Host final : public EventTarget {
    Host(SimNetwork& owner, HostId host_id, std::string host_name, std::uint64_t seed)
        : network(owner), id(host_id), name(std::move(host_name)), random(seed), timer(owner.clock_, [this] {
              on_timer();
          }) {}

    enum Number : std::uint64_t { interfaces_changed, flush_again };
    void on_event(std::uint64_t number) override;
    void on_timer();

    SimNetwork& network;
    HostId id;
    std::string name;
    SeededRandomness random;
    Station* station = nullptr;
    std::vector<std::unique_ptr<Port>> ports;  // by index, the first is loopback
    SimTimer timer;
    bool telling = false;   // an interfaces_changed event is queued
    bool flushing = false;  // a flush_again event is queued
    TimePoint last_timer{};
    std::uint32_t timers_at_once = 0;
};

}  // namespace muster::sim
