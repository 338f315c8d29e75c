#include "scenario_world.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "muster/endpoint.h"

namespace muster::sim {
namespace {

InterfaceAddress address_of(const std::string& text) {
    const auto slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address || slash == std::string::npos)
        throw ScenarioError{"'" + text + "' is no address with its prefix, as 192.0.2.1/24"};
    return InterfaceAddress{*address, static_cast<std::uint8_t>(std::stoul(text.substr(slash + 1))), false};
}

Endpoint endpoint_of(const std::string& text) {
    const auto endpoint = parse_endpoint(text);
    if (!endpoint) throw ScenarioError{"'" + text + "' is no endpoint, as 192.0.2.1:4711"};
    return *endpoint;
}

bool has_prefix_of(const InterfaceTable& interface, const std::string& via) {
    const auto network = via.substr(0, via.rfind('.') + 1);
    return std::ranges::any_of(interface.addresses,
                               [&](const std::string& own) { return own.starts_with(network); });
}

bool is_same(const Endpoint& one, const Endpoint& other) {
    return one.address == other.address && one.port == other.port;
}

}  // namespace

ScenarioWorld::ScenarioWorld(const Scenario& of, std::uint64_t seed) : scenario(of), network(clock, seed) {
    for (const SwitchTable& each : scenario.switches) {
        LanOptions options;
        if (each.mtu) options.mtu = *each.mtu;
        lans_[each.name] = network.add_lan(options);
    }
    for (const HostTable& each : scenario.hosts) build(each);
    network.set_filter([this](const Passing& passing) { return vanishes(passing); });
}

ScenarioWorld::~ScenarioWorld() {
    for (Seat& seat : seats_) {
        if (seat.member) seat.member->node.kill();
        if (seat.coordinator) seat.coordinator->node.kill();
    }
}

void ScenarioWorld::build(const HostTable& table) {
    if (table.role == "router") {  // the simulator's routers are no hosts
        for (std::size_t i = 0; i < table.interfaces.size(); ++i)
            for (std::size_t j = 0; j < i; ++j)
                network.add_router(lans_.at(table.interfaces[i].on), lans_.at(table.interfaces[j].on));
        return;
    }
    Seat& seat = seats_.emplace_back(Seat{.table = &table, .id = network.add_host(table.name)});
    // What has no better way leaves by the first interface: that is the one with the default route.
    const auto is_first = [&](const InterfaceTable& each) {
        return !table.default_via.empty() && has_prefix_of(each, table.default_via);
    };
    std::vector<const InterfaceTable*> order;
    for (const bool first : {true, false})
        for (const InterfaceTable& each : table.interfaces)
            if (is_first(each) == first) order.push_back(&each);
    for (const InterfaceTable* each : order) {
        attach(seat, *each);
        const auto on = std::ranges::find(scenario.switches, each->on, &SwitchTable::name);
        if (!each->multicast || !on->multicast)
            dig({.seat = &seat, .interface = each->name, .direction = "in", .multicast_only = true});
        if (!each->carrier) network.unplug(seat.id, seat.ports.at(each->name));
    }
}

/// With the addresses of the file, and a link-local one of IPv6 as a kernel makes it.
void ScenarioWorld::attach(Seat& seat, const InterfaceTable& interface) {
    AttachOptions options;
    options.name = interface.name;
    const InterfaceIndex index = network.attach(seat.id, lans_.at(interface.on), options);
    seat.ports[interface.name] = index;
    if (!seat.table->ipv6) {
        const auto own = network.interfaces(seat.id).back().addresses;
        for (const InterfaceAddress& each : own) network.remove_address(seat.id, index, each.address);
    }
    for (const std::string& each : interface.addresses) network.add_address(seat.id, index, address_of(each));
    network.set_cable(seat.id, index, interface.cable);
}

SimCoordinator* ScenarioWorld::coordinator() {
    for (Seat& seat : seats_)
        if (seat.coordinator) return seat.coordinator.get();
    return nullptr;
}

std::vector<Seat*> ScenarioWorld::members() {
    std::vector<Seat*> found;
    for (Seat& seat : seats_)
        if (seat.table->role == "member") found.push_back(&seat);
    return found;
}

void ScenarioWorld::start_coordinator() {
    for (Seat& seat : seats_) {
        if (seat.table->role != "coordinator") continue;
        const Habits habits{scenario.profile, scenario.grace};
        seat.coordinator = std::make_unique<SimCoordinator>(clock, network, seat.id, habits);
        seat.coordinator->start();
    }
}

void ScenarioWorld::start_member(Seat& seat, std::uint32_t number) {
    Habits habits{scenario.profile, scenario.grace};
    habits.patience = seat.table->patience;
    seat.member = std::make_unique<SimMember>(clock, network, seat.id, number, habits);
    SimMember& member = *seat.member;
    member.started = clock.now();
    member.node.start(*member.core);
    member.core->start(clock.now());
    std::vector<Endpoint> knows;
    std::ranges::transform(seat.table->knows, std::back_inserter(knows), endpoint_of);
    if (!knows.empty()) member.core->on_found({}, knows, node::FoundBy::owner, clock.now());
    member.discovers_again = seat.table->discovers;
    if (seat.table->discovers)
        member.discover();
    else
        member.core->on_all_found(clock.now());
    member.node.turn();
}

bool ScenarioWorld::vanishes(const Passing& passing) const {
    return std::ranges::any_of(holes_, [&](const Hole& hole) { return is_in(hole, passing); });
}

bool ScenarioWorld::is_in(const Hole& hole, const Passing& passing) const {
    const auto port = hole.seat->ports.find(hole.interface);
    if (port == hole.seat->ports.end()) return false;
    const bool goes_in = passing.to == hole.seat->id && passing.in == port->second;
    const bool goes_out = passing.from == hole.seat->id && passing.out == port->second;
    if (!(goes_in && hole.direction != "out") && !(goes_out && hole.direction != "in")) return false;
    if (hole.multicast_only && !passing.destination.address.is_multicast()) return false;
    if (hole.above && passing.size <= *hole.above) return false;
    return !hole.flow || is_same(passing.source, *hole.flow) || is_same(passing.destination, *hole.flow);
}

ScenarioWorld::Heal ScenarioWorld::dig(Hole hole) {
    const auto dug = holes_.insert(holes_.end(), std::move(hole));
    return [this, dug] { holes_.erase(dug); };
}

Seat& ScenarioWorld::seat_of(const std::string& host) {
    return *std::ranges::find_if(seats_, [&](const Seat& seat) { return seat.table->name == host; });
}

ScenarioWorld::PathInUse ScenarioWorld::path_in_use(Seat& member) {
    const auto* link = member.member->core->current_link();
    if (!link && last_path_) return *last_path_;  // without a link: the one that it had
    if (!link) throw ScenarioError{"no path is in use when a fault asks for it"};
    const Endpoint remote = member.member->core->links().path(*link).remote;
    for (const auto& [name, index] : member.ports)
        if (index == remote.interface) last_path_ = PathInUse{name, remote};
    return *last_path_;
}

std::string ScenarioWorld::interface_of(const FaultTable& fault, std::optional<Endpoint>* remote) {
    Seat& seat = seat_of(fault.host);
    if (fault.interface == "in turn")
        return std::next(seat.ports.begin(), static_cast<std::ptrdiff_t>(turn_++ % seat.ports.size()))->first;
    if (fault.interface != "in use" && !fault.flow) return fault.interface;
    Seat& member = seat.member ? seat : *members().front();
    const PathInUse path = path_in_use(member);
    if (remote) *remote = path.remote;
    if (fault.interface != "in use") return fault.interface;
    if (&member == &seat) return path.interface;
    for (const Interface& each : network.interfaces(seat.id))
        for (const InterfaceAddress& own : each.addresses)
            if (own.address == path.remote.address) return each.name;
    throw ScenarioError{"no interface of " + fault.host + " has the address of the path in use"};
}

ScenarioWorld::Heal ScenarioWorld::hurt(const FaultTable& fault) {
    if (fault.what == "switch_off") return switch_off(fault);
    if (fault.what == "black_hole") return black_hole(fault);
    if (fault.what == "quality") return worsen(fault);
    if (fault.what == "address") return renumber(fault);
    Seat& seat = seat_of(fault.host);
    if (fault.what == "kill") {
        if (seat.member) seat.member->node.kill();
        if (seat.coordinator) seat.coordinator->node.kill();
        return nullptr;
    }
    const std::string interface = interface_of(fault);
    if (fault.what == "cut") return cut(seat, interface);
    if (fault.what == "down") return take_down(seat, interface);
    if (fault.what == "remove") return remove(seat, interface);
    if (fault.what == "unbridge") return dig({.seat = &seat, .interface = interface, .direction = "both"});
    if (fault.what == "deaf")
        return dig({.seat = &seat, .interface = interface, .direction = "in", .multicast_only = true});
    throw ScenarioError{"the simulator has no fault '" + fault.what + "'"};
}

ScenarioWorld::Heal ScenarioWorld::cut(Seat& seat, const std::string& interface) {
    const InterfaceIndex port = seat.ports.at(interface);
    network.unplug(seat.id, port);
    return [this, &seat, port] { network.plug(seat.id, port); };
}

ScenarioWorld::Heal ScenarioWorld::take_down(Seat& seat, const std::string& interface) {
    const InterfaceIndex port = seat.ports.at(interface);
    network.take_down(seat.id, port);
    return [this, &seat, port] { network.bring_up(seat.id, port); };
}

ScenarioWorld::Heal ScenarioWorld::remove(Seat& seat, const std::string& interface) {
    network.detach(seat.id, seat.ports.at(interface));
    seat.ports.erase(interface);
    return [this, &seat, interface] {
        attach(seat, *std::ranges::find(seat.table->interfaces, interface, &InterfaceTable::name));
    };
}

ScenarioWorld::Heal ScenarioWorld::switch_off(const FaultTable& fault) {
    std::vector<Heal> heals;
    for (Seat& seat : seats_)
        for (const InterfaceTable& each : seat.table->interfaces)
            if (each.on == fault.on_switch && seat.ports.contains(each.name))
                heals.push_back(cut(seat, each.name));
    return [heals] {
        for (const Heal& heal : heals) heal();
    };
}

/// The address of this host on the path in use, with its prefix: of the same kind as the other end's.
std::string ScenarioWorld::address_in_use(Seat& seat) {
    const PathInUse path = path_in_use(seat.member ? seat : *members().front());
    const IpAddress& remote = path.remote.address;
    for (const Interface& each : network.interfaces(seat.id))
        for (const InterfaceAddress& own : each.addresses) {
            const bool is_it = seat.member
                                   ? each.name == path.interface && own.address.is_v4() == remote.is_v4() &&
                                         own.address.is_link_local() == remote.is_link_local()
                                   : own.address == remote;
            if (is_it) return own.address.to_string() + "/" + std::to_string(own.prefix_length);
        }
    throw ScenarioError{"no address of " + seat.table->name + " is in use"};
}

ScenarioWorld::Heal ScenarioWorld::renumber(FaultTable fault) {
    Seat& seat = seat_of(fault.host);
    if (fault.gone == "in use") fault.gone = address_in_use(seat);
    const auto change = [this, &seat, name = interface_of(fault)](const std::string& gone,
                                                                  const std::string& here) {
        const InterfaceIndex port = seat.ports.at(name);
        if (!gone.empty()) network.remove_address(seat.id, port, address_of(gone).address);
        if (!here.empty()) network.add_address(seat.id, port, address_of(here));
    };
    change(fault.gone, fault.address);
    return [change, fault] { change(fault.address, fault.gone); };
}

ScenarioWorld::Heal ScenarioWorld::black_hole(const FaultTable& fault) {
    std::optional<Endpoint> remote;
    Hole hole{.seat = &seat_of(fault.host), .interface = interface_of(fault, &remote)};
    hole.direction = fault.direction;
    hole.above = fault.above;
    if (fault.flow) hole.flow = remote;
    return dig(std::move(hole));
}

/// The cable as it was, and what the fault says on top.
ScenarioWorld::Heal ScenarioWorld::worsen(const FaultTable& fault) {
    Seat& seat = seat_of(fault.host);
    const std::string name = interface_of(fault);
    const auto& before = std::ranges::find(seat.table->interfaces, name, &InterfaceTable::name)->cable;
    const Quality& out = fault.direction != "in" ? fault.cable : before;
    const Quality& in = fault.direction != "out" ? fault.cable : before;
    network.set_cable(seat.id, seat.ports.at(name), out, in);
    return [this, &seat, name, before] { network.set_cable(seat.id, seat.ports.at(name), before); };
}

}  // namespace muster::sim
