// The part of MdnsResponder that deals with others who want the same name: RFC 6762
// sections 8.1, 8.2, 9, 10.1.
#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "discovery/mdns_responder.h"

namespace muster::discovery {
namespace {

using namespace std::chrono_literals;
using names::DnsType;

constexpr Duration kTieBreakPause = 1s;       // section 8.2: the loser waits one second
constexpr Duration kConflictWindow = 10s;     // section 8.1: fifteen conflicts within ten seconds ...
constexpr std::uint32_t kManyConflicts = 15;  // ... and every further attempt waits
constexpr Duration kConflictPause = 5s;       // at least five seconds

// What section 8.2 compares: class (without the cache-flush bit), type, data without compression.
using Comparable = std::tuple<std::uint16_t, std::uint16_t, Bytes>;

std::vector<Comparable> comparable(const std::vector<const names::Record*>& records) {
    std::vector<Comparable> out;
    for (const auto* record : records)
        out.emplace_back(record->record_class, static_cast<std::uint16_t>(record->type),
                         names::uncompressed_data(record->data));
    std::ranges::sort(out);
    return out;
}

NameHolder holder_of(const names::DnsName& name, const names::Message& response, const PacketInfo& info) {
    NameHolder holder;
    holder.source = info.source;
    holder.source.interface = info.interface;
    const auto look = [&](const std::vector<names::Record>& records) {
        for (const auto& record : records) {
            if (record.name != name) continue;
            if (const auto* srv = std::get_if<names::SrvData>(&record.data)) {
                holder.host = to_valid_utf8(srv->target.to_string());
                holder.port = srv->port;
            }
            if (record.type != DnsType::txt) continue;
            if (auto txt = TxtRecord::from_wire(std::get<Bytes>(record.data))) holder.txt = *std::move(txt);
        }
    };
    look(response.answers);
    look(response.additionals);
    return holder;
}

}  // namespace

void MdnsResponder::on_probe(const names::Message& query, InterfaceIndex interface, TimePoint now) {
    each_entry([&](Entry& entry) {
        const auto place = std::ranges::find(entry.presences, interface, &Presence::interface);
        if (place == entry.presences.end() || place->phase != Phase::probing) return;
        std::vector<const names::Record*> theirs;
        for (const auto& record : query.authorities)
            if (record.name == entry.name) theirs.push_back(&record);
        if (theirs.empty()) return;
        std::vector<const names::Record*> ours;
        for (const auto& own : place->records)
            if (own.unique) ours.push_back(&own.record);
        // Section 8.2: lexicographically later wins; equal data is the same service seen from two sides.
        if (comparable(ours) < comparable(theirs)) start_probing(*place, now + kTieBreakPause);
    });
}

void MdnsResponder::on_response(const names::Message& response, const PacketInfo& info,
                                const LinkTable& links, TimePoint now) {
    const auto look = [&](const std::vector<names::Record>& records) {
        for (const auto& record : records) {
            std::vector<AdvertisementId> entries;  // a conflict renames, and that rebuilds the index
            const auto [first, last] = index_.equal_range(record.name);
            for (auto place = first; place != last; ++place) entries.push_back(place->second->id);
            for (const auto id : entries) {
                auto* entry = id == AdvertisementId::none ? &host_ : entry_of(id);
                if (entry != nullptr) check(*entry, record, response, info, links, now);
            }
        }
    };
    look(response.answers);
    look(response.additionals);
}

// Whoever is in company answers as all who share a record do: with the delay of section 6.
void MdnsResponder::note_company(const Entry& entry, Presence& presence, const names::Record& theirs) {
    const auto* target = std::get_if<names::DnsName>(&theirs.data);
    if (target == nullptr || theirs.type != DnsType::ptr || *target == entry.name) return;
    const auto& subtypes = entry.names.subtypes;
    if (std::ranges::find(subtypes, theirs.name) == subtypes.end()) return;
    if (theirs.ttl > 0) {
        presence.company = *target;
    } else if (presence.company == *target) {
        presence.company.reset();
    }
}

// Section 9: whoever has announced goes back to probing, and only what a probe finds takes the name away. The
// holder defends it in that probe, or there is no holder and the name stays ours.
void MdnsResponder::check(Entry& entry, const names::Record& theirs, const names::Message& response,
                          const PacketInfo& info, const LinkTable& links, TimePoint now) {
    const auto place = std::ranges::find(entry.presences, info.interface, &Presence::interface);
    if (place == entry.presences.end() || place->phase == Phase::conflicted) return;
    note_company(entry, *place, theirs);
    const auto own =
        std::ranges::find_if(place->records, [&](const auto& each) { return each.record.same_as(theirs); });
    if (own != place->records.end()) {
        // Sections 6.6 and 10.1: another says the same with too short a life, or takes it back: say it again.
        const bool too_short = std::uint64_t{theirs.ttl} * 2 < own->record.ttl;
        if (own->farewell && too_short && place->phase == Phase::established) {
            place->phase = Phase::announcing;
            place->step = 1;  // once is enough
            place->next = now;
        }
        return;
    }
    if (theirs.name != entry.name || theirs.ttl == 0 || !is_conflict(entry, *place, theirs, links)) return;
    ++conflicts_;
    if (entry.registration && entry.registration->on_conflict == OnConflict::keep)
        return defend(entry, *place, now);
    if (place->answers()) return start_probing(*place, retry_time(entry, now));
    // An answer to a one-shot query of ours is as good as one to a probe.
    const bool has_asked = place->step > 0 || info.arrival == Arrival::one_shot;
    if (has_asked) lose_name(entry, holder_of(entry.name, response, info), links, now);
}

bool MdnsResponder::is_conflict(const Entry& entry, const Presence& presence, const names::Record& theirs,
                                const LinkTable& links) const {
    if (theirs.type == DnsType::nsec) return false;  // says what is not there
    if (!entry.registration) {
        // Another program of this host may answer for the same name with any address of this host.
        const auto* address = std::get_if<IpAddress>(&theirs.data);
        if (address == nullptr || links.is_own(*address)) return false;
    }
    if (presence.phase == Phase::probing) return true;  // section 8.1: any record of the name
    return std::ranges::any_of(presence.records,
                               [&](const auto& own) { return own.unique && own.record.type == theirs.type; });
}

// The same data once more, so that the caches of others are right again (section 10.2); each record at most
// once in a second, as always.
void MdnsResponder::defend(Entry& entry, Presence& presence, TimePoint now) {
    if (presence.phase != Phase::established) return;  // being said anyway
    presence.phase = Phase::announcing;
    presence.step = 1;
    presence.next = retry_time(entry, now);
}

// Slow until ten seconds passed without any conflict: whoever contradicts us for ever must not
// make us probe for ever.
TimePoint MdnsResponder::retry_time(Entry& entry, TimePoint now) {
    if (now - entry.last_conflict > kConflictWindow) entry.recent_conflicts = 0;
    entry.last_conflict = now;
    const bool often = ++entry.recent_conflicts > kManyConflicts;
    return often ? now + kConflictPause : now;
}

void MdnsResponder::lose_name(Entry& entry, const NameHolder& holder, const LinkTable& links, TimePoint now) {
    if (!entry.registration) return rename_host(links, now);
    if (entry.registration->on_conflict == OnConflict::rename)
        return rename_service(entry, holder, links, now);
    say_goodbye(entry);
    for (auto& presence : entry.presences) {
        presence.phase = Phase::conflicted;
        presence.next = kNever;
    }
    events_.emplace_back(entry.id,
                         AdvertiseEvent{AdvertiseEvent::Kind::conflict, entry.registration->instance,
                                        holder.source.interface, holder});
}

void MdnsResponder::rename_service(Entry& entry, const NameHolder& holder, const LinkTable& links,
                                   TimePoint now) {
    say_goodbye(entry);
    auto& registration = *entry.registration;
    const auto taken = [&](const names::DnsName& name) {
        return std::ranges::any_of(services_, [&](const auto& each) { return each.second.name == name; });
    };
    do {
        registration.instance = next_service_label(registration.instance);
        entry.names = *names_of(registration);  // a shortened valid name is valid
    } while (taken(entry.names.instance));
    entry.name = entry.names.instance;
    const auto when = retry_time(entry, now);
    for (auto& presence : entry.presences) {
        presence.records = records_for(entry, *links.find(presence.interface));
        start_probing(presence, when);
    }
    reindex();
    events_.emplace_back(entry.id, AdvertiseEvent{AdvertiseEvent::Kind::renamed, registration.instance,
                                                  holder.source.interface, holder});
}

void MdnsResponder::rename_host(const LinkTable& links, TimePoint now) {
    say_goodbye(host_);
    host_.name = local_name(next_host_label(host_.name.first_label()));
    const auto when = retry_time(host_, now);
    each_entry([&](Entry& entry) {
        for (auto& presence : entry.presences) {
            presence.records = records_for(entry, *links.find(presence.interface));
            if (!entry.registration) {
                start_probing(presence, when);
            } else if (presence.answers()) {
                presence.phase = Phase::announcing;
                presence.scope = Scope::everything;
                presence.step = 0;
                presence.next = when;
            }
        }
    });
    reindex();
}

}  // namespace muster::discovery
