#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "muster/explanation.h"
#include "muster/ids.h"

namespace muster::node {

/// What happened between this end and its peers, the latest 256 events of all together: for explanations.
class History {
public:
    static constexpr std::size_t kMax = 256;
    static constexpr std::size_t kMaxDetail = 256;  // octets

    void note(const DeviceId& peer, Happening::Kind kind, std::string_view detail,
              std::chrono::system_clock::time_point when) {
        if (entries_.size() == kMax) entries_.pop_front();
        entries_.push_back({peer, {when, kind, std::string{detail.substr(0, kMaxDetail)}}});
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
