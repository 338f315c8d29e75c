#include "session/outbox.h"

#include <algorithm>

namespace muster::session {

Outbox::Outbox(const Config& config) : config_(config) {
    credit_.limit = config.credit;
    if (config.journaled) control_.hold();
}

MessageOutLane& Outbox::add_lane(std::vector<std::unique_ptr<MessageOutLane>>& lanes, LaneId id) {
    MessageOutLane& made = *lanes.emplace_back(std::make_unique<MessageOutLane>(id));
    if (config_.journaled) made.lane().hold();
    return made;
}

bool Outbox::has_channel(ChannelId channel) const {
    const LaneId id = lane_id(LaneKind::ordered, static_cast<std::uint64_t>(channel));
    return std::ranges::any_of(ordered_, [id](const auto& lane) { return lane->lane().id() == id; });
}

MessageOutLane* Outbox::ordered_lane(ChannelId channel) {
    const LaneId id = lane_id(LaneKind::ordered, static_cast<std::uint64_t>(channel));
    if (last_ordered_ < ordered_.size() && ordered_[last_ordered_]->lane().id() == id)
        return ordered_[last_ordered_].get();
    const auto found = std::ranges::find(ordered_, id, [](const auto& lane) { return lane->lane().id(); });
    last_ordered_ = static_cast<std::size_t>(found - ordered_.begin());
    if (found != ordered_.end()) return found->get();
    if (ordered_.size() >= config_.channels) return nullptr;
    return &add_lane(ordered_, id);
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
    return add_lane(unordered_, id);
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
    news_ = config_.journaled;
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
    credit_.used += lane.take_uncharged();
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

// The journal

template <class Work>
void Outbox::for_each_lane(Work work) {
    work(control_);
    for (const auto& lane : ordered_) work(lane->lane());
    for (const auto& lane : unordered_) work(lane->lane());
}

void Outbox::save(JournalBatch& batch, std::uint32_t session) {
    news_ = false;
    if (control_.has_news()) {
        control_.save(batch, session);
        batch.put({session, JournalPart::out_lane, static_cast<std::uint64_t>(control_.id()), 0},
                  control_.end());
    }
    for (const auto& lane : ordered_) saved_cost_ += lane->save(batch, session);
    for (const auto& lane : unordered_) saved_cost_ += lane->save(batch, session);
}

void Outbox::on_written() {
    for_each_lane([](OutLane& lane) { lane.on_written(); });
}

void Outbox::stop_journaling() {
    config_.journaled = news_ = false;
    for_each_lane([](OutLane& lane) { lane.release(); });
}

bool Outbox::is_owed() const {
    const auto owed = [](const auto& lane) { return lane->lane().owed() > 0; };
    return std::ranges::any_of(ordered_, owed) || std::ranges::any_of(unordered_, owed);
}

bool Outbox::restore(std::vector<SavedOutLane> lanes, std::uint64_t saved_cost) {
    // The other process may have charged any of these pieces; each is charged when it is handed down here, or when the
    // peer says that it has it.
    std::uint64_t open_cost = 0;
    for (SavedOutLane& saved : lanes) {
        const LaneKind kind = kind_of(saved.id);
        const std::uint64_t most = kind == LaneKind::ordered     ? config_.channels
                                   : kind == LaneKind::unordered ? kUnorderedLanes
                                                                 : 0;
        auto& place = kind == LaneKind::ordered ? ordered_ : unordered_;
        if (saved.id == kControlLane) {
            if (!control_.restore(saved.end, std::move(saved.pieces))) return false;
            continue;
        }
        const bool is_named =
            kind == LaneKind::ordered ? number_of(saved.id) <= 0xffff : kind == LaneKind::unordered;
        if (place.size() >= most || !is_named) return false;
        for (const SavedPiece& piece : saved.pieces) {
            if (piece.cost > saved_cost - open_cost) return false;
            open_cost += piece.cost;
        }
        MessageOutLane& lane = add_lane(place, saved.id);
        if (!lane.restore(saved.end, std::move(saved.last), std::move(saved.pieces))) return false;
        queued_ += lane.lane().unacked();
        if (kind == LaneKind::unordered && number_of(saved.id) != unordered_.size() - 1) return false;
    }
    saved_cost_ = saved_cost;
    credit_.used = saved_cost - open_cost;
    return true;
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
