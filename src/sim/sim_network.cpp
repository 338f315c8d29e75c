#include "sim/sim_network.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "sim/sim_parts.h"

namespace muster::sim {
namespace {

using os::SendStatus;

constexpr Duration kLoopbackDelay = std::chrono::microseconds{10};
// A copy comes so much after the original: about a frame that went round a loop of two switches.
constexpr Duration kDuplicateDelay = std::chrono::microseconds{50};
// IP default, and what link-local multicast protocols set.
constexpr std::uint8_t kHopLimit = 64;
constexpr std::uint8_t kMulticastHopLimit = 255;

std::size_t headers_of(const IpAddress& destination) { return destination.is_v6() ? 40 + 8 : 20 + 8; }

bool has_prefix(const InterfaceAddress& own, const IpAddress& address) {
    if (own.address.is_v6() != address.is_v6()) return false;
    for (std::size_t bit = 0; bit < own.prefix_length; ++bit) {
        const auto mask = static_cast<std::uint8_t>(0x80 >> (bit % 8));
        if (((own.address.v6()[bit / 8] ^ address.v6()[bit / 8]) & mask) != 0) return false;
    }
    return true;
}

bool owns(const Interface& interface, const IpAddress& address) {
    return std::ranges::any_of(interface.addresses,
                               [&](const InterfaceAddress& own) { return own.address == address; });
}

}  // namespace

SendStatus SimNetwork::send(HostId host, const SimSend& request) {
    Port* port = choose_port(at(host), request);
    if (port == nullptr || !port->value.up) return SendStatus::path_suspect;
    const auto* source = choose_source(*port, request);
    if (source == nullptr) return SendStatus::path_suspect;
    const auto size =
        request.segment == 0 ? request.octets.size() : std::min(request.segment, request.octets.size());
    if (size + headers_of(request.remote.address) > port->value.mtu) return SendStatus::too_big;

    Packet draft;
    draft.source = {source->address, request.local.port, InterfaceIndex::none};
    draft.destination = {request.remote.address, request.remote.port, InterfaceIndex::none};
    draft.from = port;
    draft.lan = port->lan;
    draft.ecn = request.ecn;
    draft.hop_limit = request.remote.address.is_multicast() ? kMulticastHopLimit : kHopLimit;
    ByteView rest = request.octets;
    do {
        const auto piece =
            rest.first(std::min(rest.size(), request.segment == 0 ? rest.size() : request.segment));
        send_one(*port, draft, piece);
        rest = rest.subspan(piece.size());
    } while (!rest.empty());
    return SendStatus::sent;
}

SimNetwork::Port* SimNetwork::choose_port(Host& host, const SimSend& request) {
    const auto& to = request.remote.address;
    const auto is_own = [&](const auto& port) { return owns(port->value, to); };
    if (to.is_loopback() || std::ranges::any_of(host.ports, is_own)) return host.ports.front().get();
    const auto index = static_cast<std::size_t>(request.remote.interface);
    if (index != 0) return index <= host.ports.size() ? host.ports[index - 1].get() : nullptr;
    Port* first = nullptr;
    for (const auto& port : host.ports) {
        if (port->value.loopback || !port->carries()) continue;
        const auto on_link = [&](const InterfaceAddress& own) { return has_prefix(own, to); };
        if (std::ranges::any_of(port->value.addresses, on_link)) return port.get();
        if (first == nullptr) first = port.get();
    }
    return first;
}

const InterfaceAddress* SimNetwork::choose_source(const Port& port, const SimSend& request) const {
    const auto& to = request.remote.address;
    const InterfaceAddress* best = nullptr;
    int best_rank = 0;
    for (const auto& own : port.value.addresses) {
        if (own.tentative || own.address.is_v6() != to.is_v6()) continue;
        if (!request.local.address.is_unspecified()) {
            if (own.address == request.local.address) return &own;
            continue;
        }
        // As RFC 6724: the same subnet first, then the same scope, then anything.
        const bool same_scope = own.address.is_link_local() == (to.is_link_local() || to.is_multicast());
        const int rank = 1 + (same_scope ? 1 : 0) + (has_prefix(own, to) ? 2 : 0);
        if (rank > best_rank) best = &own;
        best_rank = std::max(best_rank, rank);
    }
    // Over loopback a host reaches all its addresses from each of them.
    if (best == nullptr && port.value.loopback) {
        for (const auto& other : port.host->ports)
            for (const auto& own : other->value.addresses)
                if (own.address == (request.local.address.is_unspecified() ? to : request.local.address))
                    return &own;
    }
    return best;
}

void SimNetwork::send_one(Port& port, const Packet& draft, ByteView octets) {
    Packet packet = draft;
    packet.payload = Payload{payloads_, octets};
    note(Fate::sent, packet, nullptr);
    if (port.value.loopback) {
        packet.to = &port;
        return queue(clock_.now() + kLoopbackDelay, std::move(packet));
    }
    // A kernel gives datagrams to an interface without carrier and reports success.
    if (!port.value.carrier) return note(Fate::down, packet, nullptr);
    if (chance(random_, port.out.quality.loss)) return note(Fate::lost, packet, nullptr);
    cross(draft.lan, std::move(packet));
}

void SimNetwork::cross(LanId lan, Packet packet) {
    Lan& through = at(lan);
    const bool multicast = packet.destination.address.is_multicast();
    const auto size = packet.payload.size() + headers_of(packet.destination.address);
    packet.lan = lan;
    if (size > through.mtu) return note(Fate::too_big, packet, nullptr);
    if (multicast && !through.multicast) return note(Fate::blocked, packet, nullptr);

    Wire::Passage cable{clock_.now(), false};
    const bool first_lan = packet.from->lan == lan;  // behind a router the sender's cable is passed already
    if (first_lan) {
        const auto passed = packet.from->out.pass(clock_.now(), size, random_, packet.from->out_order);
        if (!passed) return note(Fate::queue_full, packet, nullptr);
        cable = *passed;
    }
    // What is held back must not hold back what follows: it keeps no order.
    TimePoint own_order = cable.out;
    auto& order = cable.held_back ? own_order : packet.from->lan_order;
    const auto passed = through.wire.pass(cable.out, size, random_, order);
    if (!passed) return note(Fate::queue_full, packet, nullptr);
    if (cable.held_back || passed->held_back) note(Fate::held_back, packet, nullptr);
    queue(passed->out, std::move(packet));
}

void SimNetwork::on_event(std::uint64_t slot) {
    Packet packet = std::move(packets_[slot]);
    free_packets_.push_back(slot);
    if (packet.to != nullptr) return deliver(std::move(packet));
    arrive(std::move(packet));
}

void SimNetwork::arrive(Packet packet) {
    if (packet.destination.address.is_multicast()) return arrive_multicast(packet);
    Port* port = owner(packet.lan, packet.destination.address);
    if (port != nullptr) return arrive_at(*port, packet);
    forward(std::move(packet));
}

void SimNetwork::arrive_multicast(const Packet& packet) {
    const auto& ports = at(packet.lan).ports;
    // By index and only those of now: a station may attach another host, or detach one, while it handles the datagram.
    const auto count = ports.size();
    for (std::size_t i = 0; i < std::min(count, ports.size()); ++i)
        if (ports[i] != packet.from) arrive_at(*ports[i], packet);
}

void SimNetwork::arrive_at(Port& port, const Packet& packet) {
    const Quality& quality = at(packet.lan).wire.quality;
    if (is_blocked(packet, port)) return note(Fate::blocked, packet, &port);
    const bool is_doubled = chance(random_, quality.duplicate) ||
                            chance(random_, packet.from->out.quality.duplicate) ||
                            chance(random_, port.in.quality.duplicate);
    if (is_doubled) {
        note(Fate::duplicated, packet, &port);
        Packet copy = packet;
        copy.to = &port;
        queue(clock_.now() + kDuplicateDelay, std::move(copy));
    }
    if (chance(random_, quality.loss) || chance(random_, port.in.quality.loss))
        return note(Fate::lost, packet, &port);
    enter(port, packet);
}

void SimNetwork::enter(Port& port, Packet packet) {
    const auto size = packet.payload.size() + headers_of(packet.destination.address);
    const auto passed = port.in.pass(clock_.now(), size, random_, port.in_order);
    if (!passed) return note(Fate::queue_full, packet, &port);
    if (passed->held_back) note(Fate::held_back, packet, &port);
    packet.to = &port;
    if (passed->out <= clock_.now()) return deliver(std::move(packet));
    queue(passed->out, std::move(packet));
}

void SimNetwork::deliver(Packet packet) {
    Port& port = *packet.to;
    Host& host = *port.host;
    if (!port.carries() || host.station == nullptr) return note(Fate::down, packet, &port);
    note(Fate::delivered, packet, &port);
    Datagram datagram;
    datagram.remote = {packet.source.address, packet.source.port, port.value.index};
    datagram.local = {packet.destination.address, packet.destination.port, port.value.index};
    datagram.octets = packet.payload.view();
    datagram.ecn = packet.ecn;
    datagram.hop_limit = packet.hop_limit;
    host.station->on_datagram(datagram, clock_.now());
    after_input(host);
}

void SimNetwork::forward(Packet packet) {
    const auto next = way(packet.lan, packet.destination.address);
    const bool scoped = packet.destination.address.is_link_local() || packet.source.address.is_link_local();
    if (next.empty() || scoped || packet.hop_limit <= 1) return note(Fate::no_receiver, packet, nullptr);
    --packet.hop_limit;
    cross(next.front(), std::move(packet));
}

bool SimNetwork::is_blocked(const Packet& packet, const Port& to) const {
    const Port& from = *packet.from;
    if (from.lan == to.lan && from.part != to.part) return true;
    if (!blocked_.empty() && blocked_.contains({from.host->id, to.host->id})) return true;
    if (!filter_) return false;
    return filter_({.from = from.host->id,
                    .to = to.host->id,
                    .out = from.value.index,
                    .in = to.value.index,
                    .source = packet.source,
                    .destination = packet.destination,
                    .size = packet.payload.size() + headers_of(packet.destination.address)});
}

SimNetwork::Port* SimNetwork::owner(LanId lan, const IpAddress& address) const {
    const auto& owners = lans_[static_cast<std::size_t>(lan)]->owners;
    const auto found = owners.find(address);
    return found == owners.end() ? nullptr : found->second;
}

/// The LANs to cross after `from` to the one where somebody has the address, by the fewest routers; empty if
/// there is none.
std::vector<LanId> SimNetwork::way(LanId from, const IpAddress& address) const {
    std::map<LanId, LanId> came_from{{from, from}};
    std::deque<LanId> next{from};
    while (!next.empty()) {
        LanId lan = next.front();
        next.pop_front();
        if (lan != from && owner(lan, address) != nullptr) {
            std::vector<LanId> result;
            for (; lan != from; lan = came_from.at(lan)) result.insert(result.begin(), lan);
            return result;
        }
        for (const LanId behind : lans_[static_cast<std::size_t>(lan)]->routes)
            if (came_from.emplace(behind, lan).second) next.push_back(behind);
    }
    return {};
}

void SimNetwork::queue(TimePoint when, Packet packet) {
    if (free_packets_.empty()) {
        packets_.emplace_back();
        free_packets_.push_back(packets_.size() - 1);
    }
    const auto slot = free_packets_.back();
    free_packets_.pop_back();
    packets_[slot] = std::move(packet);
    clock_.schedule(when, *this, slot);
}

void SimNetwork::note(Fate fate, const Packet& packet, const Port* to) {
    const HostId from = packet.from->host->id;
    const HostId target = to == nullptr ? from : to->host->id;
    counters_.add(fate);
    const auto who = static_cast<std::uint64_t>(from) << 36 | static_cast<std::uint64_t>(target) << 8 |
                     static_cast<std::uint64_t>(fate);
    const auto when = static_cast<std::uint64_t>(clock_.now().time_since_epoch().count());
    trace_hash_ = mix(mix(trace_hash_, when), mix(who, packet.payload.size()));
    if (sink_) sink_({clock_.now(), fate, packet.lan, from, target, packet.payload.size()});
}

}  // namespace muster::sim
