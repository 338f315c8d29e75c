#include "session/outbox.h"

#include <algorithm>

namespace muster::session {

Outbox::Outbox(const Config& config) : config_(config) { credit_.limit = config.credit; }

MessageOutLane* Outbox::ordered_lane(ChannelId channel) {
    const LaneId id = lane_id(LaneKind::ordered, static_cast<std::uint64_t>(channel));
    if (last_ordered_ < ordered_.size() && ordered_[last_ordered_]->lane().id() == id)
        return ordered_[last_ordered_].get();
    const auto found = std::ranges::find(ordered_, id, [](const auto& lane) { return lane->lane().id(); });
    last_ordered_ = static_cast<std::size_t>(found - ordered_.begin());
    if (found != ordered_.end()) return found->get();
    if (ordered_.size() >= config_.channels) return nullptr;
    return ordered_.emplace_back(std::make_unique<MessageOutLane>(id)).get();
}

MessageOutLane& Outbox::unordered_lane() {
    // An idle lane; otherwise a new one; otherwise the one with the least outstanding, but not the one that
    // has got on least recently, since that may be waiting for a lost packet.
    const auto outstanding = [this](std::size_t i) { return unordered_[i]->lane().unacked(); };
    const auto oldest = static_cast<std::size_t>(std::ranges::min_element(progress_) - progress_.begin());
    std::size_t best = unordered_.size();
    for (std::size_t i = 0; i < unordered_.size(); ++i) {
        if (outstanding(i) == 0) {
            progress_[i] = ++turns_;
            return *unordered_[i];
        }
        if (i != oldest && (best == unordered_.size() || outstanding(i) < outstanding(best))) best = i;
    }
    if (unordered_.size() == kUnorderedLanes) return *unordered_[best];
    progress_[unordered_.size()] = ++turns_;
    const LaneId id = lane_id(LaneKind::unordered, unordered_.size());
    return *unordered_.emplace_back(std::make_unique<MessageOutLane>(id));
}

Result<void> Outbox::send(const Address& address, const SendOptions& options, ByteView payload,
                          const Slice* shared) {
    if (payload.size() > config_.message_limit)
        return Error{Errc::too_large, "a message has at most " + std::to_string(config_.message_limit) +
                                          " octets, this one has " + std::to_string(payload.size())};
    if (is_full_for(payload.size()))
        return Error{Errc::queue_full, std::to_string(queued_) + " octets of messages are under way already"};
    MessageOutLane* const lane =
        options.delivery == Delivery::ordered ? ordered_lane(options.channel) : &unordered_lane();
    if (lane == nullptr)
        return Error{Errc::bad_input,
                     "all " + std::to_string(config_.channels) + " channels are in use already"};
    const std::uint64_t before = lane->lane().end();
    lane->append(address, options.cookie, payload, shared);
    queued_ += static_cast<std::size_t>(lane->lane().end() - before);
    return {};
}

void Outbox::pump(LinkBinding& binding) {
    if (control_.has_unsent()) binding.pump(control_, nullptr);
    const std::size_t lanes = ordered_.size() + unordered_.size();
    for (std::size_t i = 0; i < lanes; ++i) {
        const std::size_t place = (turn_ + i) % lanes;
        MessageOutLane& lane =
            place < ordered_.size() ? *ordered_[place] : *unordered_[place - ordered_.size()];
        if (!lane.lane().has_unsent()) continue;
        // Nobody overtakes a lane that waits for credit: its message may be large, and small
        // ones would starve it.
        if (binding.pump(lane.lane(), &credit_) == OutLane::Stop::credit) {
            turn_ = place;
            return;
        }
    }
    if (lanes > 0) turn_ = (turn_ + 1) % lanes;
}

bool Outbox::has_unsent() const {
    const auto busy = [](const auto& lane) { return lane->lane().has_unsent(); };
    return control_.has_unsent() || std::ranges::any_of(ordered_, busy) ||
           std::ranges::any_of(unordered_, busy);
}

OutLane* Outbox::find(LaneId id) {
    if (id == kControlLane) return &control_;
    const auto& lanes = kind_of(id) == LaneKind::ordered ? ordered_ : unordered_;
    const auto found = std::ranges::find(lanes, id, [](const auto& lane) { return lane->lane().id(); });
    return found == lanes.end() ? nullptr : &(*found)->lane();
}

template <class Change>
bool Outbox::count_acknowledged(OutLane& lane, Change change) {
    const std::size_t before = lane.unacked();
    const bool fine = change(lane);
    if (lane.id() == kControlLane) return fine;
    const std::size_t gone = before - lane.unacked();
    if (gone > 0 && kind_of(lane.id()) == LaneKind::unordered) progress_[number_of(lane.id())] = ++turns_;
    queued_ -= gone;
    acknowledged_ += gone;
    return fine;
}

Violation Outbox::on_acked(const Position& position) {
    OutLane* const lane = find(position.lane);
    const bool fine = lane != nullptr &&
                      count_acknowledged(*lane, [&](OutLane& it) { return it.on_acked(position.received); });
    if (fine) return {};
    return "an acknowledgement of messages that were never sent";
}

void Outbox::collect_ends(std::vector<Position>& out) const {
    const auto add = [&out](const OutLane& lane) {
        if (lane.end() > 0) out.push_back({lane.id(), lane.end(), 0});
    };
    add(control_);
    for (const auto& lane : ordered_) add(lane->lane());
    for (const auto& lane : unordered_) add(lane->lane());
}

void Outbox::detach() {
    control_.detach();
    for (const auto& lane : ordered_) lane->lane().detach();
    for (const auto& lane : unordered_) lane->lane().detach();
}

Violation Outbox::rewind(const std::vector<Position>& positions) {
    const auto back = [this](OutLane& lane, std::uint64_t offset) {
        return count_acknowledged(lane, [offset](OutLane& it) { return it.rewind(offset); });
    };
    back(control_, 0);  // lanes that the peer does not mention: nothing of them has arrived
    for (const auto& lane : ordered_) back(lane->lane(), 0);
    for (const auto& lane : unordered_) back(lane->lane(), 0);
    for (const Position& position : positions) {
        if (kind_of(position.lane) == LaneKind::stream) continue;
        OutLane* const lane = find(position.lane);
        if (lane == nullptr || !back(*lane, position.received))
            return "a resumption from beyond what was sent";
    }
    return {};
}

}  // namespace muster::session
