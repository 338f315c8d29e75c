// Hosts, LANs and what happens to them; sim_network.cpp moves the datagrams.
#include <algorithm>
#include <stdexcept>

#include "base/check.h"
#include "sim/sim_network.h"
#include "sim/sim_parts.h"

namespace muster::sim {
namespace {

// A station whose next_wakeup() lies in the past although it was just woken would hold the time for ever.
constexpr std::uint32_t kMaxTimersAtOnce = 10'000;
// A station that always has more to flush gets its turn again after so long: time must pass.
constexpr Duration kFlushAgain = std::chrono::microseconds{1};

Interface loopback_interface(InterfaceIndex index) {
    Interface value;
    value.index = index;
    value.name = "lo";
    value.up = value.carrier = value.loopback = true;
    value.mtu = 65536;
    IpAddress::V6 one{};
    one.back() = 1;
    value.addresses = {{IpAddress{IpAddress::V4{127, 0, 0, 1}}, 8, false}, {IpAddress{one}, 128, false}};
    return value;
}

IpAddress link_local(HostId host, std::uint32_t interface) {
    const auto number = static_cast<std::uint32_t>(host);
    IpAddress::V6 octets{0xfe, 0x80};
    for (std::size_t i = 0; i < 4; ++i) octets[11 - i] = static_cast<std::uint8_t>(number >> (8 * i));
    for (std::size_t i = 0; i < 4; ++i) octets[15 - i] = static_cast<std::uint8_t>(interface >> (8 * i));
    return IpAddress{octets};
}

}  // namespace

SimNetwork::SimNetwork(SimClock& clock, std::uint64_t seed)
    : clock_(clock), seed_(seed), random_(mix(seed, 0)), trace_hash_(mix(0, seed)) {}

SimNetwork::~SimNetwork() = default;

LanId SimNetwork::add_lan(LanOptions options) {
    auto lan = std::make_unique<Lan>();
    lan->wire.quality = options.quality;
    lan->mtu = options.mtu;
    lans_.push_back(std::move(lan));
    return LanId{static_cast<std::uint32_t>(lans_.size() - 1)};
}

HostId SimNetwork::add_host(std::string name) {
    const HostId id{static_cast<std::uint32_t>(hosts_.size())};
    const auto seed = mix(seed_, 1 + static_cast<std::uint64_t>(id));
    auto host = std::make_unique<Host>(*this, id, std::move(name), seed);
    auto port = std::make_unique<Port>();
    port->host = host.get();
    port->value = loopback_interface(InterfaceIndex{static_cast<std::uint32_t>(host->ports.size() + 1)});
    host->ports.push_back(std::move(port));
    hosts_.push_back(std::move(host));
    return id;
}

InterfaceIndex SimNetwork::attach(HostId host, LanId lan, AttachOptions options) {
    Host& to = at(host);
    auto port = std::make_unique<Port>();
    const auto index = static_cast<std::uint32_t>(to.ports.size() + 1);
    port->host = &to;
    port->lan = lan;
    port->out.quality = port->in.quality = options.cable;
    Interface& value = port->value;
    value.index = InterfaceIndex{index};
    value.name = options.name.empty() ? "eth" + std::to_string(index - 2) : std::move(options.name);
    value.up = value.carrier = value.multicast = true;
    value.mtu = options.mtu;
    value.addresses = std::move(options.addresses);
    if (value.addresses.empty()) value.addresses.push_back({link_local(host, index), 64, false});
    for (const auto& address : value.addresses) own(*port, address.address);
    at(lan).ports.push_back(port.get());
    to.ports.push_back(std::move(port));
    tell_interfaces(to);
    return value.index;
}

void SimNetwork::add_router(LanId a, LanId b) {
    at(a).routes.push_back(b);
    at(b).routes.push_back(a);
}

void SimNetwork::remove_router(LanId a, LanId b) {
    std::erase(at(a).routes, b);
    std::erase(at(b).routes, a);
}

void SimNetwork::set_station(HostId host, Station* station) {
    Host& target = at(host);
    target.station = station;
    target.timer.arm(kNever);
    if (station != nullptr) tell_interfaces(target);
}

void SimNetwork::turn(HostId host) { after_input(at(host)); }

std::vector<Interface> SimNetwork::interfaces(HostId host) const {
    std::vector<Interface> all;
    for (const auto& port : at(host).ports)
        if (!port->is_gone) all.push_back(port->value);
    return all;
}

const std::string& SimNetwork::name(HostId host) const { return at(host).name; }

Randomness& SimNetwork::random(HostId host) { return at(host).random; }

void SimNetwork::take_down(HostId host, InterfaceIndex interface) {
    at(host, interface).value.up = false;
    tell_interfaces(at(host));
}

void SimNetwork::bring_up(HostId host, InterfaceIndex interface) {
    at(host, interface).value.up = true;
    tell_interfaces(at(host));
}

void SimNetwork::unplug(HostId host, InterfaceIndex interface) {
    at(host, interface).value.carrier = false;
    tell_interfaces(at(host));
}

void SimNetwork::plug(HostId host, InterfaceIndex interface) {
    at(host, interface).value.carrier = true;
    tell_interfaces(at(host));
}

void SimNetwork::add_address(HostId host, InterfaceIndex interface, InterfaceAddress address) {
    Port& port = at(host, interface);
    remove_address(host, interface, address.address);
    port.value.addresses.push_back(address);
    own(port, address.address);
    tell_interfaces(at(host));
}

void SimNetwork::remove_address(HostId host, InterfaceIndex interface, const IpAddress& address) {
    Port& port = at(host, interface);
    if (std::erase_if(port.value.addresses, [&](const auto& known) { return known.address == address; }) == 0)
        return;
    disown(port, address);
    tell_interfaces(at(host));
}

void SimNetwork::set_cable(HostId host, InterfaceIndex interface, const Quality& out, const Quality& in) {
    Port& port = at(host, interface);
    port.out.quality = out;
    port.in.quality = in;
}

void SimNetwork::detach(HostId host, InterfaceIndex interface) {
    Port& port = at(host, interface);
    for (const auto& own : port.value.addresses) disown(port, own.address);
    port.value.addresses.clear();
    port.value.up = port.value.carrier = false;  // for what is on its way to it
    port.is_gone = true;
    std::erase(at(port.lan).ports, &port);
    tell_interfaces(at(host));
}

void SimNetwork::set_quality(LanId lan, const Quality& quality) { at(lan).wire.quality = quality; }

void SimNetwork::set_mtu(LanId lan, std::uint32_t mtu) { at(lan).mtu = mtu; }

void SimNetwork::partition(LanId lan, std::span<const HostId> hosts) {
    Lan& split = at(lan);
    ++split.parts;
    for (Port* port : split.ports)
        if (std::ranges::find(hosts, port->host->id) != hosts.end()) port->part = split.parts;
}

void SimNetwork::heal(LanId lan) {
    at(lan).parts = 0;
    for (Port* port : at(lan).ports) port->part = 0;
}

void SimNetwork::block(HostId from, HostId to) { blocked_.emplace(from, to); }

void SimNetwork::unblock(HostId from, HostId to) { blocked_.erase({from, to}); }

void SimNetwork::forbid_multicast(LanId lan) { at(lan).multicast = false; }

void SimNetwork::allow_multicast(LanId lan) { at(lan).multicast = true; }

// Asking for a host, LAN or interface that was never made is a mistake of the scenario.
SimNetwork::Host& SimNetwork::at(HostId host) {
    MUSTER_CHECK(static_cast<std::size_t>(host) < hosts_.size());
    return *hosts_[static_cast<std::size_t>(host)];
}

const SimNetwork::Host& SimNetwork::at(HostId host) const {
    MUSTER_CHECK(static_cast<std::size_t>(host) < hosts_.size());
    return *hosts_[static_cast<std::size_t>(host)];
}

SimNetwork::Port& SimNetwork::at(HostId host, InterfaceIndex interface) {
    auto& ports = at(host).ports;
    const auto index = static_cast<std::size_t>(interface);
    MUSTER_CHECK(index >= 1 && index <= ports.size());
    return *ports[index - 1];
}

SimNetwork::Lan& SimNetwork::at(LanId lan) {
    MUSTER_CHECK(static_cast<std::size_t>(lan) < lans_.size());
    return *lans_[static_cast<std::size_t>(lan)];
}

// Two owners of one address are a conflict that no LAN resolves well: the later one gets the datagrams.
void SimNetwork::own(Port& port, const IpAddress& address) {
    if (!port.value.loopback) at(port.lan).owners[address] = &port;
}

void SimNetwork::disown(Port& port, const IpAddress& address) {
    if (port.value.loopback) return;
    auto& owners = at(port.lan).owners;
    const auto found = owners.find(address);
    if (found != owners.end() && found->second == &port) owners.erase(found);
}

// In an event of its own: several changes at one time are told once, as the real monitor does, and never from
// inside the call that made them.
void SimNetwork::tell_interfaces(Host& host) {
    if (host.station == nullptr || host.telling) return;
    host.telling = true;
    clock_.schedule(clock_.now(), host, Host::interfaces_changed);
}

void SimNetwork::after_input(Host& host) {
    if (host.station == nullptr) return;
    const bool more = host.station->flush(clock_.now());
    if (host.station == nullptr) return;  // it ended itself
    if (more && !host.flushing) {
        host.flushing = true;
        clock_.schedule(clock_.now() + kFlushAgain, host, Host::flush_again);
    }
    host.timer.arm(host.station->next_wakeup());
}

void SimNetwork::Host::on_event(std::uint64_t number) {
    (number == interfaces_changed ? telling : flushing) = false;
    if (station == nullptr) return;
    if (number == interfaces_changed) station->on_interfaces(network.interfaces(id), network.clock_.now());
    network.after_input(*this);
}

void SimNetwork::Host::on_timer() {
    if (station == nullptr) return;
    const TimePoint now = network.clock_.now();
    timers_at_once = now == last_timer ? timers_at_once + 1 : 0;
    last_timer = now;
    if (timers_at_once > kMaxTimersAtOnce)
        throw std::logic_error("the station of " + name + " asks again and again for a time that has passed");
    station->on_timer(now);
    network.after_input(*this);
}

}  // namespace muster::sim
