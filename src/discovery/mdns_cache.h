#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "discovery/mdns_types.h"
#include "names/dns_message.h"

#include "muster/service.h"

namespace muster::discovery {

/// One record as somebody on one interface said it.
struct CachedRecord {
    names::Record record;
    InterfaceIndex interface = InterfaceIndex::none;
    IpAddress source;           ///< who said it first
    bool is_confirmed = false;  ///< said more than once, as everybody who is really there does (section 8.3)
    TimePoint received{};
    TimePoint expires{};
    TimePoint next{};  ///< when something is due: a refresh or the end
    std::uint8_t refreshes = 0;
    std::uint8_t unanswered = 0;  ///< questions of others for it that nobody answered (RFC 6762 section 10.5)
    TimePoint unanswered_since{};
    bool leaving = false;  ///< said goodbye; kept for a second so that others may rescue it (section 10.1)
    LeftReason reason = LeftReason::expired;  ///< what to say when it ends
};

/// A record that is gone, and why.
struct RemovedRecord {
    names::Record record;
    InterfaceIndex interface = InterfaceIndex::none;
    LeftReason reason = LeftReason::expired;
};

/// A name whose records changed; for a PTR record also what it points to, since one name has many.
struct ChangedName {
    names::DnsName name;
    std::optional<names::DnsName> target;
};

/// A record that is worth asking for again before it ends.
struct DueRefresh {
    names::DnsName name;
    names::DnsType type = names::DnsType::a;
    InterfaceIndex interface = InterfaceIndex::none;
};

/// The source of records that are our own.
inline const IpAddress kOurselves{};

/// What others have said, per interface, with its age. Bounded, in all and for each source: at a limit the oldest
/// records that were said only once make way, and if there are none, the new one is refused.
class MdnsCache {
public:
    explicit MdnsCache(Randomness& random) : random_(random) {}

    /// Takes one record of a response. `now` is the same for all records of one packet.
    /// False: refused for space.
    bool put(const names::Record& record, const IpAddress& source, InterfaceIndex interface, TimePoint now);

    /// Calls `visit` for each live record (not leaving) of this name and type on this
    /// interface, or on any for none.
    void each(const names::DnsName& name, names::DnsType type, InterfaceIndex interface,
              const std::function<void(const CachedRecord&)>& visit) const;
    /// Whether `type` needs no question now: a live record is there, or its owner said that there
    /// is none (section 6.1).
    bool answers(const names::DnsName& name, names::DnsType type, InterfaceIndex interface,
                 TimePoint now) const;
    /// Records of this name and type that a question should list as known: more than half
    /// their life ahead (7.1).
    std::vector<names::Record> known_answers(const names::DnsName& name, names::DnsType type,
                                             InterfaceIndex interface, TimePoint now) const;

    /// Somebody else asked; records that the question did not list as known ought to be answered now (10.5).
    void on_others_question(const names::Question& question, const std::vector<names::Record>& known,
                            InterfaceIndex interface, TimePoint now);
    /// Ends records of this name and type in ten seconds unless they are heard again (10.4).
    /// False if none is there.
    bool doubt(const names::DnsName& name, names::DnsType type, TimePoint now);
    void drop_interface(InterfaceIndex interface);
    /// Forgets what nobody is interested in any more.
    void drop_unless(const std::function<bool(const names::DnsName&)>& wanted);

    TimePoint next_wakeup() const { return next_; }
    /// Ends what is over and returns what should be asked for again.
    std::vector<DueRefresh> on_timer(TimePoint now);
    /// What has been removed since the last call; bounded by what was in the cache.
    std::vector<RemovedRecord> take_removed();
    /// What changed since the last call.
    std::vector<ChangedName> take_changed();
    /// The interfaces on which this PTR record is live.
    std::set<InterfaceIndex> interfaces_of(const names::DnsName& name, const names::DnsName& target) const;

    std::size_t size() const { return size_; }
    std::uint64_t evicted() const { return evicted_; }

private:
    using Records = std::vector<CachedRecord>;

    bool make_room(const names::Record& record, const IpAddress& source);
    template <class Predicate>
    bool evict(Predicate is_eligible);
    void forget(const CachedRecord& entry);
    CachedRecord* find(Records& records, const names::Record& record, InterfaceIndex interface);
    void renew(CachedRecord& entry, const names::Record& record, TimePoint now);
    void say_goodbye(CachedRecord& entry, TimePoint now);
    void flush_others(Records& records, const names::Record& record, InterfaceIndex interface, TimePoint now);
    bool visit_due(CachedRecord& entry, TimePoint now, std::vector<DueRefresh>& due);
    void plan(CachedRecord& entry);
    void changed(const names::Record& record);
    template <class Predicate>
    void erase_where(Predicate predicate);

    Randomness& random_;
    std::unordered_map<names::DnsName, Records> names_;
    std::size_t size_ = 0;
    std::map<IpAddress, std::size_t> shares_;  // records of each source
    std::uint64_t evicted_ = 0;
    TimePoint next_ = kNever;
    std::vector<RemovedRecord> removed_;
    std::vector<ChangedName> changed_;
};

}  // namespace muster::discovery
