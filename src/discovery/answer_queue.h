#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "discovery/mdns_types.h"
#include "names/dns_message.h"

namespace muster::discovery {

/// When an answer may leave and when it must.
struct AnswerTiming {
    TimePoint earliest{};  ///< may ride along with others from here on (RFC 6762 section 6.4)
    TimePoint due{};
};

/// Multicast answers of one link that wait for their time; keeps the rule of section 6 that a record is
/// multicast at most once in a second.
class AnswerQueue {
public:
    /// Queues `record`, or moves it forward if it waits already. Not sent within `gap` of its last multicast.
    void add(const names::Record& record, AnswerTiming timing, Duration gap);
    /// Somebody else multicast this: if its life is as long as ours, we need not (section 7.4).
    void on_heard(const names::Record& record);
    /// All that may leave, if anything must.
    std::vector<names::Record> take(TimePoint now);
    TimePoint next_wakeup() const;

    void on_sent(const names::Record& record, TimePoint now);
    bool sent_within(const names::Record& record, Duration window, TimePoint now) const;

private:
    struct Waiting {
        names::Record record;
        AnswerTiming timing;
    };
    static std::uint64_t key_of(const names::Record& record);

    std::vector<Waiting> waiting_;                       // own records only, each once: bounded by them
    std::unordered_map<std::uint64_t, TimePoint> sent_;  // when each was last multicast
};

}  // namespace muster::discovery
