#include "sim/sim_node.h"

namespace muster::sim {

void SimNode::start(node::Core& core) {
    core_ = &core;
    network_.set_station(host_, this);
}

void SimNode::kill() {
    network_.set_station(host_, nullptr);
    core_ = nullptr;
}

void SimNode::send(const link::Path& path, ByteView octets, std::size_t segment, std::uint8_t ecn) {
    network_.send(host_, {.local = {.address = path.local, .port = port_},
                          .remote = path.remote,
                          .octets = octets,
                          .segment = segment,
                          .ecn = ecn});
}

void SimNode::on_datagram(const Datagram& datagram, TimePoint now) {
    if (!core_ || datagram.local.port != port_ || datagram.local.address.is_multicast()) return;
    const link::Path from{.remote = datagram.remote, .local = datagram.local.address};
    core_->on_datagram(from, datagram.octets, datagram.ecn, now);
}

void SimNode::on_interfaces(std::span<const Interface> interfaces, TimePoint now) {
    if (core_) core_->on_interfaces(interfaces, now);
}

void SimNode::on_timer(TimePoint now) {
    if (core_) core_->on_timer(now);
}

TimePoint SimNode::next_wakeup() const { return core_ ? core_->next_wakeup() : kNever; }

bool SimNode::flush(TimePoint now) { return core_ && core_->flush(now); }

}  // namespace muster::sim
