#pragma once

#include <map>
#include <optional>
#include <vector>

#include "session/frame.h"
#include "session/session_rig.h"

namespace muster::session {

/// One end of a link that speaks the protocol by hand, octet by octet: for what no engine of ours would say.
class HandMadePeer : public link::DeafLinkHandler {
public:
    HandMadePeer(Timeline& timeline, const DeviceId& member, const DeviceId& coordinator, std::uint64_t key,
                 MemoryLink::Side side)
        : link(timeline, member, coordinator, key), side_(side) {
        link.on_down(side_, [this](link::LinkPort&, const LinkEnd& how) { down = how; });
        link.set_handler(side_, *this);
    }

    link::LinkPort& port() { return link.port(side_); }
    void write(link::StreamId stream, Bytes octets) { port().write(stream, Slice::from(std::move(octets))); }
    template <class Frame>
    void send(const Frame& frame) {
        write(control, encode(frame));
    }
    void send_raw(FrameType type, Bytes body) {
        Bytes out;
        write_frame(out, type, body);
        write(control, std::move(out));
    }
    /// Opens a stream for a lane, beginning at `offset`.
    link::StreamId open_lane(LaneId lane, std::uint64_t offset = 0) {
        const auto stream = port().open_stream(link::Direction::unidirectional).value();
        Bytes header;
        Writer{header}.write_varint(static_cast<std::uint64_t>(lane)).write_varint(offset);
        write(stream, std::move(header));
        return stream;
    }
    bool got(FrameType type) const { return std::ranges::count(types, type) > 0; }
    /// The session's own code with which the engine closed the link; nullopt if it did not.
    std::optional<LinkCode> closed_with() const {
        const auto* closed = down ? std::get_if<LinkClosed>(&*down) : nullptr;
        return closed ? std::optional{static_cast<LinkCode>(closed->code)} : std::nullopt;
    }

    void on_stream_data(link::StreamId stream, ByteView data, bool) override {
        if ((stream & 2) != 0) {
            lane_octets[stream] += data.size();
            return;
        }
        control = stream;
        while (splitter.next(data) == FrameSplitter::Outcome::frame) {
            types.push_back(splitter.type());
            if (splitter.type() == FrameType::welcome) welcome = Welcome::parse(splitter.body()).value();
            if (splitter.type() == FrameType::refused) refused = Refused::parse(splitter.body());
            if (splitter.type() == FrameType::ack) last_ack = Ack::parse(splitter.body());
        }
    }

    MemoryLink link;
    link::StreamId control = -1;
    std::vector<FrameType> types;
    std::map<link::StreamId, std::size_t> lane_octets;
    Welcome welcome;
    std::optional<Refused> refused;
    std::optional<Ack> last_ack;
    std::optional<LinkEnd> down;

private:
    MemoryLink::Side side_;
    FrameSplitter splitter;
};

/// A member made by hand, before the coordinator of a rig.
class HandMadeMember : public HandMadePeer {
public:
    HandMadeMember(Rig& rig, const DeviceId& id, std::uint64_t key)
        : HandMadePeer(rig.timeline, id, rig.id, key, MemoryLink::Side::member) {
        using Side = MemoryLink::Side;
        link.on_down(Side::coordinator, [&rig](link::LinkPort& its, const LinkEnd& how) {
            rig.coordinator->on_link_down(its, how, rig.timeline.now());
        });
        link.set_handler(Side::coordinator,
                         rig.coordinator->on_link_up(link.port(Side::coordinator), rig.timeline.now()));
        control = port().open_stream(link::Direction::bidirectional).value();
    }

    static Join request() {
        Join join;
        join.name = "by hand";
        join.limits = {1 << 20, 2 << 20, 64 * 1024, 64, 32};
        return join;
    }
};

/// A coordinator made by hand, before a member's engine of a rig.
class HandMadeCoordinator : public HandMadePeer {
public:
    HandMadeCoordinator(Rig& rig, Rig::MemberNode& node, std::uint64_t key)
        : HandMadePeer(rig.timeline, node.id, rig.id, key, MemoryLink::Side::coordinator) {
        using Side = MemoryLink::Side;
        link.on_down(Side::member, [&rig, &node](link::LinkPort& its, const LinkEnd& how) {
            node.engine->on_link_down(its, how, rig.timeline.now());
        });
        link.set_handler(Side::member, node.engine->on_link_up(link.port(Side::member), rig.timeline.now()));
    }

    static Welcome greeting() {
        Welcome welcome;
        welcome.name = "by hand";
        welcome.limits = {1 << 20, 2 << 20, 64 * 1024, 64, 32};
        return welcome;
    }
};

}  // namespace muster::session
