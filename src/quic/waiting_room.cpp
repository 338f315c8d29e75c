#include "quic/waiting_room.h"

namespace muster::quic {
namespace {

// A thousand devices behind one address that are switched on together, and as many elsewhere: 2.7 MB.
constexpr std::size_t kMostOfOneSource = 1024;
constexpr std::size_t kMost = 2 * kMostOfOneSource;

}  // namespace

bool WaitingRoom::recognize(const Cid& dcid, PathId path) {
    const auto guest = ids_.find(dcid);
    if (guest) (*guest)->path = path;
    return guest.has_value();
}

bool WaitingRoom::add(Guest guest) {
    const auto known = by_source_.find(guest.source);
    if (guests_ >= kMost || (known != by_source_.end() && known->second->size() >= kMostOfOneSource))
        return false;
    const auto line = known == by_source_.end() ? lines_.insert(lines_.end(), Line{}) : known->second;
    if (known == by_source_.end()) by_source_.emplace(guest.source, line);
    line->push_back(std::move(guest));
    ids_.insert(line->back().dcid, &line->back());
    ++guests_;
    return true;
}

std::optional<WaitingRoom::Guest> WaitingRoom::next(const std::function<bool(const Source&)>& has_place) {
    for (auto line = lines_.begin(); line != lines_.end(); ++line) {
        if (!has_place(line->front().source)) continue;
        Guest guest = std::move(line->front());
        line->pop_front();
        ids_.erase(guest.dcid);
        --guests_;
        lines_.splice(lines_.end(), lines_, line);
        if (line->empty()) {
            by_source_.erase(guest.source);
            lines_.erase(line);
        }
        return guest;
    }
    return std::nullopt;
}

}  // namespace muster::quic
