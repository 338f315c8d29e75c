// What the session layer costs apart from QUIC and sockets: both ends' engines on one thread, over links that
// hand octets across without delay. Counted per second of CPU time, so that other work on the machine does
// not show.
#include <cstdio>
#include <ctime>
#include <memory>
#include <vector>

#include <malloc.h>

#include "base/random.h"
#include "json_lines.h"
#include "session/coordinator_engine.h"
#include "session/member_engine.h"

using namespace muster;
using namespace muster::session;

namespace {

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// One end of a link that costs next to nothing: what is written waits in a queue, by reference.
class QuickPort final : public link::LinkPort {
public:
    QuickPort(const DeviceId& peer, link::StreamId bit) : peer_(peer), bit_(bit) {}

    const DeviceId& peer() const override { return peer_; }
    Result<link::StreamId> open_stream(link::Direction direction) override {
        return direction == link::Direction::bidirectional ? 4 * bidi_++ | bit_ : 4 * uni_++ | 2 | bit_;
    }
    void write(link::StreamId stream, Slice octets) override {
        queue_.push_back({stream, std::move(octets), false});
    }
    void finish(link::StreamId stream) override { queue_.push_back({stream, {}, true}); }
    void reset(link::StreamId, std::uint64_t) override {}
    void stop_sending(link::StreamId, std::uint64_t) override {}
    std::size_t unsent(link::StreamId) const override { return 0; }
    void consume(link::StreamId, std::size_t) override {}
    void let_in() override {}
    bool send_datagram(Slice) override { return true; }
    std::size_t max_datagram() const override { return 1200; }
    void close(std::uint64_t, std::string_view) override {}
    Bytes export_key(std::string_view, std::size_t size) const override { return Bytes(size); }

    /// Hands everything over; false if there was nothing.
    bool deliver_to(link::LinkHandler& handler) {
        if (queue_.empty()) return false;
        for (const Piece& piece : std::exchange(queue_, {}))
            handler.on_stream_data(piece.stream, piece.octets.view(), piece.fin);
        return true;
    }

private:
    struct Piece {
        link::StreamId stream;
        Slice octets;
        bool fin;
    };
    DeviceId peer_;
    link::StreamId bit_, bidi_ = 0, uni_ = 0;
    std::vector<Piece> queue_;
};

struct CoordinatorApp final : CoordinatorListener {
    void on_join_request(const JoinRequest&) override {}
    void on_member_joined(const PeerInfo&) override {}
    void on_member_left(const PeerInfo&, const Departure&) override {}
    void on_message(const MessageView& message) override {
        kept = message.copy();  // what an application gets: a payload of its own
        ++messages;
        engine->consume_messages(message.from, message.payload.size());
    }
    void on_undelivered(const Undelivered&) override {}
    void on_writable(const DeviceId&) override {}
    void on_interrupted(const PeerInfo&, const Error&) override {}
    void on_resumed(const PeerInfo&) override {}
    void on_closed() override {}
    void on_stream_opened(StreamHandle, const DeviceId&, ByteView) override {}
    void on_stream_data(StreamHandle stream, ByteView data, bool) override {
        octets += data.size();
        engine->consume(stream, data.size());
    }
    void on_stream_reset(StreamHandle, std::uint64_t, std::string_view) override {}
    void on_stream_ended(StreamHandle, const Departure&) override {}
    void on_stream_writable(StreamHandle) override {}
    void on_stream_delivered(StreamHandle) override {}

    CoordinatorEngine* engine = nullptr;
    Message kept;
    std::uint64_t messages = 0, octets = 0;
};

struct MemberApp final : MemberListener {
    void on_joined(const PeerInfo&) override {}
    void on_session_forgotten(const Error&) override {}
    void on_roster(const Roster&) override {}
    void on_peer_joined(const PeerInfo&) override {}
    void on_peer_left(const PeerInfo&, const Departure&) override {}
    void on_message(const MessageView& message) override {
        kept = message.copy();
        ++messages;
        engine->consume_messages(message.payload.size());
    }
    void on_undelivered(const Undelivered&) override { ++undelivered; }
    void on_writable() override {}
    void on_interrupted(const Error&) override {}
    void on_resumed() override {}
    void on_ended(const Departure&) override {}
    void on_stream_opened(StreamHandle, const DeviceId&, ByteView) override {}
    void on_stream_data(StreamHandle stream, ByteView data, bool) override {
        engine->consume(stream, data.size());
    }
    void on_stream_reset(StreamHandle, std::uint64_t, std::string_view) override {}
    void on_stream_ended(StreamHandle, const Departure&) override {}
    void on_stream_writable(StreamHandle) override {}
    void on_stream_delivered(StreamHandle) override {}

    MemberEngine* engine = nullptr;
    Message kept;
    std::uint64_t messages = 0, undelivered = 0;
};

DeviceId device(std::size_t number) {
    DeviceId id;
    for (std::size_t i = 0; i < 8; ++i) id.bytes[i] = static_cast<std::uint8_t>(number >> (8 * i));
    id.bytes[19] = 1;
    return id;
}

struct MemberSide {
    MemberSide(const DeviceId& coordinator, const DeviceId& id) : port(coordinator, 0), far_port(id, 1) {}

    QuickPort port, far_port;
    MemberApp app;
    std::unique_ptr<MemberEngine> engine;
    link::LinkHandler* handler = nullptr;
    link::LinkHandler* far_handler = nullptr;
};

class World {
public:
    explicit World(std::size_t members) {
        CoordinatorOptions options;
        options.name = "coordinator";
        coordinator = CoordinatorEngine::create(std::move(options), device(0), random, app).value();
        app.engine = coordinator.get();
        for (std::size_t i = 1; i <= members; ++i) add(device(i));
    }

    void add(const DeviceId& id) {
        auto& side = *sides.emplace_back(std::make_unique<MemberSide>(device(0), id));
        MemberOptions options;
        options.name = "member";
        side.engine = MemberEngine::create(std::move(options), id, side.app).value();
        side.app.engine = side.engine.get();
        side.far_handler = &coordinator->on_link_up(side.far_port, now);
        side.handler = &side.engine->on_link_up(side.port, now);
        settle();
    }

    /// Moves octets to and fro until nobody has any.
    void settle() {
        for (bool busy = true; busy;) {
            busy = false;
            coordinator->flush(now);
            for (auto& side : sides) {
                side->engine->flush(now);
                busy |= side->port.deliver_to(*side->far_handler);
                busy |= side->far_port.deliver_to(*side->handler);
            }
        }
        now += std::chrono::milliseconds{1};
    }

    TimePoint now{};
    SeededRandomness random{1};
    CoordinatorApp app;
    std::unique_ptr<CoordinatorEngine> coordinator;
    std::vector<std::unique_ptr<MemberSide>> sides;
};

constexpr std::uint64_t kMessages = 3'000'000;
constexpr int kBatch = 500;  // messages between two flushes

void to_coordinator(bench::JsonLines& out, const char* metric, std::size_t size, SendOptions how) {
    World world{1};
    const Bytes payload(size);
    const double start = cpu_seconds();
    while (world.app.messages < kMessages) {
        for (int i = 0; i < kBatch; ++i)
            (void)world.sides[0]->engine->send(Recipients::coordinator(), how, payload);
        world.settle();
    }
    out.line(metric, static_cast<double>(world.app.messages) / (cpu_seconds() - start), "messages/s",
             world.app.messages);
}

void member_to_member(bench::JsonLines& out) {
    World world{2};
    const Bytes payload(100);
    const Recipients to = Recipients::one(device(2));
    const double start = cpu_seconds();
    auto& seen = world.sides[1]->app.messages;
    while (seen < kMessages) {
        for (int i = 0; i < kBatch; ++i) (void)world.sides[0]->engine->send(to, {}, payload);
        world.settle();
    }
    out.line("member to member, 100 octets", static_cast<double>(seen) / (cpu_seconds() - start),
             "messages/s", seen);
}

void fan_out(bench::JsonLines& out) {
    World world{100};
    const Bytes payload(100);
    std::uint64_t seen = 0;
    const double start = cpu_seconds();
    for (std::uint64_t sent = 0; sent < 50'000; sent += 100) {
        for (int i = 0; i < 100; ++i) (void)world.coordinator->send(Recipients::everyone(), {}, payload);
        world.settle();
    }
    const double seconds = cpu_seconds() - start;
    for (const auto& side : world.sides) seen += side->app.messages;
    out.line("fan-out to 100 members, 100 octets", static_cast<double>(seen) / seconds, "deliveries/s", seen);
}

void stream(bench::JsonLines& out) {
    World world{1};
    auto& engine = *world.sides[0]->engine;
    const StreamHandle stream = engine.open_stream(device(0), {}).value();
    const Slice piece = Slice::from(Bytes(256 * 1024));
    const double start = cpu_seconds();
    while (world.app.octets < (std::uint64_t{16} << 30)) {
        while (engine.writable(stream) > 0) (void)engine.write(stream, piece);
        world.settle();
    }
    const double seconds = cpu_seconds() - start;
    out.line("one byte stream, octets passed by reference",
             static_cast<double>(world.app.octets) * 8e-9 / seconds, "Gbit/s", world.app.octets);
}

/// What idle sessions hold: everything of one end is freed, and the difference counted.
void memory(bench::JsonLines& out) {
    constexpr std::size_t kMembers = 1000;
    World world{kMembers};
    const Bytes payload(100);
    for (auto& side : world.sides) (void)side->engine->send(Recipients::coordinator(), {}, payload);
    (void)world.coordinator->send(Recipients::everyone(), {}, payload);
    for (int i = 0; i < 100; ++i) world.settle();  // until all is acknowledged
    const auto both = mallinfo2().uordblks;
    world.coordinator.reset();
    const auto members = mallinfo2().uordblks;
    for (auto& side : world.sides) side->engine.reset();
    const auto none = mallinfo2().uordblks;
    out.line("coordinator's half of an idle session", static_cast<double>(both - members) / kMembers,
             "octets", kMembers);
    out.line("member's half of an idle session, with a roster of 1000",
             static_cast<double>(members - none) / kMembers, "octets", kMembers);
}

}  // namespace

int main() {
    bench::JsonLines out{"muster session engines"};
    to_coordinator(out, "to the coordinator, 100 octets, ordered", 100, {});
    to_coordinator(out, "to the coordinator, 100 octets, unordered", 100, SendOptions{Delivery::unordered});
    to_coordinator(out, "to the coordinator, 1000 octets, ordered", 1000, {});
    member_to_member(out);
    fan_out(out);
    stream(out);
    memory(out);
    return 0;
}
