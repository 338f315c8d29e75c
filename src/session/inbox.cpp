#include "session/inbox.h"

#include <algorithm>

namespace muster::session {

struct Inbox::Lane {
    explicit Lane(LaneId lane) : id(lane), parser(lane) {}

    LaneId id;
    std::uint64_t received = 0;
    SafeCount taken;        // up to the end of a record; all of it without a journal
    bool changed = false;   // the peer is to be told
    bool fresh = false;     // the journal is to be told
    std::size_t begun = 0;  // cost of the message that is not complete
    MessageParser parser;
};

/// Counts messages against the credit, and hands them on.
class Inbox::Sink final : public RecordSink {
public:
    Sink(Inbox& inbox, Lane& lane)
        : inbox_(inbox),
          lane_(lane),
          delivery_(kind_of(lane.id) == LaneKind::ordered ? Delivery::ordered : Delivery::unordered) {}

    bool on_begin(const Address& address, std::size_t size) override {
        lane_.begun = size + message_units(address.ids.size()) * kMessageOverhead;
        inbox_.used_ += lane_.begun;
        return inbox_.used_ <= inbox_.granted_;
    }

    void on_message(const Address& address, std::uint64_t cookie, ByteView payload) override {
        lane_.begun = 0;
        if (cookie != 0) inbox_.consume(varint_size(cookie), 0);
        if (inbox_.muted_) return inbox_.consume(payload.size(), message_units(address.ids.size()));
        inbox_.events_.on_message(address, delivery_, cookie, payload);
    }

private:
    Inbox& inbox_;
    Lane& lane_;
    Delivery delivery_;
};

Inbox::Inbox(const Config& config, InboxEvents& events)
    : config_(config), events_(events), granted_(config.queue), grant_(config.queue) {
    lanes_.push_back(std::make_unique<Lane>(kControlLane));
}
Inbox::~Inbox() = default;

Inbox::Lane* Inbox::find(LaneId id) {
    if (last_ < lanes_.size() && lanes_[last_]->id == id) return lanes_[last_].get();
    const auto found = std::ranges::find(lanes_, id, [](const auto& lane) { return lane->id; });
    if (found != lanes_.end()) {
        last_ = static_cast<std::size_t>(found - lanes_.begin());
        return found->get();
    }
    const std::uint64_t number = number_of(id);
    const bool sensible = kind_of(id) == LaneKind::ordered     ? number <= 0xffff
                          : kind_of(id) == LaneKind::unordered ? number < kUnorderedLanes
                                                               : false;
    if (!sensible || lanes_.size() >= 1 + kUnorderedLanes + config_.channels) return nullptr;
    return lanes_.emplace_back(std::make_unique<Lane>(id)).get();
}

Violation Inbox::on_lane_data(LaneId id, std::uint64_t position, ByteView data) {
    Lane* const lane = find(id);
    if (lane == nullptr) return "a lane that must not be";
    if (position > lane->received) return "a gap in a lane";
    const std::uint64_t known = lane->received - position;
    if (known >= data.size()) return {};  // repeated after a change of links
    data = data.subspan(static_cast<std::size_t>(known));
    lane->received += data.size();
    if (config_.journaled) {
        lane->fresh = news_ = true;
    } else {
        lane->taken.set(lane->received);
        note_taken(*lane, data.size());
    }
    return id == kControlLane ? on_control(data) : on_messages(*lane, data);
}

void Inbox::note_taken(Lane& lane, std::size_t octets) {
    // The first word of the session: the peer learns that somebody is there.
    if (lane.id == kControlLane && lane.taken.safe() == octets) urgent_ = true;
    unacknowledged_ += octets;
    lane.changed = true;
}

Violation Inbox::on_control(ByteView data) {
    while (true) {
        const auto outcome = control_.next(data);
        if (outcome == FrameSplitter::Outcome::too_large) return "a frame that is too large";
        if (outcome == FrameSplitter::Outcome::need_more) return {};
        if (const Violation broken = events_.on_frame(control_.type(), control_.body())) return broken;
    }
}

Violation Inbox::on_messages(Lane& lane, ByteView data) {
    Sink sink{*this, lane};
    switch (lane.parser.feed(data, sink, {config_.message_limit, config_.recipients})) {
        case MessageParser::Outcome::ok: return {};
        case MessageParser::Outcome::malformed: return "a message that cannot be read";
        case MessageParser::Outcome::too_large: return "a message longer than the limit";
        case MessageParser::Outcome::no_credit: return "more messages than there was credit for";
    }
    return {};
}

void Inbox::consume(std::size_t octets, std::size_t messages) {
    consumed_ = std::min<std::uint64_t>(consumed_ + octets + messages * kMessageOverhead, used_);
    if (consumed_ + config_.queue < granted_ + config_.queue / 4) return;
    granted_ = consumed_ + config_.queue;
    news_ = config_.journaled;
    if (!config_.journaled) promise();
}

void Inbox::promise() {
    grant_.set(granted_);
    urgent_ = true;
}

void Inbox::take_changed(std::vector<Position>& out) {
    for (const auto& lane : lanes_)
        if (std::exchange(lane->changed, false)) out.push_back({lane->id, lane->taken.safe(), 0});
    unacknowledged_ = 0;
    urgent_ = false;
}

void Inbox::add_all(std::vector<Position>& out) const {
    for (const auto& lane : lanes_)
        if (lane->taken.safe() > 0) out.push_back({lane->id, lane->taken.safe(), 0});
}

bool Inbox::has_received(LaneId id, std::uint64_t end) const {
    const auto found = std::ranges::find(lanes_, id, [](const auto& lane) { return lane->id; });
    return found == lanes_.end() ? end == 0 : (*found)->taken.safe() >= end;
}

// The journal

Inbox::Counters Inbox::save(JournalBatch& batch, std::uint32_t session) {
    Counters counters{used_, consumed_, granted_};
    news_ = false;
    grant_.save(granted_);
    for (const auto& lane : lanes_) {
        counters.used -= lane->begun;
        if (!std::exchange(lane->fresh, false)) continue;
        const bool control = lane->id == kControlLane;
        const std::size_t pending = control ? control_.pending() : lane->parser.pending();
        if (lane->received - pending == lane->taken.saved()) continue;
        lane->taken.save(lane->received - pending);
        Bytes address;
        Writer writer{address};
        if (!control) lane->parser.address().write(writer);
        batch.put({session, JournalPart::in_lane, static_cast<std::uint64_t>(lane->id), 0},
                  lane->taken.saved(), Slice::from(std::move(address)));
    }
    return counters;
}

void Inbox::on_written() {
    for (const auto& lane : lanes_) {
        const std::uint64_t before = lane->taken.safe();
        lane->taken.on_written();
        if (lane->taken.safe() != before)
            note_taken(*lane, static_cast<std::size_t>(lane->taken.safe() - before));
    }
    urgent_ |= grant_.safe() != grant_.saved();
    grant_.on_written();
}

void Inbox::stop_journaling() {
    config_.journaled = news_ = false;
    for (const auto& lane : lanes_) lane->taken.save(lane->received);
    grant_.save(granted_);
    on_written();
}

bool Inbox::restore(std::vector<SavedInLane> lanes, const Counters& counters) {
    for (SavedInLane& saved : lanes) {
        Lane* const lane = saved.id == kControlLane ? lanes_.front().get() : find(saved.id);
        if (lane == nullptr) return false;
        lane->received = saved.received;
        lane->taken.set(saved.received);
        lane->parser.restore(std::move(saved.last));
    }
    used_ = counters.used;
    consumed_ = counters.consumed;
    granted_ = counters.granted;
    grant_.set(granted_);
    return consumed_ <= used_ && used_ <= granted_;
}

}  // namespace muster::session
