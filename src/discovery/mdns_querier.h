#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "discovery/link_table.h"
#include "discovery/mdns_cache.h"
#include "names/dns_message.h"

namespace muster::discovery {

/// A question that somebody is interested in, on one interface or on all (none).
struct QuestionKey {
    names::DnsName name;
    names::DnsType type = names::DnsType::ptr;
    InterfaceIndex interface = InterfaceIndex::none;
    auto operator<=>(const QuestionKey&) const = default;
};

enum class Packing : std::uint8_t {
    together,  ///< with other questions that are due
    alone,     ///< in a packet of its own: its one owner may answer without delay (RFC 6762 section 6)
};

/// Why links are there that were not before.
enum class LinkCause : std::uint8_t {
    start,   ///< the program has just begun to look: nothing that others noticed too
    change,  ///< a link came up, perhaps for many hosts at the same moment
};

/// Questions for one packet (or several, with their known answers).
struct OutgoingQuery {
    LinkId link;
    std::vector<names::Question> questions;
};

/// Decides when to ask what on which link: continuous querying (RFC 6762 section 5.2), refresh, suppression
/// of questions that others have just asked (7.3). A question is asked as long as it is wanted; those for
/// unique records rest while the cache has the answer.
class MdnsQuerier {
public:
    explicit MdnsQuerier(Randomness& random) : random_(random) {}

    /// Asks from `first` on; wanting twice counts. `links` are the present ones.
    void want(const QuestionKey& key, Packing packing, TimePoint first, const LinkTable& links);
    void unwant(const QuestionKey& key);
    bool interested(const names::DnsName& name) const { return interests_.contains(name); }

    /// New links get every question: after a change, with the random delay of section 5.2
    /// unless it is asked alone.
    void on_links(const LinkTable& links, LinkCause cause, TimePoint now);
    /// Asks again from `when` on, for the answer is gone or in doubt.
    void restart(const names::DnsName& name, names::DnsType type, InterfaceIndex interface, TimePoint when);
    /// Asks once now to keep an answer alive.
    void refresh(const DueRefresh& due, TimePoint now);
    /// Somebody else asked the same on this link and listed nothing as known that we would not list.
    void on_others_question(const names::Question& question, const std::vector<names::Record>& known,
                            LinkId link, const MdnsCache& cache, TimePoint now);

    TimePoint next_wakeup() const;
    std::vector<OutgoingQuery> on_timer(const MdnsCache& cache, TimePoint now);

private:
    struct Schedule {
        LinkId link;
        TimePoint next = kNever;
        Duration interval{};
        std::uint32_t sent = 0;
        bool refresh = false;
    };
    struct Asked {
        Packing packing = Packing::together;
        std::uint32_t users = 0;
        std::vector<Schedule> links;
    };

    template <class Visit>
    void each_schedule(const names::DnsName& name, names::DnsType type, InterfaceIndex interface,
                       Visit visit);
    bool due(const QuestionKey& key, Schedule& schedule, const MdnsCache& cache, TimePoint now);
    void sent(Schedule& schedule, TimePoint now);

    Randomness& random_;
    mutable std::optional<TimePoint> next_;  // the earliest of all schedules; empty after a change
    std::map<QuestionKey, Asked> asked_;
    std::unordered_map<names::DnsName, std::uint32_t> interests_;
};

}  // namespace muster::discovery
