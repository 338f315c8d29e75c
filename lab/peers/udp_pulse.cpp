// UDP and nothing else: how soon one can be on another network at all. It encrypts, repeats and proves nothing, so it is a
// yardstick and no alternative: the short form of the board in CI holds Muster against it.
//
//   udp_pulse host [--port=N]
//   udp_pulse join --name=NAME --at=ADDRESS[,...] --interfaces=NAME[,...] [--port=N]
//
// A member sends to one of the coordinator's addresses, the coordinator answers to where it heard the member from, as long
// as it hears it: a way that is open in one direction only thus falls silent in both. The member takes the next address
// (and with it the network) at once when the kernel says that the interface is down or without carrier, and after 50 ms
// of silence: five messages, as in Muster's profile realtime. Each end says its last message again on the new way, so that
// the gap does not depend on when the next one is due.
#include <memory>

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "peer_pulse.h"

using namespace muster::lab;

namespace {

constexpr std::int64_t kSilenceNs = 50'000'000;

using Name = std::array<char, 16>;

struct Datagram {
    Name from{};
    BeatBytes beat{};
};

/// The last message to somebody.
struct Said {
    BeatBytes beat{};
    std::int64_t at_ns = 0;

    bool is_recent() const { return now_ns() < at_ns + kSilenceNs; }
};

sockaddr_in endpoint(const std::string& address, const Options& options) {
    sockaddr_in made{};
    made.sin_family = AF_INET;
    made.sin_port = htons(static_cast<std::uint16_t>(options.number("port", 4712)));
    if (::inet_pton(AF_INET, address.c_str(), &made.sin_addr) != 1) give_up("no address: " + address);
    return made;
}

/// The socket, and what both ends do with it.
class Udp : public Transport {
protected:
    explicit Udp(PeerPulse& pulse) : pulse_(pulse) {}

    bool send_to(const sockaddr_in& to, const std::string& name, const BeatBytes& beat) const {
        Datagram datagram{.from = {}, .beat = beat};
        name.copy(datagram.from.data(), datagram.from.size() - 1);
        ::sendto(socket_, &datagram, sizeof datagram, MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to),
                 sizeof to);
        return true;  // what does not go out is lost on its way
    }
    /// False when there is none.
    bool receive(Datagram& datagram, sockaddr_in& from) const {
        socklen_t size = sizeof from;
        return ::recvfrom(socket_, &datagram, sizeof datagram, MSG_DONTWAIT,
                          reinterpret_cast<sockaddr*>(&from), &size) == sizeof datagram;
    }
    static std::string_view payload(const Datagram& datagram) {
        return {datagram.beat.data(), datagram.beat.size()};
    }

    PeerPulse& pulse_;
    int socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
};

class Coordinator : public Udp {
public:
    Coordinator(PeerPulse& pulse, const Options& options) : Udp(pulse) {
        const sockaddr_in all = endpoint("0.0.0.0", options);
        if (::bind(socket_, reinterpret_cast<const sockaddr*>(&all), sizeof all) != 0) give_up("cannot bind");
        tell("hosting");
    }
    std::int64_t wait_for(std::vector<pollfd>& polled) override {
        polled.push_back({socket_, POLLIN, 0});
        return INT64_MAX;
    }
    void turn(std::span<pollfd>) override {
        Datagram datagram;
        sockaddr_in from{};
        while (receive(datagram, from)) {
            const std::string name{datagram.from.data()};
            Heard& heard = members_[name];
            const bool is_moved = heard.from.sin_addr.s_addr != from.sin_addr.s_addr;
            heard.from = from;
            heard.at_ns = now_ns();
            if (is_moved && heard.last.is_recent()) send_to(from, name, heard.last.beat);
            pulse_.on_joined(name);
            pulse_.on_message(name, payload(datagram));
        }
    }
    bool send(const std::string& peer, const BeatBytes& beat) override {
        Heard& heard = members_[peer];
        heard.last = {beat, now_ns()};
        return now_ns() >= heard.at_ns + kSilenceNs || send_to(heard.from, peer, beat);
    }

private:
    struct Heard {
        sockaddr_in from{};
        std::int64_t at_ns = 0;
        Said last;
    };
    std::map<std::string, Heard> members_;
};

class Member : public Udp {
public:
    Member(PeerPulse& pulse, const Options& options) : Udp(pulse), name_(options.text("name", "member")) {
        for (const auto& address : options.list("at")) {
            ways_.push_back({endpoint(address, options), 0});
            const auto interfaces = options.list("interfaces");
            if (interfaces.size() >= ways_.size())
                ways_.back().interface = ::if_nametoindex(interfaces[ways_.size() - 1].c_str());
        }
        if (ways_.empty()) give_up("--at is missing");
        sockaddr_nl links{};
        links.nl_family = AF_NETLINK;
        links.nl_groups = RTMGRP_LINK;
        if (::bind(netlink_, reinterpret_cast<const sockaddr*>(&links), sizeof links) != 0)
            give_up("no netlink");
        since_ns_ = now_ns();
        pulse.on_joined("coordinator");
        pulse.on_path(options.list("at").front());
    }
    std::int64_t wait_for(std::vector<pollfd>& polled) override {
        polled.push_back({socket_, POLLIN, 0});
        polled.push_back({netlink_, POLLIN, 0});
        return since_ns_ + kSilenceNs;
    }
    void turn(std::span<pollfd>) override {
        Datagram datagram;
        sockaddr_in from{};
        while (receive(datagram, from)) {
            since_ns_ = now_ns();
            pulse_.on_message("coordinator", payload(datagram));
        }
        read_netlink();
        if (now_ns() >= since_ns_ + kSilenceNs) move("silence");
    }
    bool send(const std::string&, const BeatBytes& beat) override {
        return send_to(ways_[way_].to, name_, beat);
    }

private:
    struct Way {
        sockaddr_in to{};
        unsigned interface = 0;
    };

    void read_netlink() {
        alignas(nlmsghdr) std::array<char, 16 * 1024> buffer;
        ssize_t size = 0;
        while ((size = ::recv(netlink_, buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0) {
            auto left = static_cast<unsigned>(size);
            for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(message, left);
                 message = NLMSG_NEXT(message, left))
                if (message->nlmsg_type == RTM_NEWLINK)
                    on_link(*static_cast<const ifinfomsg*>(NLMSG_DATA(message)));
        }
    }
    void on_link(const ifinfomsg& link) {
        const bool works = (link.ifi_flags & IFF_UP) != 0 && (link.ifi_flags & IFF_RUNNING) != 0;
        if (!works && static_cast<unsigned>(link.ifi_index) == ways_[way_].interface) move("no carrier");
    }
    void move(const char* why) {
        PeerPulse::on_lost_path(why);
        way_ = (way_ + 1) % ways_.size();
        since_ns_ = now_ns();
        if (last_.is_recent()) send_to(ways_[way_].to, name_, last_.beat);
        std::array<char, INET_ADDRSTRLEN> text{};
        pulse_.on_path(::inet_ntop(AF_INET, &ways_[way_].to.sin_addr, text.data(), text.size()));
    }

    std::string name_;
    std::vector<Way> ways_;
    std::size_t way_ = 0;
    Said last_;
    std::int64_t since_ns_ = 0;  // last heard, or moved
    int netlink_ = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
};

}  // namespace

int main(int argc, char** argv) {
    const Options options{argc - 1, argv + 1};
    PeerPulse pulse{options};
    pulse.is_coordinator = is_host(argc, argv);
    std::unique_ptr<Transport> transport;
    if (pulse.is_coordinator)
        transport = std::make_unique<Coordinator>(pulse, options);
    else
        transport = std::make_unique<Member>(pulse, options);
    pulse.run(*transport);
}
