#include "discovery/mdns_querier.h"

#include <algorithm>

namespace muster::discovery {
namespace {

using namespace std::chrono_literals;
using names::DnsType;

// RFC 6762 section 5.2.
constexpr Duration kFirstInterval = 1s;
constexpr Duration kLastInterval = 60min;
constexpr Duration kJitterLow = 20ms;
constexpr Duration kJitterHigh = 120ms;
// Questions so near to each other share a packet: much less than the 20 ms that any answer may take anyway.
constexpr Duration kTogether = 10ms;

}  // namespace

void MdnsQuerier::want(const QuestionKey& key, Packing packing, TimePoint first, const LinkTable& links) {
    next_.reset();
    auto& asked = asked_[key];
    ++interests_[key.name];
    if (asked.users++ > 0) {
        // A second user starts now what rests in a long interval, at most once a second
        // per link (section 5.2).
        for (auto& schedule : asked.links)
            if (schedule.sent > 1 && schedule.next != kNever)
                schedule.next = std::min(schedule.next, first + kFirstInterval);
        return;
    }
    asked.packing = packing;
    for (const auto link : links.ids(key.interface))
        asked.links.push_back({link, first, kFirstInterval, 0, false});
}

void MdnsQuerier::unwant(const QuestionKey& key) {
    next_.reset();
    const auto place = asked_.find(key);
    if (place == asked_.end()) return;
    const auto interest = interests_.find(key.name);
    if (interest != interests_.end() && --interest->second == 0) interests_.erase(interest);
    if (--place->second.users == 0) asked_.erase(place);
}

void MdnsQuerier::on_links(const LinkTable& links, LinkCause cause, TimePoint now) {
    next_.reset();
    for (auto& [key, asked] : asked_) {
        std::erase_if(asked.links, [&](const Schedule& schedule) { return !links.active(schedule.link); });
        for (const auto link : links.ids(key.interface)) {
            if (std::ranges::find(asked.links, link, &Schedule::link) != asked.links.end()) continue;
            const bool at_once = asked.packing == Packing::alone || cause == LinkCause::start;
            const Duration jitter =
                at_once ? Duration::zero() : uniform(random_, Duration{kJitterLow}, Duration{kJitterHigh});
            asked.links.push_back({link, now + jitter, kFirstInterval, 0, false});
        }
    }
}

template <class Visit>
void MdnsQuerier::each_schedule(const names::DnsName& name, DnsType type, InterfaceIndex interface,
                                Visit visit) {
    next_.reset();
    const QuestionKey first{name, type, InterfaceIndex::none};
    for (auto place = asked_.lower_bound(first); place != asked_.end(); ++place) {
        if (place->first.name != name || place->first.type != type) return;
        for (auto& schedule : place->second.links)
            if (interface == InterfaceIndex::none || schedule.link.interface == interface) visit(schedule);
    }
}

void MdnsQuerier::restart(const names::DnsName& name, DnsType type, InterfaceIndex interface,
                          TimePoint when) {
    each_schedule(name, type, interface, [&](Schedule& schedule) {
        schedule.next = std::min(schedule.next, when);
        schedule.interval = kFirstInterval;
        schedule.refresh = true;
    });
}

void MdnsQuerier::refresh(const DueRefresh& due, TimePoint now) {
    each_schedule(due.name, due.type, due.interface, [&](Schedule& schedule) {
        schedule.refresh = true;
        schedule.next = std::min(schedule.next, now);
    });
}

void MdnsQuerier::on_others_question(const names::Question& question, const std::vector<names::Record>& known,
                                     LinkId link, const MdnsCache& cache, TimePoint now) {
    if (question.unicast_response) return;  // the answer will not reach us
    for (const auto interface : {InterfaceIndex::none, link.interface}) {
        const auto place = asked_.find({question.name, question.type, interface});
        if (place == asked_.end()) continue;
        const auto schedule = std::ranges::find(place->second.links, link, &Schedule::link);
        if (schedule == place->second.links.end() || schedule->next == kNever) continue;
        if (schedule->next - now > schedule->interval / 2) continue;  // not about to ask
        const auto ours = cache.known_answers(question.name, question.type, link.interface, now);
        const auto listed = [&](const auto& theirs) {
            return std::ranges::any_of(ours, [&](const auto& record) { return record.same_as(theirs); });
        };
        const auto concerns = [&](const auto& record) {
            return record.name == question.name && record.type == question.type;
        };
        if (std::ranges::all_of(known, [&](const auto& each) { return !concerns(each) || listed(each); }))
            sent(*schedule, now);
        next_.reset();
    }
}

TimePoint MdnsQuerier::next_wakeup() const {
    if (next_) return *next_;
    TimePoint next = kNever;
    for (const auto& [key, asked] : asked_)
        for (const auto& schedule : asked.links) next = std::min(next, schedule.next);
    next_ = next;
    return next;
}

std::vector<OutgoingQuery> MdnsQuerier::on_timer(const MdnsCache& cache, TimePoint now) {
    std::vector<OutgoingQuery> out;
    if (next_wakeup() > now) return out;
    next_.reset();
    std::map<LinkId, OutgoingQuery> together;
    for (auto& [key, asked] : asked_) {
        for (auto& schedule : asked.links) {
            if (!due(key, schedule, cache, now)) continue;
            const names::Question question{key.name, key.type, names::kClassInternet, schedule.sent == 0};
            sent(schedule, now);
            if (asked.packing == Packing::alone) {
                out.push_back({schedule.link, {question}});
                continue;
            }
            auto& query = together[schedule.link];
            query.link = schedule.link;
            query.questions.push_back(question);
        }
    }
    for (auto& [link, query] : together) out.push_back(std::move(query));
    return out;
}

// A question for a unique record rests when the cache knows the answer; the cache wakes it
// by refresh or restart.
bool MdnsQuerier::due(const QuestionKey& key, Schedule& schedule, const MdnsCache& cache, TimePoint now) {
    if (schedule.next > now + kTogether) return false;
    const bool rests = key.type != DnsType::ptr && !schedule.refresh &&
                       cache.answers(key.name, key.type, schedule.link.interface, now);
    if (!rests) return true;
    schedule.next = kNever;
    return false;
}

void MdnsQuerier::sent(Schedule& schedule, TimePoint now) {
    ++schedule.sent;
    schedule.refresh = false;
    schedule.next = now + schedule.interval;
    schedule.interval = std::min<Duration>(schedule.interval * 2, kLastInterval);
}

}  // namespace muster::discovery
