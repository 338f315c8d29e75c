#include "sim/sim_node.h"

#include <algorithm>
#include <utility>

namespace muster::sim {
namespace {

constexpr std::uint16_t kOneShotPort = 50'353;  // stands for the ephemeral port of one-shot queries

IpAddress group_of(discovery::Family family) {
    if (family == discovery::Family::v4) return IpAddress{IpAddress::V4{224, 0, 0, 251}};
    IpAddress::V6 group{0xff, 0x02};
    group[15] = 0xfb;
    return IpAddress{group};
}

std::uint16_t source_port(discovery::SendFrom from) {
    return from == discovery::SendFrom::mdns_port ? discovery::kMdnsPort : kOneShotPort;
}

discovery::MdnsEngineOptions engine_options(std::string host_label) {
    discovery::MdnsEngineOptions options;
    options.host = std::move(host_label);
    return options;
}

}  // namespace

struct SimNode::Mdns {
    Mdns(std::string label, discovery::MdnsWire& wire, Randomness& random, SimClock& clock,
         std::function<void()> wake)
        : engine(engine_options(std::move(label)), wire, random),
          front(engine, [&clock] { return clock.now(); }, std::move(wake)) {}

    discovery::MdnsEngine engine;
    discovery::MdnsFront front;
};

void SimNode::start(node::Core& core) {
    core_ = &core;
    network_.set_station(host_, this);
}

discovery::Discovery& SimNode::discovery(std::string host_label) {
    if (!mdns_) {
        mdns_ = std::make_shared<Mdns>(std::move(host_label), *this, network_.random(host_), clock_,
                                       [this] { soon([this] { turn(); }); });
        mdns_->engine.on_interfaces(marked(network_.interfaces(host_)), clock_.now());
    }
    return mdns_->front;
}

void SimNode::kill() {
    network_.set_station(host_, nullptr);
    core_ = nullptr;
}

void SimNode::thaw() {
    if (!is_frozen()) return;
    state_ = State::running;
    const TimePoint now = clock_.now();
    for (const Waiting& each : std::exchange(in_sockets_, {})) {
        Datagram datagram = each.datagram;
        datagram.octets = each.octets;
        on_datagram(datagram, now);
    }
    on_interfaces(network_.interfaces(host_), now);
    on_timer(now);
    if (core_) turn();
}

void SimNode::soon(std::function<void()> what) {
    clock_.after({}, [this, life = std::weak_ptr{life_}, what = std::move(what)] {
        if (!life.expired() && core_) what();
    });
}

void SimNode::keep(const Datagram& datagram) {
    if (state_ == State::asleep || in_sockets_.size() == kSocketBuffer) return;
    in_sockets_.push_back({datagram, {datagram.octets.begin(), datagram.octets.end()}});
}

void SimNode::set_path_preferences(PathPreferences preferences) {
    preferences_ = std::move(preferences);
    on_interfaces(network_.interfaces(host_), clock_.now());
    if (core_) turn();
}

std::vector<Interface> SimNode::marked(std::span<const Interface> interfaces) const {
    std::vector<Interface> all(interfaces.begin(), interfaces.end());
    mark_interfaces(preferences_, all);
    return all;
}

void SimNode::send(const link::Path& path, ByteView octets, std::size_t segment, std::uint8_t ecn) {
    if (!may_use(path.remote.interface)) {
        ++stopped_;
        return;
    }
    network_.send(host_, {.local = {.address = path.local, .port = port_},
                          .remote = path.remote,
                          .octets = octets,
                          .segment = segment,
                          .ecn = ecn});
}

void SimNode::inquire(const link::Path& path) {
    if (!findings_) return;
    soon([this, path, found = *findings_] {
        if (is_frozen()) return;
        core_->on_findings(path, found, clock_.now());
        turn();
    });
}

void SimNode::multicast(discovery::LinkId link, discovery::SendFrom from, ByteView packet) {
    network_.send(host_, {.local = {.address = {}, .port = source_port(from)},
                          .remote = {group_of(link.family), discovery::kMdnsPort, link.interface},
                          .octets = packet});
}

void SimNode::unicast(const Endpoint& to, discovery::SendFrom from, ByteView packet) {
    network_.send(host_,
                  {.local = {.address = {}, .port = source_port(from)}, .remote = to, .octets = packet});
}

void SimNode::on_datagram(const Datagram& datagram, TimePoint now) {
    if (until_freeze_ && (*until_freeze_)-- == 0) {
        until_freeze_.reset();
        freeze();
    }
    if (is_frozen()) return keep(datagram);
    if (!may_use(datagram.remote.interface)) return;
    const bool multicast = datagram.local.address.is_multicast();
    if (core_ && datagram.local.port == port_ && !multicast) {
        const link::Path from{.remote = datagram.remote, .local = datagram.local.address};
        return core_->on_datagram(from, datagram.octets, datagram.ecn, now);
    }
    const bool one_shot = datagram.local.port == kOneShotPort;
    if (!mdns_ || (datagram.local.port != discovery::kMdnsPort && !one_shot)) return;
    const auto arrival = one_shot    ? discovery::Arrival::one_shot
                         : multicast ? discovery::Arrival::multicast
                                     : discovery::Arrival::unicast;
    mdns_->engine.on_packet({datagram.remote.interface, datagram.remote, arrival}, datagram.octets, now);
}

void SimNode::on_interfaces(std::span<const Interface> interfaces, TimePoint now) {
    if (is_frozen()) return;  // thaw() looks again
    const std::vector<Interface> all = marked(interfaces);
    prohibited_.clear();
    for (const Interface& each : all)
        if (each.prohibited) prohibited_.insert(each.index);
    if (mdns_) mdns_->engine.on_interfaces(all, now);
    if (core_) core_->on_interfaces(all, now);
}

void SimNode::on_timer(TimePoint now) {
    if (is_frozen()) return;
    if (mdns_ && mdns_->engine.next_wakeup() <= now) mdns_->engine.on_timer(now);
    if (core_ && core_->next_wakeup() <= now) core_->on_timer(now);
}

TimePoint SimNode::next_wakeup() const {
    if (is_frozen()) return kNever;
    const TimePoint core = core_ ? core_->next_wakeup() : kNever;
    return mdns_ ? std::min(core, mdns_->engine.next_wakeup()) : core;
}

bool SimNode::flush(TimePoint now) {
    if (is_frozen()) return false;
    if (const auto mdns = mdns_) {
        if (mdns->engine.next_wakeup() <= now) mdns->engine.on_timer(now);
        mdns->front.dispatch();
    }
    return core_ && core_->flush(now);
}

}  // namespace muster::sim
