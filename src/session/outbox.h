#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "session/frame.h"
#include "session/link_binding.h"
#include "session/message_lane.h"
#include "session/violation.h"

namespace muster::session {

/// What one end sends besides byte streams: the control lane and the lanes of messages, with one bound and
/// one credit for all messages.
class Outbox {
public:
    struct Config {
        std::size_t buffer = 0;           ///< octets kept until acknowledged
        std::uint64_t message_limit = 0;  ///< the peer's
        std::uint64_t channels = 0;       ///< the peer's
        std::uint64_t credit = 0;         ///< the peer's first
    };

    explicit Outbox(const Config& config);

    /// Queues a reliable message. Errors: too_large, queue_full, bad_input (too many channels).
    /// `shared` may hold the payload's octets already.
    Result<void> send(const Address& address, const SendOptions& options, ByteView payload,
                      const Slice* shared);
    /// True if send() would answer queue_full for this payload.
    bool is_full_for(std::size_t payload) const { return queued_ + payload > config_.buffer && queued_ > 0; }
    std::size_t queued() const { return queued_; }
    std::uint64_t message_limit() const { return config_.message_limit; }
    void send_frame(ByteView frame) { control_.append_copy(frame); }
    std::size_t control_queued() const { return control_.unacked(); }
    /// Octets of the control lane that the peer has acknowledged, since the start.
    std::uint64_t control_acknowledged() const { return control_.end() - control_.unacked(); }

    void pump(LinkBinding& binding);
    bool has_unsent() const;
    Violation on_acked(const Position& position);
    void on_credit(std::uint64_t limit) { credit_.limit = std::max(credit_.limit, limit); }
    void collect_ends(std::vector<Position>& out) const;
    void detach();
    Violation rewind(const std::vector<Position>& positions);

    /// Octets of messages that the peer's session has acknowledged, since the start.
    std::uint64_t acknowledged() const { return acknowledged_; }
    /// Octets of messages ever queued.
    std::uint64_t accepted() const { return acknowledged_ + queued_; }

private:
    MessageOutLane* ordered_lane(ChannelId channel);
    MessageOutLane& unordered_lane();
    OutLane* find(LaneId id);
    template <class Change>
    bool count_acknowledged(OutLane& lane, Change change);

    Config config_;
    OutLane control_{kControlLane};
    std::vector<std::unique_ptr<MessageOutLane>> ordered_;
    std::vector<std::unique_ptr<MessageOutLane>> unordered_;  // filled from 0 as needed
    std::array<std::uint64_t, kUnorderedLanes> progress_{};   // when each of them last got on, by turns_
    std::uint64_t turns_ = 0;
    std::size_t last_ordered_ = 0;
    std::size_t turn_ = 0;  // which lane is pumped first
    std::size_t queued_ = 0;
    std::uint64_t acknowledged_ = 0;
    Credit credit_;
};

}  // namespace muster::session
