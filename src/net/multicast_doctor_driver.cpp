#include "net/multicast_doctor_driver.h"

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/interfaces.h"
#include "net/multicast_judge.h"
#include "os/membership_report.h"
#include "os/multicast_socket.h"
#include "os/multicast_tables.h"
#include "os/multicast_tap.h"
#include "os/socket_holders.h"
#include "os/timer.h"
#include "os/udp_sockets.h"

#include "muster/interface.h"
#include "muster/path_preferences.h"

namespace muster::net {

namespace asio = boost::asio;

namespace {

using namespace std::chrono_literals;

// The buffer of the tap holds some thousands of packets, if the system allows: 100,000 per second are not lost between two looks.
constexpr Duration kLook = 20ms;
// Batches of an ear in a look: a flood must not keep the others on the strand waiting.
constexpr int kMaxReadsInARow = 8;
// If enough comes sooner, listening goes on for no longer than this.
constexpr Duration kAtLeast = 300ms;

template <class T>
void note(std::vector<T>& list, const T& value, std::size_t most) {
    if (list.size() < most && std::ranges::find(list, value) == list.end()) list.push_back(value);
}

class Examination : public std::enable_shared_from_this<Examination> {
public:
    Examination(const asio::any_io_executor& strand, GroupTarget target, Duration patience,
                std::function<void(Result<MulticastFacts>)> done)
        : target_(std::move(target)), patience_(patience), done_(std::move(done)), timer_(strand) {}

    void begin() {
        facts_.group = target_.group;
        facts_.port = target_.port;
        auto known = interfaces();
        if (!known) return done_(known.error());
        take_interfaces(*std::move(known));
        take_memberships();
        take_sockets();
        if (auto tap = os::MulticastTap::open(target_.group)) tap_ = *std::move(tap);
        facts_.is_tapped = tap_ != nullptr;
        counters_ = os::read_multicast_counters(is_v6());
        listen(&LinkFacts::before);
    }

private:
    /// A socket of our own on one interface.
    struct Ear {
        InterfaceIndex interface;
        std::unique_ptr<os::MulticastSocket> socket;
    };

    bool is_v6() const { return target_.group.is_v6(); }

    LinkFacts* link_of(InterfaceIndex index) {
        const auto found = std::ranges::find_if(
            facts_.links, [&](const LinkFacts& each) { return each.interface.index == index; });
        return found == facts_.links.end() ? nullptr : &*found;
    }

    void take_interfaces(std::vector<Interface> known) {
        PathPreferences expected;
        expected.require = target_.interfaces;
        expected.prohibit = target_.prohibit;
        mark_interfaces(expected, known);
        const bool alone = is_alone(known);
        for (Interface& each : known) {
            const bool is_able = each.multicast || each.loopback;
            if (!is_able || !takes_part(each, target_.interfaces, alone)) continue;
            LinkFacts link;
            link.rp_filter = is_v6() ? 0 : os::read_rp_filter(each.name);
            link.interface = std::move(each);
            facts_.links.push_back(std::move(link));
        }
    }

    void take_memberships() {
        const auto memberships = os::read_memberships(is_v6());
        for (const auto& each : memberships) {
            LinkFacts* link = link_of(each.interface);
            if (link == nullptr) continue;
            link->igmp_version = each.igmp_version;
            if (each.group == target_.group) link->members = each.users;
        }
        for (const auto& each : os::read_source_filters(is_v6()))
            if (LinkFacts* link = link_of(each.interface); each.group == target_.group && link != nullptr)
                link->sources.push_back({each.source, each.including, each.excluding});
        if (!is_v6()) take_limit(memberships);
    }

    void take_limit(const std::vector<os::GroupMembership>& memberships) {
        const IpAddress all_hosts{IpAddress::V4{224, 0, 0, 1}};  // the kernel's own
        facts_.groups_joined =
            static_cast<std::uint32_t>(std::ranges::count_if(memberships, [&](const auto& each) {
                return each.group != target_.group && each.group != all_hosts;
            }));
        facts_.group_limit = os::read_group_limit();
    }

    void take_sockets() {
        auto sockets = os::udp_sockets(target_.port, is_v6());
        if (!sockets) {
            facts_.sockets_error = sockets.error().message();
            return;
        }
        known_ = *std::move(sockets);
        std::set<std::uint32_t> inodes;
        for (const auto& each : known_) inodes.insert(each.inode);
        const auto holders = os::holders_of(inodes);
        for (const auto& each : known_) {
            SocketFacts socket;
            socket.local = each.local;
            socket.bound_to = each.bound_to;
            socket.hears_others_groups = each.hears_others_groups;
            if (const auto holder = holders.find(each.inode); holder != holders.end()) {
                socket.owner = os::name_of(holder->second);
                if (is_v6()) socket.hears_others_groups = os::hears_others_groups_v6(holder->second);
            }
            facts_.sockets.push_back(std::move(socket));
        }
    }

    void listen(HeardOnLink LinkFacts::* period) {
        period_ = period;
        began_ = SteadyClock::now();
        wait();
    }

    void wait() {
        timer_.expires_after(kLook);
        timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
            if (!error) self->look();
        });
    }

    void look() {
        read_tap();
        for (const Ear& ear : ears_) read_ear(ear);
        const Duration passed = SteadyClock::now() - began_;
        const bool is_early = passed < kAtLeast || !has_enough(facts_, period_);
        if (passed < patience_ && is_early) return wait();
        if (period_ == &LinkFacts::after) return finish();
        announce();
        listen(&LinkFacts::after);
    }

    void read_tap() {
        if (!tap_) return;
        tap_->read([&](InterfaceIndex interface, const os::TappedPacket& packet) {
            LinkFacts* link = link_of(interface);
            if (link == nullptr) return;
            if (packet.kind == os::TappedPacket::Kind::query) {
                ++link->queries;
            } else if (packet.destination == target_.group && packet.port == target_.port) {
                if (++(link->*period_).on_wire == 1) link->first_after = SteadyClock::now() - began_;
                note(link->senders, packet.source, LinkFacts::kMostSenders);
            } else if (packet.destination == target_.group) {
                note(link->other_ports, packet.port, LinkFacts::kMostPorts);
            }
        });
        facts_.tap_losses += tap_->take_losses();
    }

    void read_ear(const Ear& ear) {
        LinkFacts* link = link_of(ear.interface);
        std::array<os::ReceivedDatagram, os::MulticastSocket::kSlots> batch;
        for (int reads = 0; reads < kMaxReadsInARow; ++reads) {
            const auto count = ear.socket->receive(batch);
            for (std::size_t i = 0; i < count; ++i) {
                ++(link->*period_).taken;
                note(link->senders, batch[i].remote.address, LinkFacts::kMostSenders);
            }
            if (count < batch.size()) return;
        }
    }

    /// Joins everywhere; where that says nothing on the wire because somebody has joined before, says it itself.
    void announce() {
        facts_.has_own_socket = true;
        for (LinkFacts& link : facts_.links) {
            if (!link.interface.up || fits_any(link.interface, target_.prohibit)) continue;
            os::MulticastOptions wanted;
            wanted.group = target_.group;
            wanted.port = target_.port;
            wanted.sharing =
                os::PortSharing::address;  // with SO_REUSEPORT it would take from others what they joined
            wanted.bind = os::BindTo::group;
            wanted.interface = link.interface.index;
            wanted.max_datagram = os::kLargestDatagram;
            auto socket = os::MulticastSocket::open(wanted);
            if (!socket) {  // without the port it can join nevertheless
                facts_.has_own_socket = false;
                wanted.port = 0;
                socket = os::MulticastSocket::open(wanted);
            }
            if (!socket) continue;
            const auto joined = (*socket)->try_join(link.interface.index).kind;
            link.has_ear = joined == os::JoinOutcome::Kind::joined;
            link.is_refused = joined == os::JoinOutcome::Kind::forbidden;
            if (link.members > 0) (void)os::report_membership(target_.group, link.interface.index);
            ears_.push_back({link.interface.index, *std::move(socket)});
        }
    }

    void finish() {
        facts_.listened_after = SteadyClock::now() - began_;
        const auto counters = os::read_multicast_counters(is_v6());
        facts_.group_packets = counters.group_packets - counters_.group_packets;
        facts_.delivered = counters.delivered - counters_.delivered;
        facts_.reverse_path_drops = counters.reverse_path_drops - counters_.reverse_path_drops;
        if (const auto now = os::udp_sockets(target_.port, is_v6())) {
            for (std::size_t i = 0; i < known_.size(); ++i) {
                const auto same = std::ranges::find(*now, known_[i].inode, &os::UdpSocketFacts::inode);
                if (same != now->end()) facts_.sockets[i].drops = same->drops - known_[i].drops;
            }
        }
        done_(std::move(facts_));
    }

    GroupTarget target_;
    Duration patience_;  // for each time of listening, at most
    std::function<void(Result<MulticastFacts>)> done_;
    os::Timer timer_;
    MulticastFacts facts_;
    std::vector<os::UdpSocketFacts> known_;  // in the order of facts_.sockets
    os::MulticastCounters counters_;
    std::unique_ptr<os::MulticastTap> tap_;  // null: not allowed
    std::vector<Ear> ears_;
    HeardOnLink LinkFacts::* period_ = &LinkFacts::before;
    TimePoint began_{};
};

}  // namespace

void examine_multicast(const asio::any_io_executor& strand, GroupTarget target, Duration listen,
                       std::function<void(Result<MulticastFacts>)> done) {
    auto examination = std::make_shared<Examination>(strand, std::move(target), listen, std::move(done));
    asio::post(strand, [examination = std::move(examination)] { examination->begin(); });
}

}  // namespace muster::net
