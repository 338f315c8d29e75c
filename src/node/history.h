#pragma once

#include <deque>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "muster/explanation.h"
#include "muster/ids.h"

namespace muster::node {

/// What happened between this end and its peers, the latest 256 events of all together: for explanations.
class History {
public:
    static constexpr std::size_t kMax = 256;
    static constexpr std::size_t kMaxDetail = 256;  // octets

    void note(const DeviceId& peer, Happening what) {
        if (entries_.size() == kMax) entries_.pop_front();
        if (what.detail.size() > kMaxDetail) what.detail.resize(kMaxDetail);
        entries_.push_back({peer, std::move(what)});
    }
    /// Enters into the latest event of this peer that names a fault which one it was.
    void found(const DeviceId& peer, Fault fault) {
        for (auto& [who, what] : entries_ | std::views::reverse) {
            if (who != peer || what.fault == Fault::none) continue;
            what.fault = fault;
            return;
        }
    }
    std::vector<Happening> of(const DeviceId& peer) const {
        std::vector<Happening> found;
        for (const auto& [who, what] : entries_)
            if (who == peer) found.push_back(what);
        return found;
    }

private:
    struct Entry {
        DeviceId peer;
        Happening what;
    };
    std::deque<Entry> entries_;
};

}  // namespace muster::node
