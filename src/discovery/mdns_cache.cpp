#include "discovery/mdns_cache.h"

#include <algorithm>
#include <array>

namespace muster::discovery {
namespace {

using namespace std::chrono_literals;
using names::DnsType;

constexpr Duration kRescueTime = 1s;          // RFC 6762 section 10.1: a goodbye sets the TTL to one second
constexpr Duration kDoubtTime = 10s;          // sections 10.4 and 10.5
constexpr std::uint8_t kDoubtQuestions = 2;   // section 10.5: "two or more of these queries"
constexpr std::uint32_t kMaxTtl = 24 * 3600;  // nobody needs more; keeps clock arithmetic far from its ends
constexpr std::array kRefreshPercent{80, 85, 90, 95};  // section 5.2
// One owner of a name can have so many records of one type at most: an attacker must not make lookups slow.
constexpr std::size_t kMaxPerName = 2048;
constexpr std::size_t kEvictedAtOnce = 64;

std::chrono::seconds ttl_of(const names::Record& record) {
    return std::chrono::seconds{std::min(record.ttl, kMaxTtl)};
}

bool lists(const std::vector<names::Record>& records, const names::Record& wanted) {
    return std::ranges::any_of(records, [&](const auto& record) { return record.same_as(wanted); });
}

}  // namespace

bool MdnsCache::put(const names::Record& record, const IpAddress& source, InterfaceIndex interface,
                    TimePoint now) {
    const auto place = names_.find(record.name);
    auto* known = place == names_.end() ? nullptr : find(place->second, record, interface);
    if (record.ttl == 0) {
        if (known != nullptr) say_goodbye(*known, now);
        return true;
    }
    if (place != names_.end() && record.cache_flush) flush_others(place->second, record, interface, now);
    if (known != nullptr) {
        known->is_confirmed = true;
        renew(*known, record, now);
        return true;
    }
    if (!make_room(record, source)) return false;
    auto& entry = names_[record.name].emplace_back();
    entry.record = record;
    entry.interface = interface;
    entry.source = source;
    renew(entry, record, now);
    ++size_;
    ++shares_[source];
    changed(record);
    return true;
}

bool MdnsCache::make_room(const names::Record& record, const IpAddress& source) {
    const auto named = names_.find(record.name);
    if (named != names_.end() && named->second.size() >= kMaxPerName &&
        !evict([&](const auto& entry) { return entry.record.name == record.name; }))
        return false;
    const auto share = shares_.find(source);
    if (source != kOurselves && share != shares_.end() && share->second >= kMaxCacheShare &&
        !evict([&](const auto& entry) { return entry.source == source; }))
        return false;
    return size_ < kMaxCacheRecords || evict([](const auto&) { return true; });
}

// Several at a time, so that a flood does not make us look at the whole cache for each of its records.
template <class Predicate>
bool MdnsCache::evict(Predicate is_eligible) {
    const auto may_go = [&](const CachedRecord& entry) {
        return !entry.is_confirmed && entry.source != kOurselves && is_eligible(entry);
    };
    std::vector<TimePoint> ages;
    for (const auto& [name, records] : names_)
        for (const auto& entry : records)
            if (may_go(entry)) ages.push_back(entry.received);
    if (ages.empty()) return false;
    const auto last = ages.begin() + static_cast<std::ptrdiff_t>(std::min(kEvictedAtOnce, ages.size()) - 1);
    std::ranges::nth_element(ages, last);
    const TimePoint limit = *last;
    std::size_t gone = 0;
    erase_where([&](CachedRecord& entry) {
        if (!may_go(entry) || entry.received > limit || gone >= kEvictedAtOnce) return false;
        entry.reason = LeftReason::expired;
        ++gone;
        return true;
    });
    evicted_ += gone;
    return true;
}

void MdnsCache::forget(const CachedRecord& entry) {
    const auto share = shares_.find(entry.source);
    if (share != shares_.end() && --share->second == 0) shares_.erase(share);
}

CachedRecord* MdnsCache::find(Records& records, const names::Record& record, InterfaceIndex interface) {
    const auto found = std::ranges::find_if(records, [&](const auto& entry) {
        return entry.interface == interface && entry.record.same_as(record);
    });
    return found == records.end() ? nullptr : &*found;
}

void MdnsCache::renew(CachedRecord& entry, const names::Record& record, TimePoint now) {
    if (entry.leaving) changed(record);
    entry.leaving = false;
    entry.reason = LeftReason::expired;
    entry.unanswered = 0;
    entry.record.ttl = record.ttl;
    entry.record.cache_flush = record.cache_flush;
    entry.received = now;
    entry.expires = now + ttl_of(record);
    entry.refreshes = 0;
    plan(entry);
}

void MdnsCache::say_goodbye(CachedRecord& entry, TimePoint now) {
    if (entry.leaving) return;  // a repeated goodbye does not prolong the second
    entry.leaving = true;
    entry.reason = LeftReason::goodbye;
    entry.expires = std::min(entry.expires, now + kRescueTime);
    entry.next = entry.expires;
    next_ = std::min(next_, entry.next);
    removed_.push_back({entry.record, entry.interface, LeftReason::goodbye});
    changed(entry.record);
}

// RFC 6762 section 10.2: what the flushing packet itself brought, or came within the last second, stays.
void MdnsCache::flush_others(Records& records, const names::Record& record, InterfaceIndex interface,
                             TimePoint now) {
    for (auto& entry : records) {
        if (entry.interface != interface || entry.record.type != record.type ||
            entry.record.record_class != record.record_class)
            continue;
        if (now - entry.received <= kRescueTime || entry.record.data == record.data) continue;
        if (entry.expires <= now + kRescueTime) continue;
        entry.expires = now + kRescueTime;
        entry.refreshes = kRefreshPercent.size();
        plan(entry);
    }
}

void MdnsCache::plan(CachedRecord& entry) {
    entry.next = entry.expires;
    if (entry.refreshes < kRefreshPercent.size()) {
        // Section 5.2: a random variation of 2 % of the TTL, so that the hosts do not ask together.
        const Duration life = entry.expires - entry.received;
        const Duration jitter = uniform(random_, Duration::zero(), life / 50);
        entry.next = entry.received + life / 100 * kRefreshPercent[entry.refreshes] + jitter;
    }
    if (entry.unanswered >= kDoubtQuestions)
        entry.next = std::min(entry.next, entry.unanswered_since + kDoubtTime);
    next_ = std::min(next_, entry.next);
}

void MdnsCache::each(const names::DnsName& name, DnsType type, InterfaceIndex interface,
                     const std::function<void(const CachedRecord&)>& visit) const {
    const auto place = names_.find(name);
    if (place == names_.end()) return;
    for (const auto& entry : place->second) {
        if (entry.record.type != type || entry.leaving) continue;
        if (interface == InterfaceIndex::none || entry.interface == interface) visit(entry);
    }
}

bool MdnsCache::answers(const names::DnsName& name, DnsType type, InterfaceIndex interface,
                        TimePoint now) const {
    bool found = false;
    each(name, type, interface, [&](const auto& entry) { found |= entry.expires > now; });
    if (found) return true;
    each(name, DnsType::nsec, interface, [&](const auto& entry) {
        const auto* nsec = std::get_if<names::NsecData>(&entry.record.data);
        found |= nsec != nullptr && entry.expires > now &&
                 std::ranges::find(nsec->types, type) == nsec->types.end();
    });
    return found;
}

std::vector<names::Record> MdnsCache::known_answers(const names::DnsName& name, DnsType type,
                                                    InterfaceIndex interface, TimePoint now) const {
    std::vector<names::Record> out;
    each(name, type, interface, [&](const auto& entry) {
        const auto left = std::chrono::duration_cast<std::chrono::seconds>(entry.expires - now);
        if (left.count() <= 0 || static_cast<std::uint64_t>(left.count()) * 2 < entry.record.ttl) return;
        auto record = entry.record;
        record.ttl = static_cast<std::uint32_t>(left.count());
        record.cache_flush = false;  // section 10.2: never in known-answer lists
        out.push_back(std::move(record));
    });
    return out;
}

void MdnsCache::on_others_question(const names::Question& question, const std::vector<names::Record>& known,
                                   InterfaceIndex interface, TimePoint now) {
    const auto place = names_.find(question.name);
    if (place == names_.end() || question.unicast_response) return;  // answers to QU would not reach us
    for (auto& entry : place->second) {
        if (entry.interface != interface || entry.leaving || entry.record.type != question.type) continue;
        if (lists(known, entry.record)) continue;
        if (entry.unanswered == 0 || now - entry.unanswered_since > kDoubtTime) {
            entry.unanswered = 0;
            entry.unanswered_since = now;
        }
        if (entry.unanswered < kDoubtQuestions && ++entry.unanswered == kDoubtQuestions) plan(entry);
    }
}

bool MdnsCache::doubt(const names::DnsName& name, DnsType type, TimePoint now) {
    const auto place = names_.find(name);
    if (place == names_.end()) return false;
    bool any = false;
    for (auto& entry : place->second) {
        if (entry.record.type != type || entry.leaving) continue;
        any = true;
        if (entry.reason == LeftReason::reconfirm_failed) continue;  // already in doubt
        entry.reason = LeftReason::reconfirm_failed;
        entry.expires = std::min(entry.expires, now + kDoubtTime);
        entry.refreshes = kRefreshPercent.size();  // whoever doubts asks by a schedule of its own
        plan(entry);
    }
    return any;
}

void MdnsCache::drop_interface(InterfaceIndex interface) {
    erase_where([&](CachedRecord& entry) {
        if (entry.interface != interface) return false;
        entry.reason = LeftReason::carrier_lost;
        return true;
    });
}

void MdnsCache::drop_unless(const std::function<bool(const names::DnsName&)>& wanted) {
    for (auto place = names_.begin(); place != names_.end();) {
        if (wanted(place->first)) {
            ++place;
            continue;
        }
        for (const auto& entry : place->second) forget(entry);
        size_ -= place->second.size();
        place = names_.erase(place);
    }
}

std::vector<DueRefresh> MdnsCache::on_timer(TimePoint now) {
    std::vector<DueRefresh> due;
    if (now < next_) return due;
    next_ = kNever;
    erase_where([&](CachedRecord& entry) { return visit_due(entry, now, due); });
    return due;
}

// True if the record is over. Leaves `next_` at the earliest of what stays.
bool MdnsCache::visit_due(CachedRecord& entry, TimePoint now, std::vector<DueRefresh>& due) {
    if (entry.next <= now) {
        if (entry.expires <= now) return true;
        if (entry.unanswered >= kDoubtQuestions && now - entry.unanswered_since >= kDoubtTime) {
            entry.reason = LeftReason::reconfirm_failed;
            return true;
        }
        if (entry.refreshes < kRefreshPercent.size()) {
            due.push_back({entry.record.name, entry.record.type, entry.interface});
            ++entry.refreshes;
        }
        plan(entry);
    }
    next_ = std::min(next_, entry.next);
    return false;
}

// The predicate may change what it lets live.
template <class Predicate>
void MdnsCache::erase_where(Predicate predicate) {
    for (auto place = names_.begin(); place != names_.end();) {
        auto& records = place->second;
        std::size_t kept = 0;
        for (std::size_t i = 0; i < records.size(); ++i) {
            if (!predicate(records[i])) {
                if (kept != i) records[kept] = std::move(records[i]);
                ++kept;
                continue;
            }
            forget(records[i]);
            if (!records[i].leaving) {
                changed(records[i].record);
                removed_.push_back({std::move(records[i].record), records[i].interface, records[i].reason});
            }
        }
        size_ -= records.size() - kept;
        records.erase(records.begin() + static_cast<std::ptrdiff_t>(kept), records.end());
        place = records.empty() ? names_.erase(place) : std::next(place);
    }
}

std::vector<RemovedRecord> MdnsCache::take_removed() { return std::exchange(removed_, {}); }

std::vector<ChangedName> MdnsCache::take_changed() { return std::exchange(changed_, {}); }

std::set<InterfaceIndex> MdnsCache::interfaces_of(const names::DnsName& name,
                                                  const names::DnsName& target) const {
    std::set<InterfaceIndex> out;
    each(name, DnsType::ptr, InterfaceIndex::none, [&](const CachedRecord& entry) {
        const auto* pointed = std::get_if<names::DnsName>(&entry.record.data);
        if (pointed != nullptr && *pointed == target) out.insert(entry.interface);
    });
    return out;
}

void MdnsCache::changed(const names::Record& record) {
    ChangedName change{record.name, std::nullopt};
    if (const auto* target = std::get_if<names::DnsName>(&record.data)) change.target = *target;
    const bool repeated = !changed_.empty() && !change.target && changed_.back().name == change.name;
    if (!repeated) changed_.push_back(std::move(change));
}

}  // namespace muster::discovery
