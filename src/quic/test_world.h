#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "quic/endpoint.h"

namespace muster::quic::test {

using namespace std::chrono_literals;

inline DeviceKey key_of(std::uint8_t number) {
    Bytes seed(32, std::byte{number});
    return DeviceKey::from_seed(seed).value();
}

/// Records what happens to one connection, and consumes whatever arrives unless told to hold back.
class Recorder : public Handler {
public:
    explicit Recorder(std::string text = {}) : name(std::move(text)) {}

    bool on_admit(const DeviceId& peer) override {
        admitted = peer;
        return admits;
    }
    void on_established() override {
        ++established;
        if (when_established) when_established();
    }
    void on_stream_data(StreamId stream, ByteView data, bool fin) override {
        if (keeps) received[stream].append(as_text(data));
        octets += data.size();
        if (fin) finished[stream] = true;
        if (consumes && connection != nullptr) connection->consume(stream, data.size());
        if (when_data) when_data(stream, data, fin);
    }
    void on_stream_reset(StreamId stream, std::uint64_t code) override { resets[stream] = code; }
    void on_stop_sending(StreamId stream, std::uint64_t code) override { stops[stream] = code; }
    void on_stream_closed(StreamId stream) override {
        ++closed_streams;
        if (when_stream_closed) when_stream_closed(stream);
    }
    void on_stream_writable(StreamId stream) override {
        ++writable;
        if (when_writable) when_writable(stream);
    }
    void on_streams_available(Direction) override {
        ++available;
        if (when_available) when_available();
    }
    void on_datagram(ByteView payload) override {
        datagrams.emplace_back(as_text(payload));
        if (when_datagram) when_datagram();
    }
    void on_heard() override { ++heard; }
    void on_path_changed(PathId path) override { paths.push_back(path); }
    void on_closed(const CloseInfo& info) override {
        closes.push_back(info);
        if (when_closed) when_closed();
    }

    bool is_closed() const { return !closes.empty(); }

    std::string name;
    Connection* connection = nullptr;
    bool admits = true, consumes = true, keeps = true;
    std::optional<DeviceId> admitted;
    int heard = 0;
    int established = 0, writable = 0, available = 0, closed_streams = 0;
    std::size_t octets = 0;
    std::map<StreamId, std::string> received;
    std::map<StreamId, bool> finished;
    std::map<StreamId, std::uint64_t> resets, stops;
    std::vector<std::string> datagrams;
    std::vector<PathId> paths;
    std::vector<CloseInfo> closes;
    std::function<void()> when_established, when_available, when_datagram, when_closed;
    std::function<void(StreamId, ByteView, bool)> when_data;
    std::function<void(StreamId)> when_stream_closed, when_writable;
};

/// Gives every incoming connection a Recorder of its own.
class Host : public Acceptor {
public:
    Handler* on_incoming(Connection& connection, PathId) override {
        ++incoming;
        if (!accepts) return nullptr;
        auto recorder = std::make_unique<Recorder>("server");
        recorder->connection = &connection;
        recorder->admits = admits;
        if (prepare) prepare(*recorder);
        recorders.push_back(std::move(recorder));
        return recorders.back().get();
    }
    /// Each path is an address of its own, unless a test says otherwise.
    std::optional<muster::Endpoint> address_of(PathId path) const override {
        if (const auto known = addresses.find(path); known != addresses.end()) return known->second;
        return muster::Endpoint{address(static_cast<std::uint64_t>(path)), 4711, InterfaceIndex{1}};
    }
    static IpAddress address(std::uint64_t number) {
        return IpAddress{IpAddress::V4{10, static_cast<std::uint8_t>(number >> 16),
                                       static_cast<std::uint8_t>(number >> 8),
                                       static_cast<std::uint8_t>(number)}};
    }
    Recorder& last() { return *recorders.back(); }

    bool accepts = true, admits = true;
    int incoming = 0;
    std::function<void(Recorder&)> prepare;
    std::map<PathId, std::optional<muster::Endpoint>> addresses;
    std::vector<std::unique_ptr<Recorder>> recorders;
};

/// A wire between the two endpoints.
struct Link {
    Duration delay = 1ms;
    Duration jitter{};  // up to this much later: reorders
    double loss = 0, duplication = 0;
    bool dead = false;
    std::size_t mtu = 1500 - 48;
};

enum class End { client, server };

/// A client endpoint and a server endpoint, wires between them, and virtual time.
class World {
public:
    explicit World(std::uint64_t seed = 1)
        : random(seed), client_config(key_of(1)), server_config(key_of(2)) {
        links.resize(2);
    }

    void start() {
        restart_client();
        restart_server();
    }
    void restart_client() { client = Endpoint::create(client_config, random, nullptr); }
    void restart_server() { server = Endpoint::create(server_config, random, &host); }

    /// The number of `link` at the client.
    PathId client_path(std::size_t link) {
        const PathId path{1 + link};
        client_links_.try_emplace(path, link);
        return path;
    }
    /// From now on what arrives by `link` is presented to the client as having come by `path`.
    PathId adopt(PathId path, std::size_t link) {
        client_links_[path] = link;
        client_current_[link] = path;
        return path;
    }
    bool migrate(Recorder& recorder, std::size_t link) {
        const PathId path = adopt(client_path(link), link);
        return recorder.connection->migrate(path, now);
    }
    static PathId server_path(std::size_t link) { return PathId{1000 + link}; }

    Connection& connect(Recorder& recorder, std::size_t link = 0) {
        const auto current = client_current_.find(link);
        const PathId path =
            current == client_current_.end() ? adopt(client_path(link), link) : current->second;
        Connection* connection = client->connect(path, recorder, now).value();
        recorder.connection = connection;
        flush();
        return *connection;
    }

    /// Client connection and its server side, handshake done.
    Recorder& connected(Recorder& recorder) {
        connect(recorder);
        run_until([&] {
            return recorder.established > 0 && !host.recorders.empty() && host.last().established > 0;
        });
        return host.last();
    }

    void flush() {
        ClientWire to_server{*this, End::client};
        ClientWire to_client{*this, End::server};
        do client->flush(now, to_server);
        while (client->has_more());
        do server->flush(now, to_client);
        while (server->has_more());
    }

    /// Runs until `done` or for `limit` of virtual time; true if done.
    bool run_until(const std::function<bool()>& done, Duration limit = 30s) {
        const TimePoint end = now + limit;
        flush();
        while (!done()) {
            const TimePoint next = next_event();
            if (next > end) {
                now = end;
                return done();
            }
            now = std::max(now, next);
            step();
        }
        return true;
    }
    void run(Duration duration) {
        run_until([] { return false; }, duration);
    }

    TimePoint next_event() const {
        TimePoint next = std::min(client->next_wakeup(), server->next_wakeup());
        if (!flying_.empty()) next = std::min(next, flying_.top().when);
        return next;
    }

    SeededRandomness random;
    TimePoint now = TimePoint{} + 1h;
    Config client_config, server_config;
    Host host;
    std::unique_ptr<Endpoint> client, server;
    std::vector<Link> links;
    /// Brings a packet to one end, as from its peer: a copy that somebody kept.
    void inject(End to, ByteView packet, std::size_t link = 0) {
        if (to == End::server) return server->on_datagram(server_path(link), packet, 0, now);
        client->on_datagram(client_current_.at(link), packet, 0, now);
    }

    /// May swallow a packet (true): who sent it, the how-manieth of all it is, its octets.
    std::function<bool(End, std::size_t, ByteView)> swallow;
    /// The same, by the path on which its sender sends it.
    std::function<bool(End, PathId, ByteView)> swallow_on_path;
    std::size_t sent = 0, largest = 0, batches = 0;
    std::size_t sent_by_client = 0, sent_by_server = 0;

private:
    struct Flying {
        TimePoint when;
        std::uint64_t order;
        End from;
        std::size_t link;
        std::shared_ptr<const Bytes> packet;
        bool operator<(const Flying& other) const {
            return when != other.when ? when > other.when : order > other.order;
        }
    };

    class ClientWire : public Wire {
    public:
        ClientWire(World& world, End from) : world_(world), from_(from) {}
        void send(const Transmit& batch) override { world_.carry(from_, batch); }

    private:
        World& world_;
        End from_;
    };

    void carry(End from, const Transmit& batch) {
        ++batches;
        for (std::size_t at = 0; at < batch.octets.size(); at += batch.segment)
            launch(from, batch.path,
                   batch.octets.subspan(at, std::min(batch.segment, batch.octets.size() - at)));
    }

    void launch(End from, PathId path, ByteView packet) {
        const std::size_t number = sent++;
        ++(from == End::client ? sent_by_client : sent_by_server);
        largest = std::max(largest, packet.size());
        if (swallow && swallow(from, number, packet)) return;
        if (swallow_on_path && swallow_on_path(from, path, packet)) return;
        const std::size_t link =
            from == End::client ? client_links_.at(path) : static_cast<std::size_t>(path) - 1000;
        const Link& wire = links.at(link);
        if (wire.dead || packet.size() > wire.mtu || chance(wire.loss)) return;
        const auto octets = std::make_shared<const Bytes>(to_bytes(packet));
        const int copies = chance(wire.duplication) ? 2 : 1;
        for (int i = 0; i < copies; ++i)
            flying_.push(
                {now + wire.delay + uniform(random, Duration{}, wire.jitter), order_++, from, link, octets});
    }

    bool chance(double probability) {
        return probability > 0 && static_cast<double>(uniform(random, 1'000'000)) < probability * 1e6;
    }

    void step() {
        while (!flying_.empty() && flying_.top().when <= now) {
            const Flying arrival = flying_.top();
            flying_.pop();
            if (arrival.from == End::client)
                server->on_datagram(server_path(arrival.link), *arrival.packet, 0, now);
            else if (const auto path = client_current_.find(arrival.link); path != client_current_.end())
                client->on_datagram(path->second, *arrival.packet, 0, now);
        }
        if (client->next_wakeup() <= now) client->on_timer(now);
        if (server->next_wakeup() <= now) server->on_timer(now);
        flush();
    }

    std::priority_queue<Flying> flying_;
    std::uint64_t order_ = 0;
    std::map<PathId, std::size_t> client_links_;
    std::map<std::size_t, PathId> client_current_;
};

inline Slice slice(std::string_view text) { return Slice::copy_of(as_bytes(text)); }

/// Text whose every part is different, so that loss, doubling and reordering show.
inline std::string pattern(std::size_t size, std::uint64_t seed = 1) {
    std::string text(size, '\0');
    SeededRandomness numbers{seed};
    for (std::size_t i = 0; i < size; i += 8) {
        const std::uint64_t word = numbers.next();
        std::memcpy(text.data() + i, &word, std::min<std::size_t>(8, size - i));
    }
    return text;
}

}  // namespace muster::quic::test
