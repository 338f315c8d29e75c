#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "session/frame.h"
#include "session/journal.h"
#include "session/message_lane.h"
#include "session/safe_count.h"
#include "session/violation.h"

namespace muster::session {

/// What an Inbox hands on.
class InboxEvents {
public:
    virtual ~InboxEvents() = default;
    virtual void on_message(const Address& address, Delivery delivery, std::uint64_t cookie,
                            ByteView payload) = 0;
    /// A frame of the control lane. Whether it breaks the protocol.
    virtual Violation on_frame(FrameType type, ByteView body) = 0;
};

/// A lane as a journal keeps it.
struct SavedInLane {
    LaneId id{};
    std::uint64_t received = 0;  ///< up to the end of a record
    Address last;                ///< lanes of messages: the address that holds there
};

/// What one end receives besides byte streams. Drops what a change of links repeats; bounds what waits for
/// the application.
class Inbox {
public:
    struct Config {
        std::size_t message_limit = 0;
        std::size_t recipients = 0;
        std::size_t channels = 0;
        std::size_t queue = 0;   ///< first credit, and what may wait for the application
        bool journaled = false;  ///< the peer is told of nothing that is not in a journal
    };

    Inbox(const Config& config, InboxEvents& events);
    ~Inbox();
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;

    /// Whether the peer broke the protocol.
    Violation on_lane_data(LaneId lane, std::uint64_t position, ByteView data);
    /// The application has dealt with messages of so many octets in all.
    void consume(std::size_t octets, std::size_t messages);

    std::uint64_t message_credit() const { return grant_.safe(); }
    std::size_t unacknowledged() const { return unacknowledged_; }
    bool is_urgent() const { return urgent_; }
    /// Takes the positions that changed since the last time.
    void take_changed(std::vector<Position>& out);
    /// Adds all positions; takes none.
    void add_all(std::vector<Position>& out) const;
    bool has_received(LaneId lane, std::uint64_t end) const;

    // For sessions with a journal.
    bool has_news() const { return news_; }
    struct Counters {
        std::uint64_t used = 0, consumed = 0, granted = 0;
    };
    /// Adds how far the lanes have been taken in whole records; the rest is asked for again by whoever goes on from
    /// there.
    Counters save(JournalBatch& batch, std::uint32_t session);
    void on_written();
    void stop_journaling();
    /// Before anything was received. False: it cannot be.
    bool restore(std::vector<SavedInLane> lanes, const Counters& counters);
    /// Nothing more is delivered: what still comes is dropped as if the application had read it.
    void mute() { muted_ = true; }

private:
    struct Lane;
    class Sink;

    Lane* find(LaneId id);
    void promise();
    void note_taken(Lane& lane, std::size_t octets);
    Violation on_control(ByteView data);
    Violation on_messages(Lane& lane, ByteView data);

    Config config_;
    InboxEvents& events_;
    FrameSplitter control_;
    std::vector<std::unique_ptr<Lane>> lanes_;  // the first is the control lane
    std::size_t last_ = 0;
    std::uint64_t used_ = 0, consumed_ = 0, granted_ = 0;  // as message costs
    SafeCount grant_;                                      // granted_; what is safe of it is promised
    std::size_t unacknowledged_ = 0;
    bool urgent_ = false, muted_ = false, news_ = false;
};

}  // namespace muster::session
