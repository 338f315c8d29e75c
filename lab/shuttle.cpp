// A cable with faults: carries frames between two interfaces of its namespace, late, twice, out of order or not at
// all, as the orders on its standard input say (shuttle_wire.h lists them). Netem is not in every kernel.
//
//   shuttle HOST_SIDE NET_SIDE [SEED]
//
// "in" is towards HOST_SIDE. Prints one JSON object per line: "up" when it carries; "done" or "refused" for each order;
// and for the order "report" what it did in each direction. Both interfaces must be up. An interface that goes away and
// comes back is carried again; it ends with its standard input. Needs CAP_NET_RAW.
//
// Frames are taken with their virtio_net_hdr, for on a veth pair checksums are left to a device that never comes; the
// kernel finishes them from that header at the other side. Senders must not use segmentation offload, or a frame is
// a batch: `ip link set dev X gso_max_segs 1`.
#include <cerrno>
#include <climits>
#include <cstring>

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe.h"
#include "shuttle_wire.h"

using namespace muster;
using namespace muster::lab;

namespace {

constexpr std::size_t kHeader = 10;                 // struct virtio_net_hdr; its header is not C++
constexpr std::size_t kLargestFrame = 65'536 + 64;  // what a loopback MTU allows, and its headers
constexpr int kFramesPerTurn = 64;                  // then the other direction has its turn
constexpr std::size_t kLongestOrder = 4096;
constexpr int kSocketBuffer = 4 << 20;

[[noreturn]] void give_up(const std::string& what) {
    std::cerr << "shuttle: " << what << ": " << std::strerror(errno) << '\n';
    std::exit(1);
}

void set_option(int socket, int level, int option, int value, const char* name) {
    if (::setsockopt(socket, level, option, &value, sizeof value) != 0) give_up(name);
}

/// All frames of one interface, those that it sends itself left out.
class Side {
public:
    explicit Side(const char* interface) {
        socket_ = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (socket_ < 0) give_up("packet socket");
        set_option(socket_, SOL_PACKET, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR");
        set_option(socket_, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
        set_option(socket_, SOL_SOCKET, SO_RCVBUFFORCE, kSocketBuffer, "SO_RCVBUFFORCE");
        sockaddr_ll where{};
        where.sll_family = AF_PACKET;
        where.sll_protocol = htons(ETH_P_ALL);
        where.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
        if (where.sll_ifindex == 0) give_up(interface);
        if (::bind(socket_, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) give_up(interface);
    }
    Side(const Side&) = delete;
    Side& operator=(const Side&) = delete;
    ~Side() { ::close(socket_); }

    int socket() const { return socket_; }
    /// The next frame. Nothing: none is there, or the interface is down for now.
    std::optional<Frame> read() {
        const ssize_t size = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
        if (size <= static_cast<ssize_t>(kHeader + ETH_HLEN)) return std::nullopt;
        return Frame(buffer_.begin(), buffer_.begin() + size);
    }
    /// A frame that does not go out is gone, as on a cable that is out.
    void write(const Frame& frame) {
        if (::send(socket_, frame.data(), frame.size(), 0) < 0) ++unsent_;
    }
    std::uint64_t unsent() const { return unsent_; }

private:
    int socket_ = -1;
    Frame buffer_ = Frame(kLargestFrame);
    std::uint64_t unsent_ = 0;
};

boost::json::object facts_of(const WireCounters& counters) {
    return {{"entered", counters.entered},
            {"left", counters.left},
            {"lost", counters.lost},
            {"duplicated", counters.duplicated},
            {"reordered", counters.reordered},
            {"dropped", counters.dropped},
            {"too_big", counters.too_big},
            {"flow_dropped", counters.flow_dropped},
            {"queue_full", counters.queue_full}};
}

class Shuttle {
public:
    Shuttle(const char* host_side, const char* net_side, std::uint64_t seed)
        : wire_(seed, kHeader), host_(host_side), net_(net_side) {}

    void run() {
        tell("up");
        while (true) {
            pollfd waits[] = {{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                              {.fd = host_.socket(), .events = POLLIN, .revents = 0},
                              {.fd = net_.socket(), .events = POLLIN, .revents = 0}};
            const timespec patience = until(wire_.next_due());
            if (::ppoll(waits, 3, wire_.next_due() == kNever ? nullptr : &patience, nullptr) < 0 &&
                errno != EINTR)
                give_up("ppoll");
            if (waits[0].revents != 0 && !obey()) return;
            carry(host_, Way::out);
            carry(net_, Way::in);
            deliver(Way::out, net_);
            deliver(Way::in, host_);
        }
    }

private:
    static timespec until(TimePoint when) {
        const auto left = std::max<std::int64_t>(
            0, when == kNever ? 0 : std::chrono::nanoseconds{when - SteadyClock::now()}.count());
        return {.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
    }
    void carry(Side& from, Way way) {
        for (int i = 0; i < kFramesPerTurn; ++i) {
            auto frame = from.read();
            if (!frame) return;
            wire_.enter(way, std::move(*frame), SteadyClock::now());
        }
    }
    void deliver(Way way, Side& to) {
        while (const auto frame = wire_.take(way, SteadyClock::now())) to.write(*frame);
    }
    /// False when standard input has ended.
    bool obey() {
        char octets[PIPE_BUF];
        const ssize_t size = ::read(STDIN_FILENO, octets, sizeof octets);
        if (size <= 0 || orders_.size() > kLongestOrder) return false;
        orders_.append(octets, static_cast<std::size_t>(size));
        for (std::size_t end = 0; (end = orders_.find('\n')) != std::string::npos; orders_.erase(0, end + 1))
            obey(orders_.substr(0, end));
        return true;
    }
    void obey(const std::string& line) {
        if (line == "report") return report();
        if (const auto refused = wire_.order(line))
            tell("refused", {{"why", *refused}});
        else
            tell("done", {{"order", line}});
    }
    void report() {
        boost::json::object facts{{"in", facts_of(wire_.counters(Way::in))},
                                  {"out", facts_of(wire_.counters(Way::out))}};
        facts["unsent"] = host_.unsent() + net_.unsent();
        tell("counters", std::move(facts));
    }

    ShuttleWire wire_;
    Side host_, net_;
    std::string orders_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3 || argc > 4) {
        std::cerr << "shuttle HOST_SIDE NET_SIDE [SEED]\n";
        return 2;
    }
    ::prctl(PR_SET_TIMERSLACK, 1000UL);  // 1 us instead of 50: delays are what this program is for
    Shuttle{argv[1], argv[2], argc == 4 ? std::stoull(argv[3]) : 1}.run();
}
