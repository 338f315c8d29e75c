#include "session/coordinator_roster.h"

#include <algorithm>
#include <utility>

namespace muster::session {
namespace {

// A batch of news costs a packet to each member, and one back: this much of the coordinator's time between
// two batches keeps them below a quarter of it. Ten members wait a millisecond for the second of two joins
// that are together, a thousand wait 0.1 s.
constexpr Duration kPacePerMember = std::chrono::microseconds{100};

// To all members together: a device that comes and goes has no right to more of everybody's network.
constexpr std::int64_t kOctetsPerSecond = 8 << 20;

// Updates are cut into frames of about this size.
constexpr std::size_t kPiece = 32 * 1024;

std::size_t size_of(const PeerInfo& peer) {
    std::size_t size = 32 + peer.name.size();
    for (const auto& [key, value] : peer.info) size += 8 + key.size() + value.size();
    return size;
}

std::size_t size_of(const RosterUpdate::Left&) { return 64 + kMaxReasonSize; }

/// Cuts an update into frames.
class PieceWriter {
public:
    explicit PieceWriter(const RosterUpdate& whole) {
        piece_.kind = whole.kind;
        piece_.from = whole.from;
        piece_.to = whole.to;
        for (const auto& left : whole.left) add(piece_.left, left);
        for (const auto& peer : whole.joined) add(piece_.joined, peer);
    }

    std::vector<Bytes> finish() {
        piece_.more = false;
        frames_.push_back(encode(piece_));
        return std::move(frames_);
    }

private:
    template <class Item>
    void add(std::vector<Item>& list, const Item& item) {
        const std::size_t size = size_of(item);
        if (used_ > 0 && used_ + size > kPiece) {
            piece_.more = true;
            frames_.push_back(encode(piece_));
            piece_.joined.clear();
            piece_.left.clear();
            used_ = 0;
        }
        used_ += size;
        list.push_back(item);
    }

    RosterUpdate piece_;
    std::size_t used_ = 0;
    std::vector<Bytes> frames_;
};

}  // namespace

CoordinatorRoster::CoordinatorRoster(PeerInfo coordinator) {
    roster_.revision = told_ = 1;
    roster_.peers.push_back(std::move(coordinator));
}

void CoordinatorRoster::restore(std::uint64_t revision) {
    (void)commit();
    roster_.revision = told_ = revision;
    changes_.clear();
    deltas_.clear();
}

void CoordinatorRoster::add(const PeerInfo& peer) { changes_.push_back({roster_.revision + 1, peer}); }

void CoordinatorRoster::remove(const DeviceId& id, const Departure& how) {
    changes_.push_back({roster_.revision + 1, RosterUpdate::Left{id, how}});
}

bool CoordinatorRoster::commit() {
    if (changes_.empty() || changes_.back().revision <= roster_.revision) return false;
    RosterUpdate update = changes_since(roster_.revision++);
    for (const auto& left : update.left)
        std::erase_if(roster_.peers, [&left](const PeerInfo& peer) { return peer.id == left.id; });
    std::ranges::move(update.joined, std::back_inserter(roster_.peers));
    deltas_.clear();
    return true;
}

/// Who came and who went, all told: a peer that came and went in between is not mentioned.
RosterUpdate CoordinatorRoster::changes_since(std::uint64_t revision) const {
    RosterUpdate update;
    const auto first = std::ranges::upper_bound(changes_, revision, {}, &Change::revision);
    for (auto change = first; change != changes_.end(); ++change) {
        if (const auto* peer = std::get_if<PeerInfo>(&change->what)) {
            update.joined.push_back(*peer);
            continue;
        }
        const auto& left = std::get<RosterUpdate::Left>(change->what);
        if (std::erase_if(update.joined, [&](const PeerInfo& peer) { return peer.id == left.id; }) == 0)
            update.left.push_back(left);
    }
    return update;
}

const std::vector<Bytes>& CoordinatorRoster::delta(std::uint64_t from) {
    const auto [place, is_new] = deltas_.try_emplace(from);
    if (is_new) {
        RosterUpdate update = changes_since(from);
        update.kind = RosterUpdate::Kind::delta;
        update.from = from;
        update.to = roster_.revision;
        place->second = PieceWriter{update}.finish();
    }
    return place->second;
}

std::vector<Bytes> CoordinatorRoster::full() const {
    RosterUpdate update;
    update.kind = RosterUpdate::Kind::full;
    update.to = roster_.revision;
    update.joined = roster_.peers;
    return PieceWriter{update}.finish();
}

void CoordinatorRoster::told(TimePoint now, std::size_t audience, std::size_t octets) {
    told_ = roster_.revision;
    changes_.clear();
    deltas_.clear();
    const auto members = static_cast<Duration::rep>(audience);
    const Duration sending = std::chrono::seconds{octets} / kOctetsPerSecond;
    due_ = now + std::max(members * kPacePerMember, sending);
}

}  // namespace muster::session
