#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "link/link_port.h"
#include "session/events.h"
#include "session/frame.h"
#include "session/out_lane.h"

namespace muster::session {

class LinkBinding;

/// Takes what arrives on a link, sorted by lane. A PeerSession.
class LaneSink {
public:
    virtual ~LaneSink() = default;
    /// Octets of a lane from offset `position`; `fin`: the lane ends behind them.
    virtual void on_lane_data(LaneId lane, std::uint64_t position, ByteView data, bool fin) = 0;
    virtual void on_datagram(ByteView payload) = 0;
    /// The link can take more again.
    virtual void on_link_ready() = 0;
};

/// Who made the binding: an engine.
class BindingOwner {
public:
    virtual ~BindingOwner() = default;
    virtual void on_control_frame(LinkBinding& binding, FrameType type, ByteView body) = 0;
    /// The peer broke the protocol of the link itself. The owner ends what stands on it.
    virtual void on_violation(LinkBinding& binding, std::string what) = 0;
    virtual void on_binding_ready(LinkBinding& binding) = 0;
};

/// One link under a session: the control stream, and which stream carries which lane. Knows nothing of
/// messages. Made on link up and kept until link down; a session may move to another binding meanwhile.
class LinkBinding final : public link::LinkHandler {
public:
    enum class End : std::uint8_t { member, coordinator };

    LinkBinding(link::LinkPort& port, BindingOwner& owner, End end);
    LinkBinding(const LinkBinding&) = delete;
    LinkBinding& operator=(const LinkBinding&) = delete;

    const DeviceId& peer() const { return port_.peer(); }
    link::LinkPort& port() { return port_; }
    bool is_open() const { return open_; }

    /// Queues a frame for the control stream; it leaves with the next flush().
    template <class Frame>
    void send(const Frame& frame) {
        send_frame(Frame::kType, frame);
    }
    void send_empty(FrameType type) { write_frame(control_out_, type, {}); }
    void send_nonce(FrameType type, std::uint64_t nonce);
    /// True while the control stream waits for the link: what can be left out (acknowledgements) should be.
    bool is_congested() const;
    void flush();

    /// Hands down what a lane has, on a stream of its own. See OutLane::pump.
    OutLane::Stop pump(OutLane& lane, Credit* credit);
    /// Gives up the stream of a lane.
    void reset(OutLane& lane);
    /// The receiving end wants nothing more of this lane.
    void stop(LaneId lane);

    /// From now on lanes and datagrams go to `sink`, beginning with what came too early. Null: nobody.
    void attach(LaneSink* sink);
    LaneSink* sink() const { return sink_; }

    /// True inside an event of the link: nothing that the event may hold must be freed now.
    bool is_running() const { return running_ > 0; }

    /// Ignores whatever still comes, while the last frames leave.
    void go_deaf() { deaf_ = true; }

    /// Ends the link; what is queued on the control stream is handed down before. Idempotent.
    void close(std::uint64_t code, std::string_view reason);
    void close(LinkCode code, std::string_view reason) { close(static_cast<std::uint64_t>(code), reason); }
    /// The link is gone: the port is not touched any more.
    void forget_port() { open_ = false; }

    void on_stream_data(link::StreamId stream, ByteView data, bool fin) override;
    void on_stream_reset(link::StreamId stream, std::uint64_t code) override;
    void on_stop_sending(link::StreamId stream, std::uint64_t code) override;
    void on_stream_closed(link::StreamId stream) override;
    void on_stream_writable(link::StreamId stream) override;
    void on_streams_available(link::Direction direction) override;
    void on_datagram(ByteView payload) override;

private:
    struct Incoming {
        Bytes header;  // unfinished; empty once the lane is known
        bool known = false;
        LaneId lane{};
        std::uint64_t position = 0;
    };
    struct Early {
        link::StreamId stream{};
        Bytes data;
        bool fin = false;
    };

    template <class Frame>
    void send_frame(FrameType type, const Frame& frame) {
        Bytes body;
        Writer writer{body};
        frame.write(writer);
        write_frame(control_out_, type, body);
    }
    bool is_remote(link::StreamId stream) const;
    void violate(std::string what);
    void on_control_data(link::StreamId stream, ByteView data, bool fin);
    void on_lane_stream(link::StreamId stream, ByteView data, bool fin);
    void keep_early(link::StreamId stream, ByteView data, bool fin);
    bool open_lane(OutLane& lane);

    link::LinkPort& port_;
    BindingOwner& owner_;
    LaneSink* sink_ = nullptr;
    End end_;
    bool open_ = true;
    bool deaf_ = false;
    int running_ = 0;
    bool out_of_streams_ = false;
    link::StreamId control_ = -1;
    Bytes control_out_;
    FrameSplitter control_in_;
    std::unordered_map<link::StreamId, Incoming> incoming_;
    std::vector<Early> early_;
    std::size_t early_octets_ = 0;
};

}  // namespace muster::session
