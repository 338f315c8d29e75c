// A coordinator and two members do what the input says: send, cut links, resume, close, let time pass.
// Whatever it says, each member's reliable messages arrive once and in order for as long as its session
// lives, everybody's roster agrees in the end, and nobody sees a protocol violation.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "base/reader.h"
#include "base/writer.h"
#include "session/session_rig.h"

using namespace muster;
using namespace muster::session;

namespace {

void expect(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "broken: %s\n", what);
    std::abort();
}

class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
    bool empty() const { return size_ == 0; }
    std::size_t next() {
        if (size_ == 0) return 0;
        --size_;
        return *data_++;
    }

private:
    const std::uint8_t* data_;
    std::size_t size_;
};

/// Numbers what it sends on one channel to one receiver, and checks what arrives there.
struct Conversation {
    std::uint64_t sent = 0;
    std::uint64_t received = 0;

    Bytes next(std::size_t padding) {
        Bytes out;
        Writer{out}.write(sent);
        out.resize(out.size() + padding);
        return out;
    }
    /// `gaps`: the coordinator may have reported some as undelivered.
    void arrive(ByteView payload, bool gaps) {
        std::uint64_t number = 0;
        Reader{payload}.read(number);
        expect(gaps ? number >= received : number == received, "once and in order");
        received = number + 1;
    }
};

class Game {
public:
    Game() : rig(options()) {
        rig.log.when_message = [this](const MessageView& message) {
            rig.log.messages.clear();
            if (message.delivery == Delivery::ordered)
                up[{message.from, message.channel}].arrive(message.payload, false);
        };
        for (const char* name : {"ann", "bob"}) {
            MemberOptions member;
            member.grace = 10s;
            member.limits = options().limits;
            auto& node = rig.add(name, member);
            node.log.when_message = [this, &node](const MessageView& message) {
                node.log.messages.clear();
                if (message.delivery != Delivery::ordered) return;
                const bool passed_on = message.from != rig.id;
                (passed_on ? across : down)[{node.id, message.channel}].arrive(message.payload, passed_on);
            };
            connect(node);
        }
        rig.run(50ms);
    }

    void play(Input& in) {
        while (!in.empty() && steps++ < 300) step(in);
        settle();
    }

private:
    static CoordinatorOptions options() {
        CoordinatorOptions out;
        out.grace = 10s;
        out.limits.message = 32 * 1024;
        out.limits.send_buffer = 64 * 1024;
        out.limits.receive_queue = 160 * 1024;
        out.limits.stream_buffer = 16 * 1024;
        out.limits.streams = 4;
        return out;
    }

    void connect(Rig::MemberNode& node) {
        rig.connect(node, [this](MemoryLink& link) {
            link.jitter = &late;
            link.piece = 700;
        });
    }

    void step(Input& in) {
        const std::size_t what = in.next();
        auto& node = *rig.members[what >> 7];
        const ChannelId channel{static_cast<std::uint16_t>(in.next() % 2)};
        switch (what % 16) {
            case 0: return rig.run(Duration{1us} * static_cast<int>(1 + 40 * in.next()));
            case 1: return rig.run(Duration{1ms} * static_cast<int>(in.next()));
            case 2:
                return node.link->cut(Duration{1ms} * static_cast<int>(in.next() % 20),
                                      Duration{1ms} * static_cast<int>(in.next() % 20));
            case 3: return connect(node);
            case 4: return node.link->freeze();
            case 5: return send(node, up[{node.id, channel}], Recipients::coordinator(), channel, in.next());
            case 6:
                return send(node, up[{node.id, channel}], Recipients::coordinator(), channel,
                            100 * in.next());
            case 7: return send_down(node, channel, 10 * in.next());
            case 8: return send_across(node, channel, 10 * in.next());
            case 9:
                return (void)say(*node.engine, Recipients::everyone(), "any",
                                 SendOptions{Delivery::unordered});
            case 10: return open(node, in);
            case 11: return use_stream(in);
            case 12: node.log.reads = rig.log.reads = (in.next() & 1) != 0; return;
            case 13:
                return (void)say(*node.engine, Recipients::everyone(), "loose",
                                 SendOptions{Delivery::unreliable});
            case 14:
                if (in.next() < 3) node.engine->close(1, "bye", 100ms, rig.timeline.now());
                return;
            default:
                if (in.next() < 2)
                    (void)rig.coordinator->close_member(node.id, 2, "out", 100ms, rig.timeline.now());
                return;
        }
    }

    void send(Rig::MemberNode& node, Conversation& talk, const Recipients& to, ChannelId channel,
              std::size_t padding) {
        if (node.engine->send(to, SendOptions{channel}, talk.next(padding))) ++talk.sent;
    }
    void send_down(Rig::MemberNode& node, ChannelId channel, std::size_t padding) {
        auto& talk = down[{node.id, channel}];
        if (rig.coordinator->send(Recipients::one(node.id), SendOptions{channel}, talk.next(padding)))
            ++talk.sent;
    }
    void send_across(Rig::MemberNode& node, ChannelId channel, std::size_t padding) {
        auto& other = *rig.members[&node == rig.members[0].get() ? 1 : 0];
        auto& talk = across[{other.id, channel}];
        // What the coordinator cannot pass on is reported, not delivered: only count on what cannot be
        // refused.
        if (!other.log.reads || other.engine->has_ended() || talk.sent - talk.received > 10) return;
        send(node, talk, Recipients::one(other.id), channel, padding);
    }
    void open(Rig::MemberNode& node, Input& in) {
        const DeviceId to =
            (in.next() & 1) != 0 ? rig.id : rig.members[&node == rig.members[0].get() ? 1 : 0]->id;
        if (const auto stream = node.engine->open_stream(to, as_bytes("h")))
            streams.push_back({&node, *stream});
    }
    void use_stream(Input& in) {
        if (streams.empty()) return;
        const auto [node, stream] = streams[in.next() % streams.size()];
        const std::size_t how = in.next();
        if (how % 8 == 0) return node->engine->finish(stream);
        if (how % 8 == 1) return node->engine->reset(stream, 1, "no");
        (void)node->engine->write(stream, Slice::from(Bytes(how * 50)));
    }

    void settle() {
        rig.log.reads = true;
        rig.coordinator->consume_messages(rig.members[0]->id, 1 << 20, 10'000);
        rig.coordinator->consume_messages(rig.members[1]->id, 1 << 20, 10'000);
        for (auto& node : rig.members) {
            node->log.reads = true;
            node->engine->consume_messages(1 << 20, 10'000);
            connect(*node);
        }
        rig.run(1s);
        for (auto& node : rig.members) check(*node);
        for (const auto& [who, how] : rig.log.left) check_end(how);
        rig.coordinator->close(0, "end", 1s, rig.timeline.now());
        rig.run(30s);
        expect(rig.log.closed == 1, "the coordinator closes in the end");
        for (auto& node : rig.members) {
            expect(node->log.ended.size() == 1, "every member hears of its end once");
            expect(node->engine->next_wakeup() == kNever, "nothing is waited for after the end");
        }
        expect(rig.coordinator->next_wakeup() == kNever, "nothing is waited for after the end");
    }

    void check(Rig::MemberNode& node) {
        if (node.engine->has_ended()) return check_end(node.log.ended[0]);
        if (!node.engine->is_joined()) return;
        expect(node.engine->roster() == rig.coordinator->roster(), "the rosters agree");
        for (auto& [key, talk] : up)
            if (key.first == node.id)
                expect(talk.received == talk.sent, "all that was accepted has arrived, up");
        for (auto& [key, talk] : down)
            if (key.first == node.id)
                expect(talk.received == talk.sent, "all that was accepted has arrived, down");
    }
    static void check_end(const Departure& how) {
        if (how.is_lost() && how.cause().code() == Errc::protocol_violation)
            expect(false, how.cause().message().c_str());
    }

    SeededRandomness late{1};
    Rig rig;
    int steps = 0;
    std::map<std::pair<DeviceId, ChannelId>, Conversation> up, down, across;
    std::vector<std::pair<Rig::MemberNode*, StreamHandle>> streams;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input in{data, size};
    Game{}.play(in);
    return 0;
}
