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

/// A lane as a journal keeps it.
struct SavedOutLane {
    LaneId id{};
    std::uint64_t end = 0;
    Address last;  ///< lanes of messages: the address that holds at the end
    std::vector<SavedPiece> pieces;
};

/// What one end sends besides byte streams: the control lane and the lanes of messages, with one bound and
/// one credit for all messages.
class Outbox {
public:
    struct Config {
        std::size_t buffer = 0;           ///< octets kept until acknowledged
        std::uint64_t message_limit = 0;  ///< the peer's
        std::uint64_t channels = 0;       ///< the peer's
        std::uint64_t credit = 0;         ///< the peer's first
        bool journaled = false;           ///< nothing leaves that is not in a journal
    };

    explicit Outbox(const Config& config);

    /// Queues a reliable message. Errors: too_large, queue_full, bad_input (too many channels).
    /// `shared` may hold the payload's octets already.
    Result<void> send(const Address& address, const SendOptions& options, ByteView payload,
                      const Slice* shared);
    /// True if send() would answer queue_full for this payload.
    bool is_full_for(std::size_t payload) const { return queued_ + payload > config_.buffer && queued_ > 0; }
    std::size_t queued() const { return queued_; }
    /// Of ordered messages: how many the peer takes, how many more, and whether this one is there.
    std::size_t channels() const { return static_cast<std::size_t>(config_.channels); }
    std::size_t channels_left() const { return channels() - std::min(channels(), ordered_.size()); }
    bool has_channel(ChannelId channel) const;

    std::uint64_t message_limit() const { return config_.message_limit; }
    void send_frame(ByteView frame) {
        control_.append_copy(frame);
        news_ = config_.journaled;
    }
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

    // For sessions with a journal.
    bool has_news() const { return news_; }
    void save(JournalBatch& batch, std::uint32_t session);
    /// What the last batch had is safe.
    void on_written();
    /// There is no journal any more.
    void stop_journaling();
    /// Whether the peer could have acknowledged more messages; what waits for the journal is not its fault.
    bool is_owed() const;
    std::size_t control_owed() const { return control_.owed(); }
    /// What all pieces in the journal have cost since the start.
    std::uint64_t saved_cost() const { return saved_cost_; }
    /// Before anything was sent. False: the lanes do not belong together.
    bool restore(std::vector<SavedOutLane> lanes, std::uint64_t saved_cost);

    /// Octets of messages that the peer's session has acknowledged, since the start.
    std::uint64_t acknowledged() const { return acknowledged_; }
    /// Octets of messages ever queued.
    std::uint64_t accepted() const { return acknowledged_ + queued_; }

private:
    MessageOutLane& add_lane(std::vector<std::unique_ptr<MessageOutLane>>& lanes, LaneId id);
    MessageOutLane* ordered_lane(ChannelId channel);
    MessageOutLane& unordered_lane();
    OutLane* find(LaneId id);
    template <class Work>
    void for_each_lane(Work work);
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
    bool news_ = false;  // for the journal
    std::uint64_t saved_cost_ = 0;
};

}  // namespace muster::session
