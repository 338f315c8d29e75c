// Whatever an examination may have seen, the judgement of it ends, and does not contradict itself.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "net/multicast_judge.h"

namespace {

using namespace muster;

class Octets {
public:
    Octets(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
    std::uint8_t take() {
        if (size_ == 0) return 0;
        --size_;
        return *data_++;
    }
    bool is_true() { return (take() & 1) != 0; }
    /// One of few, so that they meet.
    IpAddress address() {
        const auto octet = take();
        if (octet == 0) return IpAddress{IpAddress::V4{}};
        if (octet == 1) return IpAddress{IpAddress::V4{239, 7, 7, 7}};
        return IpAddress{
            IpAddress::V4{10, 0, static_cast<std::uint8_t>(octet % 4), static_cast<std::uint8_t>(octet / 4)}};
    }

private:
    const std::uint8_t* data_;
    std::size_t size_;
};

net::LinkFacts link_of(Octets& octets, std::uint32_t index) {
    net::LinkFacts link;
    link.interface.index = InterfaceIndex{index};
    link.interface.name = "eth" + std::to_string(index);
    link.interface.up = octets.is_true();
    link.interface.carrier = octets.is_true();
    link.interface.prohibited = octets.is_true();
    link.members = octets.take() % 4;
    link.before = {octets.take() % 4u, 0};
    link.after = {octets.take() % 4u, octets.take() % 4u};
    link.first_after = std::chrono::milliseconds{octets.take() * 10};
    for (auto i = octets.take() % 20; i > 0; --i) link.senders.push_back(octets.address());
    for (auto i = octets.take() % 4; i > 0; --i)
        link.sources.push_back({octets.address(), octets.take() % 3u, octets.take() % 3u});
    if (octets.is_true()) link.other_ports.push_back(octets.take());
    link.rp_filter = octets.take() % 3;
    link.igmp_version = octets.take() % 4;
    link.has_ear = octets.is_true();
    link.is_refused = octets.is_true();
    return link;
}

net::MulticastFacts facts_of(Octets& octets) {
    net::MulticastFacts facts;
    facts.group = IpAddress{IpAddress::V4{239, 7, 7, 7}};
    facts.port = 5600;
    facts.is_tapped = octets.is_true();
    facts.has_own_socket = octets.is_true();
    facts.tap_losses = octets.take() % 2;
    facts.reverse_path_drops = octets.take() % 3;
    facts.delivered = octets.take();
    facts.listened_after = std::chrono::milliseconds{octets.take() * 10};
    if (octets.is_true()) facts.sockets_error = "they could not be read";
    for (std::uint32_t i = octets.take() % 4; i > 0; --i) facts.links.push_back(link_of(octets, i));
    for (auto i = octets.take() % 4; i > 0; --i) {
        net::SocketFacts socket;
        socket.owner = std::to_string(octets.take() % 3);
        socket.local = octets.address();
        socket.bound_to = InterfaceIndex{octets.take() % 4u};
        socket.drops = octets.take() % 2;
        socket.hears_others_groups = octets.is_true();
        facts.sockets.push_back(std::move(socket));
    }
    return facts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Octets octets{data, size};
    const net::MulticastFacts facts = facts_of(octets);
    (void)net::has_enough(facts, &net::LinkFacts::before);
    const MulticastDiagnosis diagnosis = net::judge(facts);
    for (const MulticastFinding& each : diagnosis.findings) {
        MUSTER_CHECK(!each.signal.empty() && !cure_of(each.cause).empty());
        const bool is_note =
            each.cause == MulticastCause::port_shared || each.cause == MulticastCause::not_own_membership;
        MUSTER_CHECK(is_note || !diagnosis.arrives);
        if (each.cause == MulticastCause::switch_forgot)
            MUSTER_CHECK(facts.is_tapped && facts.tap_losses == 0);
    }
    MUSTER_CHECK(diagnosis.arrives || !diagnosis.findings.empty());
    return 0;
}
