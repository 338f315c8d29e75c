#include "discovery/mdns_responder.h"

#include <algorithm>

namespace muster::discovery {
namespace {

using namespace std::chrono_literals;
using names::DnsName;
using names::DnsType;

constexpr Duration kProbeJitter = 250ms;    // RFC 6762 section 8.1: 0 to 250 ms before the first
constexpr Duration kProbeInterval = 250ms;  // section 8.1
constexpr std::uint8_t kProbes = 3;         // section 8.1
constexpr Duration kAnnounceInterval = 1s;  // section 8.3: the second one second after the first
constexpr std::uint8_t kAnnouncements = 2;  // section 8.3

}  // namespace

MdnsResponder::MdnsResponder(std::string host, Randomness& random) : random_(random) {
    host_.name = local_name(host);
    reindex();
}

Result<AdvertisementId> MdnsResponder::add(Registration registration, const LinkTable& links, TimePoint now) {
    if (services_.size() >= kMaxRegistrations)
        return Error{Errc::queue_full, "more than " + std::to_string(kMaxRegistrations) + " services"};
    auto names = names_of(registration);
    if (!names) return names.error();
    for (const auto& [id, entry] : services_)
        if (entry.name == names->instance)
            return Error{Errc::name_in_use,
                         "this program advertises '" + registration.instance + "' already"};
    if (services_.empty())  // whoever only asks has nothing to announce, not even a name
        for (const auto& link : links.all()) join(host_, link, now);
    const AdvertisementId id{++last_id_};
    auto& entry = services_[id];
    entry.id = id;
    entry.name = names->instance;
    entry.names = *std::move(names);
    entry.registration = std::move(registration);
    for (const auto& link : links.all()) join(entry, link, now);
    reindex();
    return id;
}

void MdnsResponder::update_txt(AdvertisementId id, TxtRecord txt, TimePoint now) {
    auto* entry = entry_of(id);
    if (entry == nullptr || entry->registration->txt == txt) return;
    entry->registration->txt = std::move(txt);
    for (auto& presence : entry->presences) {
        presence.records = service_records(*entry->registration, entry->names, host_.name);
        if (!presence.answers()) continue;
        // Section 8.4: announce the new data as at the start; the cache-flush bit replaces the old.
        presence.scope = presence.phase == Phase::established ? Scope::txt_only : Scope::everything;
        presence.phase = Phase::announcing;
        presence.step = 0;
        presence.next = now;
    }
}

void MdnsResponder::probe_again(AdvertisementId id, TimePoint now) {
    auto* entry = entry_of(id);
    if (entry == nullptr) return;
    for (auto& presence : entry->presences)
        if (presence.phase == Phase::conflicted)
            start_probing(presence, first_probe_time(presence.interface, now));
}

void MdnsResponder::withdraw(AdvertisementId id, TimePoint) {
    const auto place = services_.find(id);
    if (place == services_.end()) return;
    say_goodbye(place->second);
    services_.erase(place);
    if (services_.empty()) {
        say_goodbye(host_);
        host_.presences.clear();
    }
    reindex();
}

void MdnsResponder::withdraw_all(TimePoint) {
    each_entry([this](Entry& entry) { say_goodbye(entry); });
    services_.clear();
    host_.presences.clear();
    closed_ = true;
    reindex();
}

void MdnsResponder::say_goodbye(const Entry& entry) {
    for (const auto& presence : entry.presences) {
        if (!presence.answers()) continue;
        Farewell farewell{presence.interface, {}};
        for (const auto& own : presence.records)
            if (own.farewell) farewell.records.push_back(own.record);
        farewells_.push_back(std::move(farewell));
    }
}

void MdnsResponder::on_links(const LinkTable& links, const LinkChanges& changes, TimePoint now) {
    if (closed_) return;
    const auto gone = [&](const Presence& presence) { return links.find(presence.interface) == nullptr; };
    each_entry([&](Entry& entry) { std::erase_if(entry.presences, gone); });
    std::erase_if(farewells_,
                  [&](const Farewell& farewell) { return links.find(farewell.interface) == nullptr; });
    if (services_.empty()) return;
    for (const auto index : changes.appeared)
        each_entry([&](Entry& entry) { join(entry, *links.find(index), now); });
    for (const auto index : changes.changed) renew_addresses(*links.find(index), now);
}

void MdnsResponder::join(Entry& entry, const LocalLink& link, TimePoint now) {
    auto& presence = entry.presences.emplace_back();
    presence.interface = link.index;
    presence.records = records_for(entry, link);
    const bool probe = entry.registration && entry.registration->uniqueness == Uniqueness::probe;
    if (probe) return start_probing(presence, first_probe_time(link.index, now));
    presence.phase = Phase::announcing;  // section 8.1, end: known to be unique by other means
    presence.next = now;
}

void MdnsResponder::start_probing(Presence& presence, TimePoint first) {
    presence.phase = Phase::probing;
    presence.step = 0;
    presence.next = first;
}

// Whoever starts while others wait for their first probe joins them, so that many services share few packets.
TimePoint MdnsResponder::first_probe_time(InterfaceIndex interface, TimePoint now) {
    for (const auto& [id, entry] : services_) {
        const auto* presence = presence_on(entry, interface);
        const bool waits = presence != nullptr && presence->phase == Phase::probing && presence->step == 0;
        if (waits && presence->next > now && presence->next <= now + kProbeJitter) return presence->next;
    }
    return now + uniform(random_, Duration::zero(), Duration{kProbeJitter});
}

void MdnsResponder::renew_addresses(const LocalLink& link, TimePoint now) {
    for (auto& presence : host_.presences) {
        if (presence.interface != link.index) continue;
        auto records = host_records(host_.name, link);
        Farewell farewell{link.index, {}};
        for (const auto& old : presence.records)
            if (std::ranges::none_of(records,
                                     [&](const auto& own) { return own.record.same_as(old.record); }))
                farewell.records.push_back(old.record);
        if (!farewell.records.empty() && presence.answers()) farewells_.push_back(std::move(farewell));
        presence.records = std::move(records);
        if (!presence.answers()) continue;
        presence.phase = Phase::announcing;
        presence.step = 0;
        presence.next = now;
    }
}

std::vector<OwnRecord> MdnsResponder::records_for(const Entry& entry, const LocalLink& link) const {
    if (!entry.registration) return host_records(entry.name, link);
    return service_records(*entry.registration, entry.names, host_.name);
}

void MdnsResponder::reindex() {
    index_.clear();
    each_entry([this](Entry& entry) {
        index_.emplace(entry.name, &entry);
        if (!entry.registration || entry.registration->listing == Listing::unlisted) return;
        index_.emplace(entry.names.type, &entry);
        index_.emplace(type_list_name(), &entry);
        for (const auto& subtype : entry.names.subtypes) index_.emplace(subtype, &entry);
    });
}

MdnsResponder::Entry* MdnsResponder::entry_of(AdvertisementId id) {
    const auto place = services_.find(id);
    return place == services_.end() ? nullptr : &place->second;
}

const MdnsResponder::Presence* MdnsResponder::presence_on(const Entry& entry,
                                                          InterfaceIndex interface) const {
    const auto found = std::ranges::find(entry.presences, interface, &Presence::interface);
    return found == entry.presences.end() ? nullptr : &*found;
}

void MdnsResponder::answer(const names::Question& question, InterfaceIndex interface,
                           std::vector<OwnAnswer>& out) const {
    if (question.record_class != names::kClassInternet && question.record_class != names::kClassAny) return;
    const auto [first, last] = index_.equal_range(question.name);
    for (auto place = first; place != last; ++place) answer_from(*place->second, question, interface, out);
}

void MdnsResponder::answer_from(const Entry& entry, const names::Question& question, InterfaceIndex interface,
                                std::vector<OwnAnswer>& out) const {
    const auto* presence = presence_on(entry, interface);
    if (presence == nullptr || !presence->answers()) return;
    bool any = false;
    std::vector<DnsType> types;
    for (const auto& own : presence->records) {
        if (own.record.name != question.name) continue;
        types.push_back(own.record.type);
        if (question.type != DnsType::any && question.type != own.record.type) continue;
        any = true;
        const bool repeated = !own.unique && std::ranges::any_of(out, [&](const auto& other) {
            return other.record.same_as(own.record);
        });
        if (!repeated) out.push_back({own.record, own.unique, own.lone && !presence->company});
    }
    if (any || question.name != entry.name || types.empty()) return;
    std::ranges::sort(types);
    types.erase(std::unique(types.begin(), types.end()), types.end());
    OwnAnswer denial;
    denial.unique = true;
    denial.record.name = entry.name;
    denial.record.type = DnsType::nsec;
    denial.record.cache_flush = true;
    denial.record.ttl = kHostTtl;
    denial.record.data = names::NsecData{entry.name, std::move(types)};
    out.push_back(std::move(denial));
}

std::vector<names::Record> MdnsResponder::additionals(const std::vector<names::Record>& answers,
                                                      InterfaceIndex interface) const {
    std::vector<OwnAnswer> found;
    const auto ask = [&](const DnsName& name, DnsType type) {
        std::vector<OwnAnswer> some;
        answer({name, type}, interface, some);
        std::ranges::move(some, std::back_inserter(found));
    };
    bool host = false;
    for (const auto& record : answers) {
        const bool service = record.type == DnsType::ptr && record.name != type_list_name();
        if (service) {
            ask(std::get<DnsName>(record.data), DnsType::srv);
            ask(std::get<DnsName>(record.data), DnsType::txt);
        }
        if (record.type == DnsType::srv) ask(record.name, DnsType::txt);
        host |= service || record.type == DnsType::srv ||
                (record.name == host_.name && record.type != DnsType::nsec);
    }
    if (host) ask(host_.name, DnsType::a);
    if (host) ask(host_.name, DnsType::aaaa);
    std::vector<names::Record> out;
    for (auto& each : found) {
        const auto same = [&](const auto& other) { return other.same_as(each.record); };
        if (std::ranges::none_of(answers, same) && std::ranges::none_of(out, same))
            out.push_back(std::move(each.record));
    }
    return out;
}

TimePoint MdnsResponder::next_wakeup() const {
    if (!farewells_.empty()) return TimePoint::min();
    TimePoint next = kNever;
    const auto look = [&](const Entry& entry) {
        for (const auto& presence : entry.presences) next = std::min(next, presence.next);
    };
    look(host_);
    for (const auto& [id, entry] : services_) look(entry);
    return next;
}

std::vector<ResponderOutput> MdnsResponder::on_timer(TimePoint now) {
    std::map<InterfaceIndex, ResponderOutput> by_interface;
    const auto out_of = [&](InterfaceIndex interface) -> ResponderOutput& {
        auto& out = by_interface[interface];
        out.interface = interface;
        return out;
    };
    for (auto& farewell : farewells_)
        std::ranges::move(farewell.records, std::back_inserter(out_of(farewell.interface).goodbyes));
    farewells_.clear();
    each_entry([&](Entry& entry) {
        for (auto& presence : entry.presences)
            if (presence.next <= now) advance(entry, presence, out_of(presence.interface), now);
    });
    std::vector<ResponderOutput> out;
    for (auto& [interface, output] : by_interface) out.push_back(std::move(output));
    return out;
}

void MdnsResponder::advance(Entry& entry, Presence& presence, ResponderOutput& out, TimePoint now) {
    switch (presence.phase) {
        case Phase::probing:
            if (presence.step < kProbes) {
                ResponderOutput::Probe probe{entry.name, {}};
                for (const auto& own : presence.records)
                    if (own.unique) probe.proposed.push_back(own.record);
                out.probes.push_back(std::move(probe));
                ++presence.step;
                presence.next = now + kProbeInterval;
                return;
            }
            presence.phase = Phase::announcing;
            presence.scope = Scope::everything;
            presence.step = 0;
            announce(entry, presence, out, now);
            return;
        case Phase::announcing: announce(entry, presence, out, now); return;
        case Phase::established:
        case Phase::conflicted: presence.next = kNever; return;
    }
}

void MdnsResponder::announce(const Entry& entry, Presence& presence, ResponderOutput& out, TimePoint now) {
    for (const auto& own : presence.records)
        if (presence.scope == Scope::everything || own.record.type == DnsType::txt)
            out.announcements.push_back(own.record);
    const bool first = presence.step == 0 && presence.scope == Scope::everything;
    if (first && entry.registration) {
        AdvertiseEvent event;
        event.instance = entry.registration->instance;
        event.interface = presence.interface;
        events_.emplace_back(entry.id, std::move(event));
    }
    ++presence.step;
    const bool done = presence.step >= kAnnouncements;
    presence.phase = done ? Phase::established : Phase::announcing;
    if (done) presence.scope = Scope::everything;
    presence.next = done ? kNever : now + kAnnounceInterval;
}

std::optional<std::pair<AdvertisementId, AdvertiseEvent>> MdnsResponder::poll_event() {
    if (events_.empty()) return std::nullopt;
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
}

}  // namespace muster::discovery
