#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "base/crypto.h"
#include "base/random.h"
#include "link/link_port.h"
#include "session/coordinator_engine.h"
#include "session/member_engine.h"

// Coordinator and members over links in memory, in virtual time: for tests, fuzzing and benchmarks.

namespace muster::session {

using namespace std::chrono_literals;

/// Virtual time: what is to happen, in its order.
class Timeline {
public:
    TimePoint now() const { return now_; }
    void at(TimePoint when, std::function<void()> what) { queue_.push({when, next_++, std::move(what)}); }
    void in(Duration delay, std::function<void()> what) { at(now_ + delay, std::move(what)); }
    TimePoint next() const { return queue_.empty() ? kNever : queue_.top().when; }
    void run_next() {
        auto what = std::move(const_cast<Entry&>(queue_.top()).what);
        now_ = std::max(now_, queue_.top().when);
        queue_.pop();
        what();
    }
    void advance_to(TimePoint when) { now_ = std::max(now_, when); }

private:
    struct Entry {
        TimePoint when;
        std::uint64_t order = 0;
        std::function<void()> what;
        bool operator<(const Entry& other) const {
            return when != other.when ? when > other.when : order > other.order;
        }
    };
    TimePoint now_{};
    std::uint64_t next_ = 0;
    std::priority_queue<Entry> queue_;
};

/// A link between two handlers, in memory. Streams keep their order; with jitter they overtake each other.
class MemoryLink {
public:
    enum class Side : std::uint8_t { member = 0, coordinator = 1 };
    using DownFunction = std::function<void(link::LinkPort&, const LinkEnd&)>;

    MemoryLink(Timeline& timeline, const DeviceId& member, const DeviceId& coordinator, std::uint64_t key)
        : timeline_(timeline), key_(key) {
        ports_[0] = std::make_unique<Port>(*this, Side::member, coordinator);
        ports_[1] = std::make_unique<Port>(*this, Side::coordinator, member);
    }

    link::LinkPort& port(Side side) { return *ports_[index(side)]; }
    void set_handler(Side side, link::LinkHandler& handler) { ports_[index(side)]->handler = &handler; }
    void on_down(Side side, DownFunction function) { ports_[index(side)]->on_down = std::move(function); }

    Duration delay = 1ms;
    Randomness* jitter = nullptr;  ///< every piece is late by up to `delay` more
    std::size_t max_datagram = 1200;
    std::size_t max_streams = 128;          ///< unidirectional ones that one side may have open
    std::size_t piece = 16 * 1024;          ///< octets that arrive at once
    std::function<bool()> before_delivery;  ///< false: the piece vanishes (the test cuts the link here)

    bool is_up() const { return !ports_[0]->down || !ports_[1]->down; }
    /// Nothing arrives any more, and nobody is told.
    void freeze() { frozen_ = true; }
    /// The link is gone; each side learns it after its delay.
    void cut(Duration member_learns = {}, Duration coordinator_learns = {}) {
        frozen_ = true;
        const LinkEnd lost = Error{Errc::lost, "the link was cut"};
        timeline_.in(member_learns, [this, lost] { take_down(Side::member, lost); });
        timeline_.in(coordinator_learns, [this, lost] { take_down(Side::coordinator, lost); });
    }
    std::uint64_t octets_sent(Side side) const { return ports_[index(side)]->octets; }
    std::size_t streams_opened(Side side) const { return ports_[index(side)]->next_uni; }
    /// Whether the coordinator has judged the member.
    bool is_let_in() const { return ports_[index(Side::coordinator)]->times_let_in == 1; }
    /// Octets delivered to this side that it has not consumed.
    std::size_t unconsumed(Side side) const { return ports_[index(side)]->unconsumed; }

private:
    static std::size_t index(Side side) { return static_cast<std::size_t>(side); }

    struct Port final : link::LinkPort {
        Port(MemoryLink& owner, Side where, const DeviceId& who) : link(owner), side(where), id(who) {}
        const DeviceId& peer() const override { return id; }
        Result<link::StreamId> open_stream(link::Direction direction) override {
            const auto bit = static_cast<link::StreamId>(side);
            if (direction == link::Direction::bidirectional)
                return static_cast<link::StreamId>(4 * next_bidi++) | bit;
            if (open_uni >= link.max_streams) {
                refused = true;
                return Error{Errc::queue_full, "no more streams"};
            }
            ++open_uni;
            return static_cast<link::StreamId>(4 * next_uni++) | 2 | bit;
        }
        void write(link::StreamId stream, Slice data) override { link.send(*this, stream, data, false); }
        void finish(link::StreamId stream) override { link.send(*this, stream, {}, true); }
        void reset(link::StreamId stream, std::uint64_t code) override {
            link.send_reset(*this, stream, code);
        }
        void stop_sending(link::StreamId, std::uint64_t) override {}
        std::size_t unsent(link::StreamId stream) const override {
            const auto it = waiting.find(stream);
            return it == waiting.end() ? 0 : it->second;
        }
        void consume(link::StreamId, std::size_t size) override { unconsumed -= size; }
        void let_in() override { ++times_let_in; }
        bool send_datagram(Slice payload) override { return link.send_datagram(*this, payload); }
        std::size_t max_datagram() const override { return link.max_datagram; }
        void close(std::uint64_t code, std::string_view reason) override { link.close(*this, code, reason); }
        Bytes export_key(std::string_view label, std::size_t size) const override {
            const auto digest = hmac_sha256(as_bytes(std::to_string(link.key_)), as_bytes(label));
            Bytes out = to_bytes(std::as_bytes(std::span{digest}));
            out.resize(size);
            return out;
        }

        MemoryLink& link;
        Side side;
        DeviceId id;
        link::LinkHandler* handler = nullptr;
        DownFunction on_down;
        bool down = false, closed = false, refused = false;
        int times_let_in = 0;
        std::size_t next_bidi = 0, next_uni = 0, open_uni = 0, unconsumed = 0;
        std::uint64_t octets = 0;
        std::map<link::StreamId, std::size_t> waiting;  // written while the link is frozen
        std::map<link::StreamId, TimePoint> last;       // keeps a stream in order
    };

    Port& other(Port& port) { return *ports_[1 - index(port.side)]; }

    TimePoint arrival(Port& port, link::StreamId stream) {
        TimePoint when = timeline_.now() + delay;
        if (jitter != nullptr) when += uniform(*jitter, Duration{}, delay);
        TimePoint& last = port.last[stream];
        return last = std::max(last, when);
    }
    void deliver(Port& from, TimePoint when, std::function<void(Port&)> what) {
        timeline_.at(when, [this, &from, what = std::move(what)] {
            Port& to = other(from);
            if (frozen_ || to.down || to.closed || to.handler == nullptr) return;
            if (before_delivery && !before_delivery()) return;
            what(to);
        });
    }
    void send(Port& from, link::StreamId stream, const Slice& octets, bool fin) {
        if (from.down || from.closed) return;
        if (frozen_) from.waiting[stream] += octets.size();
        from.octets += octets.size();
        std::size_t at = 0;
        do {
            const std::size_t size = std::min(piece, octets.size() - at);
            Slice part = octets.empty() ? Slice{} : octets.subslice(at, size);
            at += size;
            const bool last = fin && at == octets.size();
            deliver(from, arrival(from, stream), [this, &from, stream, part, last](Port& to) {
                to.unconsumed += part.size();
                to.handler->on_stream_data(stream, part.view(), last);
                if (last) retire(from, to, stream);
            });
        } while (at < octets.size());
    }
    void send_reset(Port& from, link::StreamId stream, std::uint64_t code) {
        if (from.down || from.closed) return;
        deliver(from, arrival(from, stream), [this, &from, stream, code](Port& to) {
            to.handler->on_stream_reset(stream, code);
            retire(from, to, stream);
        });
    }
    void retire(Port& from, Port& to, link::StreamId stream) {
        if ((stream & 2) == 0) return;
        if (!to.down) to.handler->on_stream_closed(stream);
        timeline_.in(delay, [this, &from, stream] {
            --from.open_uni;
            if (from.down || from.closed || frozen_) return;
            from.handler->on_stream_closed(stream);
            if (std::exchange(from.refused, false))
                from.handler->on_streams_available(link::Direction::unidirectional);
        });
    }
    bool send_datagram(Port& from, const Slice& payload) {
        if (from.down || from.closed || payload.size() > max_datagram) return false;
        deliver(from, timeline_.now() + delay,
                [payload](Port& to) { to.handler->on_datagram(payload.view()); });
        return true;
    }
    void close(Port& from, std::uint64_t code, std::string_view reason) {
        if (from.down || from.closed) return;
        from.closed = true;
        const LinkEnd end = LinkClosed{code, std::string(reason)};
        timeline_.in({}, [this, side = from.side, end] { take_down(side, end); });
        if (frozen_) return;
        timeline_.in(delay, [this, side = other(from).side, end] {
            if (!frozen_) take_down(side, end);
        });
    }
    void take_down(Side side, const LinkEnd& how) {
        Port& port = *ports_[index(side)];
        if (port.down) return;
        port.down = true;
        if (port.on_down) port.on_down(port, how);
    }

    Timeline& timeline_;
    std::uint64_t key_;
    bool frozen_ = false;
    std::unique_ptr<Port> ports_[2];
};

/// What a coordinator's application would see.
struct CoordinatorLog : CoordinatorListener {
    struct StreamSeen {
        DeviceId from;
        std::string header, data, reset_reason;
        std::uint64_t reset_code = 0;
        bool fin = false, reset = false, delivered = false;
        int writable = 0;
        std::optional<Departure> ended;
    };

    void on_join_request(const JoinRequest& request) override {
        requests.push_back(request);
        if (decide) decide(request);
    }
    void on_member_joined(const PeerInfo& member) override {
        joined.push_back(member);
        if (when_joined) when_joined(member);
    }
    void on_member_left(const PeerInfo& member, const Departure& how) override {
        left.emplace_back(member, how);
        if (when_left) when_left(member);
    }
    void on_message(const MessageView& message) override {
        messages.push_back(message.copy());
        if (reads && message.delivery != Delivery::unreliable)
            engine->consume_messages(message.from, message.payload.size());
        if (when_message) when_message(message);
    }
    void on_undelivered(const Undelivered& what) override { undelivered.push_back(what); }
    void on_writable(const DeviceId& member) override { writable.push_back(member); }
    void on_interrupted(const PeerInfo&, const Error& why) override { interrupted.push_back(why); }
    void on_resumed(const PeerInfo&) override { ++resumed; }
    void on_closed() override { ++closed; }
    void on_stream_opened(StreamHandle stream, const DeviceId& from, ByteView header) override {
        streams[stream].from = from;
        streams[stream].header = as_text(header);
    }
    void on_stream_data(StreamHandle stream, ByteView data, bool fin) override {
        streams[stream].data += as_text(data);
        streams[stream].fin |= fin;
        if (reads) engine->consume(stream, data.size());
    }
    void on_stream_reset(StreamHandle stream, std::uint64_t code, std::string_view reason) override {
        streams[stream].reset = true;
        streams[stream].reset_code = code;
        streams[stream].reset_reason = reason;
    }
    void on_stream_ended(StreamHandle stream, const Departure& how) override { streams[stream].ended = how; }
    void on_stream_writable(StreamHandle stream) override { ++streams[stream].writable; }
    void on_stream_delivered(StreamHandle stream) override { streams[stream].delivered = true; }

    CoordinatorEngine* engine = nullptr;
    bool reads = true;
    std::function<void(const JoinRequest&)> decide;
    std::function<void(const PeerInfo&)> when_joined, when_left;
    std::function<void(const MessageView&)> when_message;
    std::vector<JoinRequest> requests;
    std::vector<PeerInfo> joined;
    std::vector<std::pair<PeerInfo, Departure>> left;
    std::vector<Message> messages;
    std::vector<Undelivered> undelivered;
    std::vector<DeviceId> writable;
    std::vector<Error> interrupted;
    int resumed = 0, closed = 0;
    std::map<StreamHandle, StreamSeen> streams;
};

/// What a member's application would see.
struct MemberLog : MemberListener {
    using StreamSeen = CoordinatorLog::StreamSeen;

    void on_joined(const PeerInfo& peer) override { coordinator.push_back(peer); }
    void on_session_forgotten(const Error& why) override { forgotten.push_back(why); }
    void on_roster(const Roster& roster) override {
        too_early += engine->is_joined() ? 0 : 1;
        revisions.push_back(roster.revision);
    }
    void on_peer_joined(const PeerInfo& peer) override { joined.push_back(peer); }
    void on_peer_left(const PeerInfo& peer, const Departure& how) override { left.emplace_back(peer, how); }
    void on_message(const MessageView& message) override {
        messages.push_back(message.copy());
        if (reads && message.delivery != Delivery::unreliable)
            engine->consume_messages(message.payload.size());
        if (when_message) when_message(message);
    }
    void on_undelivered(const Undelivered& what) override { undelivered.push_back(what); }
    void on_writable() override { ++writable; }
    void on_interrupted(const Error& why) override { interrupted.push_back(why); }
    void on_resumed() override { ++resumed; }
    void on_ended(const Departure& how) override { ended.push_back(how); }
    void on_stream_opened(StreamHandle stream, const DeviceId& from, ByteView header) override {
        streams[stream].from = from;
        streams[stream].header = as_text(header);
    }
    void on_stream_data(StreamHandle stream, ByteView data, bool fin) override {
        streams[stream].data += as_text(data);
        streams[stream].fin |= fin;
        if (reads) engine->consume(stream, data.size());
    }
    void on_stream_reset(StreamHandle stream, std::uint64_t code, std::string_view reason) override {
        streams[stream].reset = true;
        streams[stream].reset_code = code;
        streams[stream].reset_reason = reason;
    }
    void on_stream_ended(StreamHandle stream, const Departure& how) override { streams[stream].ended = how; }
    void on_stream_writable(StreamHandle stream) override { ++streams[stream].writable; }
    void on_stream_delivered(StreamHandle stream) override { streams[stream].delivered = true; }

    MemberEngine* engine = nullptr;
    bool reads = true;
    std::function<void(const MessageView&)> when_message;
    std::vector<PeerInfo> coordinator, joined;
    std::vector<std::pair<PeerInfo, Departure>> left;
    std::vector<std::uint64_t> revisions;
    std::vector<Message> messages;
    std::vector<Undelivered> undelivered;
    std::vector<Error> interrupted, forgotten;
    std::vector<Departure> ended;
    int writable = 0, resumed = 0;
    int too_early = 0;  // rosters of which it heard before it was in
    std::map<StreamHandle, StreamSeen> streams;
};

inline DeviceId device(std::uint8_t number) {
    DeviceId id;
    id.bytes.fill(number);
    return id;
}

/// One coordinator, its members, their links, in virtual time.
class Rig {
public:
    struct MemberNode {
        DeviceId id;
        MemberLog log;
        std::unique_ptr<MemberEngine> engine;
        MemoryLink* link = nullptr;  // the newest
    };

    explicit Rig(CoordinatorOptions options = {}) {
        if (options.name.empty()) options.name = "coordinator";
        coordinator = CoordinatorEngine::create(std::move(options), id, random, log).value();
        log.engine = coordinator.get();
    }

    MemberNode& add(std::string name, MemberOptions options = {}) {
        auto& node = *members.emplace_back(std::make_unique<MemberNode>());
        node.id.bytes.fill(static_cast<std::uint8_t>(members.size()));
        node.id.bytes[1] = static_cast<std::uint8_t>(members.size() >> 8);
        options.name = std::move(name);
        node.engine = MemberEngine::create(std::move(options), node.id, node.log).value();
        node.log.engine = node.engine.get();
        return node;
    }

    /// Brings up a fresh link for a member.
    MemoryLink& connect(MemberNode& node, const std::function<void(MemoryLink&)>& prepare = {}) {
        auto& link =
            *links.emplace_back(std::make_unique<MemoryLink>(timeline, node.id, id, links.size() + 1));
        if (prepare) prepare(link);
        using Side = MemoryLink::Side;
        link.on_down(Side::member, [this, &node](link::LinkPort& port, const LinkEnd& how) {
            node.engine->on_link_down(port, how, timeline.now());
        });
        link.on_down(Side::coordinator, [this](link::LinkPort& port, const LinkEnd& how) {
            if (coordinator) coordinator->on_link_down(port, how, timeline.now());
        });
        link.set_handler(Side::coordinator,
                         coordinator->on_link_up(link.port(Side::coordinator), timeline.now()));
        link.set_handler(Side::member, node.engine->on_link_up(link.port(Side::member), timeline.now()));
        node.link = &link;
        flush();
        return link;
    }

    MemberNode& join(std::string name, MemberOptions options = {}) {
        auto& node = add(std::move(name), std::move(options));
        connect(node);
        run(20ms);
        return node;
    }

    void flush() {
        if (coordinator) coordinator->flush(timeline.now());
        for (auto& node : members) node->engine->flush(timeline.now());
    }

    /// Lets `time` pass.
    void run(Duration time) {
        flush();
        const TimePoint end = timeline.now() + time;
        while (step(end)) {
        }
        timeline.advance_to(end);
        flush();
    }

    /// Does what is next before `end`. False if nothing is.
    bool step(TimePoint end) {
        TimePoint wakeup = coordinator ? coordinator->next_wakeup() : kNever;
        for (auto& node : members) wakeup = std::min(wakeup, node->engine->next_wakeup());
        const TimePoint next = std::min(wakeup, timeline.next());
        if (next > end) return false;
        if (timeline.next() <= wakeup) {
            timeline.run_next();
        } else {
            timeline.advance_to(wakeup);
            ++wakeups;
        }
        flush();
        return true;
    }

    const DeviceId id = device(200);
    SeededRandomness random{1};
    Timeline timeline;
    CoordinatorLog log;
    std::vector<std::unique_ptr<MemoryLink>> links;
    std::unique_ptr<CoordinatorEngine> coordinator;
    std::vector<std::unique_ptr<MemberNode>> members;
    std::uint64_t wakeups = 0;
};

inline Result<void> say(MemberEngine& engine, const Recipients& to, std::string_view text,
                        SendOptions options = {}) {
    return engine.send(to, options, as_bytes(text));
}
inline Result<void> say(CoordinatorEngine& engine, const Recipients& to, std::string_view text,
                        SendOptions options = {}) {
    return engine.send(to, options, as_bytes(text));
}

inline std::vector<std::string> texts(const std::vector<Message>& messages) {
    std::vector<std::string> out;
    out.reserve(messages.size());
    for (const Message& message : messages) out.emplace_back(as_text(message.payload));
    return out;
}

}  // namespace muster::session
