// QUIC alone: two processes, each one endpoint on one UDP socket, on the loopback interface. Neither links
// nor sessions nor threads; a loop of poll(), receive, flush. What whole nodes achieve cannot be more than
// this.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <vector>

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json_lines.h"
#include "os/udp_socket.h"
#include "quic/endpoint.h"

using namespace muster;
using namespace std::chrono_literals;

namespace {

constexpr Duration kSpan = 3s;  // of each throughput measurement
constexpr std::size_t kSlice = 64 * 1024;
constexpr std::size_t kSmall = 100;
constexpr std::size_t kAhead = 1 << 20;  // octets queued in the engine: enough to keep it busy
constexpr std::size_t kIdleConnections = 1000;

template <class T>
T need(Result<T> result) {
    if (result) return std::move(*result);
    std::fprintf(stderr, "%s\n", result.error().explain().c_str());
    std::_Exit(1);
}

double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double resident_kilobytes() {
    std::ifstream statm("/proc/self/statm");
    double total = 0, pages = 0;
    statm >> total >> pages;
    return pages * 4.096;
}

/// One endpoint on one socket.
class Node final : public quic::Wire {
public:
    Node(std::uint8_t key, std::unique_ptr<os::UdpSocket> socket, quic::Acceptor* acceptor)
        : socket_(std::move(socket)), endpoint_(quic::Endpoint::create(config(key), random_, acceptor)) {}

    quic::Endpoint& endpoint() { return *endpoint_; }
    quic::PathId path_to(const Endpoint& remote) {
        const auto [it, fresh] = paths_.emplace(std::pair{remote.address, remote.port}, remotes_.size());
        if (fresh) remotes_.push_back(remote);
        return quic::PathId{it->second};
    }

    void send(const quic::Transmit& batch) override {
        os::SendRequest request{.remote = remotes_[static_cast<std::size_t>(batch.path)],
                                .local = {},
                                .octets = batch.octets,
                                .segment = batch.octets.size() > batch.segment ? batch.segment : 0,
                                .ecn = batch.ecn};
        while (true) {
            const os::SendOutcome outcome = socket_->send(request);
            if (outcome.status != os::SendStatus::would_block) return;
            request.octets = request.octets.subspan(outcome.octets);
            pollfd writable{socket_->native_handle(), POLLOUT, 0};
            ::poll(&writable, 1, 1);
        }
    }

    /// One round: write, wait for at most `patience`, read.
    void round(Duration patience) {
        endpoint_->flush(SteadyClock::now(), *this);
        if (endpoint_->has_more()) patience = 0s;
        patience = std::min(patience, endpoint_->next_wakeup() - SteadyClock::now());
        const auto nanoseconds = std::max<std::int64_t>(0, std::chrono::nanoseconds{patience}.count());
        const timespec wait{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
        pollfd readable{socket_->native_handle(), POLLIN, 0};
        ::ppoll(&readable, 1, &wait, nullptr);
        std::array<os::ReceivedDatagram, os::UdpSocket::kSlots> slots;
        const std::size_t count = socket_->receive(slots);
        const TimePoint now = SteadyClock::now();
        for (std::size_t i = 0; i < count; ++i) take(slots[i], now);
        if (endpoint_->next_wakeup() <= now) endpoint_->on_timer(now);
    }
    void run_until(const std::function<bool()>& done, Duration patience = 50ms) {
        while (!done()) round(patience);
        endpoint_->flush(SteadyClock::now(), *this);
    }

private:
    static quic::Config config(std::uint8_t key) {
        const Bytes seed(32, std::byte{key});
        quic::Config result{need(DeviceKey::from_seed(seed))};
        result.retry_above = 10'000;
        result.stream_window = 4 << 20;
        result.connection_window = 16 << 20;
        return result;
    }
    void take(const os::ReceivedDatagram& slot, TimePoint now) {
        const quic::PathId path = path_to(slot.remote);
        const std::size_t segment = slot.segment == 0 ? slot.octets.size() : slot.segment;
        for (std::size_t at = 0; at < slot.octets.size(); at += segment)
            endpoint_->on_datagram(path, slot.octets.subspan(at, std::min(segment, slot.octets.size() - at)),
                                   slot.ecn, now);
    }

    SystemRandomness random_;
    std::unique_ptr<os::UdpSocket> socket_;
    std::vector<Endpoint> remotes_;
    std::map<std::pair<IpAddress, std::uint16_t>, std::size_t> paths_;
    std::unique_ptr<quic::Endpoint> endpoint_;
};

/// Either end of a connection: consumes and counts; the server's side echoes what arrives if told to.
class Party : public quic::Handler {
public:
    bool on_admit(const DeviceId&) override { return true; }
    void on_established() override { established = true; }
    void on_stream_data(quic::StreamId stream, ByteView data, bool) override {
        octets += data.size();
        connection->consume(stream, data.size());
        if (echoes) connection->write(stream, Slice::copy_of(data));
    }
    void on_stream_reset(quic::StreamId, std::uint64_t) override {}
    void on_stop_sending(quic::StreamId, std::uint64_t) override {}
    void on_stream_closed(quic::StreamId) override {}
    void on_stream_writable(quic::StreamId) override {}
    void on_streams_available(quic::Direction) override {}
    void on_datagram(ByteView payload) override {
        ++datagrams;
        octets += payload.size();
    }
    void on_heard() override {}
    void on_path_changed(quic::PathId) override {}
    void on_closed(const quic::CloseInfo&) override { closed = true; }

    quic::Connection* connection = nullptr;
    bool established = false, closed = false, echoes = false;
    std::uint64_t octets = 0, datagrams = 0;
};

struct Report {
    double cpu = 0, kilobytes = 0, octets = 0, datagrams = 0, connections = 0;
};

/// Accepts all; counts what all connections bring.
class Server final : public quic::Acceptor {
public:
    explicit Server(bool echoes) : echoes_(echoes) {}
    quic::Handler* on_incoming(quic::Connection& connection, quic::PathId) override {
        auto party = std::make_unique<Party>();
        party->connection = &connection;
        party->echoes = echoes_;
        parties_.push_back(std::move(party));
        return parties_.back().get();
    }
    std::optional<Endpoint> address_of(quic::PathId) const override {
        return Endpoint{IpAddress{IpAddress::V4{127, 0, 0, 1}}, 0, InterfaceIndex{1}};
    }
    /// Serves until the pipe closes, then reports through the other one.
    void serve(std::unique_ptr<os::UdpSocket> socket, int stop, int out) {
        Node node{2, std::move(socket), this};
        const double before = cpu_seconds(), empty = resident_kilobytes();
        pollfd closed{stop, POLLIN | POLLHUP, 0};
        while (::poll(&closed, 1, 0) == 0) {
            node.round(10ms);
            for (auto it = parties_.begin(); it != parties_.end();) {
                if (!(*it)->closed) {
                    ++it;
                    continue;
                }
                node.endpoint().forget(*(*it)->connection);
                it = parties_.erase(it);
            }
        }
        Report report{cpu_seconds() - before, resident_kilobytes() - empty, 0, 0,
                      static_cast<double>(parties_.size())};
        for (const auto& party : parties_) {
            report.octets += static_cast<double>(party->octets);
            report.datagrams += static_cast<double>(party->datagrams);
        }
        (void)!::write(out, &report, sizeof report);
    }

private:
    bool echoes_;
    std::vector<std::unique_ptr<Party>> parties_;
};

/// What the client does: returns how many it did, of whatever is counted.
using Task = std::function<double(Node&, quic::PathId)>;

struct Outcome {
    double count = 0, seconds = 0, client_cpu = 0, client_kilobytes = 0;
    Report server;
};

Outcome run(bool echoes, const Task& task) {
    auto server_socket = need(os::UdpSocket::open({.family = os::IpFamily::v4}));
    const Endpoint remote{*IpAddress::parse("127.0.0.1"), server_socket->port()};
    int stop[2], back[2];
    if (::pipe(stop) != 0 || ::pipe(back) != 0) std::_Exit(1);
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(stop[1]);
        Server{echoes}.serve(std::move(server_socket), stop[0], back[1]);
        std::_Exit(0);
    }
    server_socket.reset();
    Node node{1, need(os::UdpSocket::open({.family = os::IpFamily::v4})), nullptr};
    const double cpu = cpu_seconds(), empty = resident_kilobytes();
    const TimePoint start = SteadyClock::now();
    Outcome outcome;
    outcome.count = task(node, node.path_to(remote));
    outcome.seconds = std::chrono::duration<double>(SteadyClock::now() - start).count();
    outcome.client_cpu = cpu_seconds() - cpu;
    outcome.client_kilobytes = resident_kilobytes() - empty;
    ::close(stop[1]);
    if (::read(back[0], &outcome.server, sizeof outcome.server) != sizeof outcome.server) std::_Exit(1);
    ::waitpid(child, nullptr, 0);
    for (const int fd : {stop[0], back[0], back[1]}) ::close(fd);
    return outcome;
}

std::unique_ptr<Party> connect(Node& node, quic::PathId path) {
    auto party = std::make_unique<Party>();
    party->connection = need(node.endpoint().connect(path, *party, SteadyClock::now()));
    return party;
}

std::unique_ptr<Party> connected(Node& node, quic::PathId path) {
    auto party = connect(node, path);
    node.run_until([&] { return party->established; });
    return party;
}

/// Keeps one stream supplied with pieces of `slice` for the span, then waits until all has left.
double supply(Node& node, quic::PathId path, const Slice& slice) {
    const auto party = connected(node, path);
    const auto id = need(party->connection->open_stream(quic::Direction::unidirectional));
    const TimePoint end = SteadyClock::now() + kSpan;
    double written = 0;
    while (SteadyClock::now() < end) {
        for (; party->connection->unsent(id) < kAhead; written += 1) party->connection->write(id, slice);
        node.round(1ms);
    }
    node.run_until([&] { return party->connection->unsent(id) == 0; }, 1ms);
    return written;
}

double flood_datagrams(Node& node, quic::PathId path) {
    const auto party = connected(node, path);
    const Slice payload = Slice::from(Bytes(kSmall));
    const TimePoint end = SteadyClock::now() + kSpan;
    double sent = 0;
    while (SteadyClock::now() < end) {
        for (; party->connection->send_datagram(payload); sent += 1) {
        }
        node.round(1ms);
    }
    return sent;
}

double shake_hands(Node& node, quic::PathId path, std::size_t at_once) {
    std::vector<std::unique_ptr<Party>> open;
    double done = 0;
    const TimePoint end = SteadyClock::now() + kSpan;
    while (SteadyClock::now() < end) {
        while (open.size() < at_once) open.push_back(connect(node, path));
        node.round(10ms);
        for (auto& party : open) {
            if (party->established) party->connection->close(0, "");
        }
        node.endpoint().flush(SteadyClock::now(), node);
        std::erase_if(open, [&](const auto& party) {
            if (!party->closed) return false;
            done += party->established ? 1 : 0;
            node.endpoint().forget(*party->connection);
            return true;
        });
    }
    return done;
}

double stay_idle(Node& node, quic::PathId path) {
    std::vector<std::unique_ptr<Party>> parties;
    while (parties.size() < kIdleConnections) {
        parties.push_back(connected(node, path));
        const auto id = need(parties.back()->connection->open_stream(quic::Direction::bidirectional));
        parties.back()->connection->write(id, Slice::from(Bytes(kSmall)));
    }
    const TimePoint end = SteadyClock::now() + 1s;  // until all acknowledgements and probes are through
    node.run_until([&] { return SteadyClock::now() > end; });
    return static_cast<double>(parties.size());
}

std::vector<double> echo_times;

double echo(Node& node, quic::PathId path) {
    const auto party = connected(node, path);
    const auto id = need(party->connection->open_stream(quic::Direction::bidirectional));
    const Slice payload = Slice::from(Bytes(kSmall));
    for (int i = 0; i < 20'000; ++i) {
        const TimePoint start = SteadyClock::now();
        party->connection->write(id, payload);
        const std::uint64_t want = party->octets + kSmall;
        node.run_until([&] { return party->octets >= want; });
        echo_times.push_back(std::chrono::duration<double, std::micro>(SteadyClock::now() - start).count());
    }
    return static_cast<double>(echo_times.size());
}

void report_cpu(bench::JsonLines& out, const char* metric, const Outcome& outcome, double gigabytes) {
    const std::string name = std::string{metric} + "_cpu_";
    const auto n = static_cast<std::uint64_t>(outcome.server.octets);
    out.line((name + "client").c_str(), outcome.client_cpu / gigabytes, "s/GB", n);
    out.line((name + "server").c_str(), outcome.server.cpu / gigabytes, "s/GB", n);
}

void measure_streams(bench::JsonLines& out) {
    const Slice large = Slice::from(Bytes(kSlice)), small = Slice::from(Bytes(kSmall));
    const Outcome bulk = run(false, [&](Node& node, quic::PathId path) { return supply(node, path, large); });
    out.line("stream_throughput", bulk.server.octets * 8 / bulk.seconds / 1e9, "Gbit/s",
             static_cast<std::uint64_t>(bulk.server.octets));
    report_cpu(out, "stream", bulk, bulk.server.octets / 1e9);
    const Outcome messages =
        run(false, [&](Node& node, quic::PathId path) { return supply(node, path, small); });
    out.line("messages_100_octets", messages.server.octets / kSmall / messages.seconds, "messages/s",
             static_cast<std::uint64_t>(messages.server.octets / kSmall));
    report_cpu(out, "messages", messages, messages.server.octets / 1e9);
    const Outcome datagrams = run(false, flood_datagrams);
    out.line("datagrams_100_octets", datagrams.server.datagrams / datagrams.seconds, "datagrams/s",
             static_cast<std::uint64_t>(datagrams.server.datagrams));
    out.line("datagrams_arrived", 100 * datagrams.server.datagrams / datagrams.count, "%",
             static_cast<std::uint64_t>(datagrams.count));
}

void measure_connections(bench::JsonLines& out) {
    const Outcome one = run(false, [](Node& node, quic::PathId path) { return shake_hands(node, path, 1); });
    out.line("handshakes_one_by_one", one.count / one.seconds, "handshakes/s",
             static_cast<std::uint64_t>(one.count));
    const Outcome many =
        run(false, [](Node& node, quic::PathId path) { return shake_hands(node, path, 16); });
    out.line("handshakes_16_at_once", many.count / many.seconds, "handshakes/s",
             static_cast<std::uint64_t>(many.count));
    const Outcome idle = run(false, stay_idle);
    const auto n = static_cast<std::uint64_t>(idle.server.connections);
    out.line("memory_per_idle_connection_server", idle.server.kilobytes / idle.server.connections, "kB", n);
    out.line("memory_per_idle_connection_client", idle.client_kilobytes / idle.count, "kB", n);
    run(true, echo);
    std::sort(echo_times.begin(), echo_times.end());
    out.line("echo_100_octets_p50", echo_times[echo_times.size() / 2], "us", echo_times.size());
    out.line("echo_100_octets_p99", echo_times[echo_times.size() * 99 / 100], "us", echo_times.size());
}

}  // namespace

int main() {
    bench::JsonLines out{"quic alone"};
    measure_streams(out);
    measure_connections(out);
}
