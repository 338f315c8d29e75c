#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include <boost/json.hpp>

namespace muster::lab {

/// What every message of a pulse carries: its number, and when it was given to the sender.
struct Beat {
    std::uint64_t number = 0;
    std::int64_t sent_ns = 0;
};

/// Judges what comes from one peer that numbers its messages from 0 on: what is missing, twice or late, and for how
/// long nothing came. Times are CLOCK_MONOTONIC in nanoseconds.
class PulseTally {
public:
    void on_sent() { ++sent_; }
    void on_unsent() { ++unsent_; }
    void on_arrival(std::uint64_t number, std::int64_t sent_ns, std::int64_t now_ns) {
        ++received_;
        if (last_ns_ > 0) on_gap(now_ns);
        last_ns_ = now_ns;
        oldest_ns_ = std::max(oldest_ns_, now_ns - sent_ns);
        for (; next_ < number; ++next_) missing_.insert(next_);
        if (number == next_) {
            ++next_;
        } else if (missing_.erase(number) > 0) {
            ++reordered_;
        } else {
            ++doubled_;
        }
    }

    boost::json::object summary(std::int64_t now_ns) const {
        boost::json::array gaps;
        for (const Gap& gap : gaps_)
            gaps.push_back(
                {{"at_ns", gap.begin_ns}, {"at_ms", in_ms(gap.begin_ns)}, {"ms", in_ms(gap.length_ns)}});
        return {{"sent", sent_},
                {"unsent", unsent_},
                {"received", received_},
                {"lost", missing_.size()},
                {"doubled", doubled_},
                {"reordered", reordered_},
                {"longest_gap_ms", in_ms(longest_ns_)},
                {"oldest_ms", in_ms(oldest_ns_)},
                {"silent_ms", last_ns_ > 0 ? in_ms(now_ns - last_ns_) : 0.0},
                {"gaps", std::move(gaps)},
                {"gaps_left_out", gaps_left_out_}};
    }

    /// The longest time for which nothing came since this was asked last, the present one included.
    double take_longest_gap(std::int64_t now_ns) {
        const std::int64_t longest = std::max(watched_ns_, last_ns_ > 0 ? now_ns - last_ns_ : 0);
        watched_ns_ = 0;
        return in_ms(longest);
    }

    static double in_ms(std::int64_t ns) { return std::round(static_cast<double>(ns) / 1000) / 1000; }

private:
    struct Gap {
        std::int64_t begin_ns = 0, length_ns = 0;
    };
    static constexpr std::int64_t kGapWorthTelling = 30'000'000;
    static constexpr std::size_t kMostGaps = 1000;

    void on_gap(std::int64_t now_ns) {
        const std::int64_t length = now_ns - last_ns_;
        longest_ns_ = std::max(longest_ns_, length);
        watched_ns_ = std::max(watched_ns_, length);
        if (length <= kGapWorthTelling) return;
        if (gaps_.size() == kMostGaps)
            ++gaps_left_out_;
        else
            gaps_.push_back({last_ns_, length});
    }

    std::uint64_t sent_ = 0, unsent_ = 0, received_ = 0, doubled_ = 0, reordered_ = 0;
    std::uint64_t next_ = 0;           // the number that should come
    std::set<std::uint64_t> missing_;  // below next_
    std::int64_t last_ns_ = 0, longest_ns_ = 0, watched_ns_ = 0;
    std::int64_t oldest_ns_ = 0;  // from send to arrival, as both clocks are one
    std::vector<Gap> gaps_;
    std::uint64_t gaps_left_out_ = 0;
};

}  // namespace muster::lab
