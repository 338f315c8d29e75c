#include "discovery/answer_queue.h"

#include <algorithm>

#include "base/fnv.h"

namespace muster::discovery {
namespace {

// Longer than a quarter of the longest TTL (4500 s): what section 5.4 asks about.
constexpr Duration kHistory = std::chrono::seconds{1200};
constexpr std::size_t kHistorySize = 4096;  // then what is older than kHistory is forgotten; own records only

}  // namespace

void AnswerQueue::add(const names::Record& record, AnswerTiming timing, Duration gap) {
    if (const auto last = sent_.find(key_of(record)); last != sent_.end()) {
        timing.earliest = std::max(timing.earliest, last->second + gap);
        timing.due = std::max(timing.due, last->second + gap);
    }
    const auto same = [&](const Waiting& other) { return other.record.same_as(record); };
    const auto known = std::ranges::find_if(waiting_, same);
    if (known == waiting_.end()) {
        waiting_.push_back({record, timing});
        return;
    }
    known->timing.earliest = std::min(known->timing.earliest, timing.earliest);
    known->timing.due = std::min(known->timing.due, timing.due);
}

void AnswerQueue::on_heard(const names::Record& record) {
    std::erase_if(waiting_, [&](const Waiting& waiting) {
        return record.ttl >= waiting.record.ttl && waiting.record.same_as(record);
    });
}

std::vector<names::Record> AnswerQueue::take(TimePoint now) {
    std::vector<names::Record> out;
    if (next_wakeup() > now) return out;
    std::erase_if(waiting_, [&](Waiting& waiting) {
        if (waiting.timing.earliest > now) return false;
        out.push_back(waiting.record);
        return true;
    });
    return out;
}

TimePoint AnswerQueue::next_wakeup() const {
    TimePoint next = kNever;
    for (const auto& waiting : waiting_) next = std::min(next, waiting.timing.due);
    return next;
}

void AnswerQueue::on_sent(const names::Record& record, TimePoint now) {
    if (sent_.size() >= kHistorySize)
        std::erase_if(sent_, [&](const auto& each) { return now - each.second > kHistory; });
    if (sent_.size() < 2 * kHistorySize) sent_[key_of(record)] = now;
}

bool AnswerQueue::sent_within(const names::Record& record, Duration window, TimePoint now) const {
    const auto last = sent_.find(key_of(record));
    return last != sent_.end() && now - last->second < window;
}

std::uint64_t AnswerQueue::key_of(const names::Record& record) {
    Fnv1a key{record.name.hash() * 31 + static_cast<std::uint64_t>(record.type)};
    for (const auto octet : names::uncompressed_data(record.data))
        key.add(std::to_integer<std::uint8_t>(octet));
    return key.value();
}

}  // namespace muster::discovery
