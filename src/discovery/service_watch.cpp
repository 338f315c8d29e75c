#include "discovery/service_watch.h"

#include <algorithm>
#include <functional>

#include "base/text.h"

namespace muster::discovery {
namespace {

using namespace std::chrono_literals;
using names::DnsName;
using names::DnsType;

// Records of one service usually share a packet; if they are split, the next packet is microseconds away.
constexpr Duration kFollowUp = 10ms;
// One address is there; the other family may come with the packet of the other family, or does not exist.
constexpr Duration kOtherFamily = 500ms;
// RFC 6763 section 6 demands a TXT record; who has none is reported after the first repeat of the question.
constexpr Duration kTxtPatience = 1s;
constexpr std::size_t kMaxEndpoints = 64;  // of one instance

// A label that people and JSON can bear (RFC 6763 section 4.1.1), under the type that was asked for.
bool is_instance_of(const DnsName& instance, const DnsName& browsed) {
    if (!check_instance_name(instance.first_label())) return false;
    const auto type = instance.parent();
    return type.label_count() == 3 && browsed.ends_with(type);
}

std::string type_text(const DnsName& instance) {
    const auto labels = instance.labels();
    return labels.size() == 4 ? std::string{labels[1]} + "." + std::string{labels[2]} : std::string{};
}

}  // namespace

// What the cache says about one instance now.
struct ServiceWatch::View {
    ServiceInstance service;
    bool has_srv = false;
    bool has_txt = false;
    std::vector<DnsName> hosts;
    std::set<QuestionKey> wanted;
    std::set<QuestionKey> late;  // of `wanted`: need not be asked at once

    bool complete() const { return has_srv && !service.endpoints.empty(); }
};

WatchId ServiceWatch::browse(const DnsName& name, const LinkTable& links, TimePoint now) {
    const WatchId id{++last_id_};
    auto& watch = watches_[id];
    watch.name = name;
    querier_.want({name, DnsType::ptr, InterfaceIndex::none}, Packing::together, now, links);
    read_all(id, watch, links, now);
    return id;
}

WatchId ServiceWatch::resolve(const DnsName& instance, const LinkTable& links, TimePoint now) {
    const WatchId id{++last_id_};
    auto& watch = watches_[id];
    watch.name = instance;
    watch.resolves = true;
    watch.instances[instance];
    querier_.want({instance, DnsType::srv, InterfaceIndex::none}, Packing::alone, now, links);
    refresh(id, watch, instance, links, now);
    return id;
}

void ServiceWatch::stop(WatchId id) {
    next_.reset();
    const auto place = watches_.find(id);
    if (place == watches_.end()) return;
    auto& watch = place->second;
    for (auto& [name, instance] : watch.instances) forget(instance);
    querier_.unwant({watch.name, watch.resolves ? DnsType::srv : DnsType::ptr, InterfaceIndex::none});
    watches_.erase(place);
    std::erase_if(events_, [&](const auto& event) { return event.first == id; });
    cache_.drop_unless([this](const DnsName& name) { return querier_.interested(name); });
}

void ServiceWatch::forget(Instance& instance) {
    for (const auto& key : instance.questions) querier_.unwant(key);
    instance.questions.clear();
}

void ServiceWatch::update(const LinkTable& links, TimePoint now) {
    note_reasons(cache_.take_removed(), now);
    const auto changed = cache_.take_changed();
    const bool impatient = next_wakeup() <= now;
    if (changed.empty() && !impatient) return;
    for (auto& [id, watch] : watches_) {
        std::set<DnsName> touched;
        for (const auto& change : changed) touch(watch, change, touched);
        for (const auto& [name, instance] : watch.instances)
            if (impatient && instance.patience <= now) touched.insert(name);
        for (const auto& name : touched)
            if (watch.instances.contains(name)) refresh(id, watch, name, links, now);
    }
}

void ServiceWatch::on_links(const LinkTable& links, TimePoint now) {
    update(links, now);
    for (auto& [id, watch] : watches_) {
        std::vector<DnsName> all;
        for (const auto& [name, instance] : watch.instances) all.push_back(name);
        for (const auto& name : all) refresh(id, watch, name, links, now);
    }
}

// What ended wakes the question for it: after a goodbye, when its second of grace is over.
void ServiceWatch::note_reasons(const std::vector<RemovedRecord>& removed, TimePoint now) {
    for (const auto& each : removed) {
        const bool said = each.reason == LeftReason::goodbye;
        if (each.reason != LeftReason::carrier_lost && each.record.type != DnsType::ptr)
            querier_.restart(each.record.name, each.record.type, each.interface, said ? now + 1s : now);
        const auto* target = std::get_if<DnsName>(&each.record.data);
        for (auto& [id, watch] : watches_) {
            for (auto& [name, instance] : watch.instances) {
                const bool concerns =
                    name == each.record.name || (target != nullptr && *target == name) ||
                    std::ranges::find(instance.hosts, each.record.name) != instance.hosts.end();
                if (concerns) instance.reason = each.reason;
            }
        }
    }
}

// Notes which instances a change concerns.
void ServiceWatch::touch(Watch& watch, const ChangedName& change, std::set<DnsName>& touched) {
    if (change.target && !watch.resolves && change.name == watch.name &&
        is_instance_of(*change.target, watch.name)) {
        auto interfaces = cache_.interfaces_of(change.name, *change.target);
        if (interfaces.empty() && !watch.instances.contains(*change.target)) return;
        watch.instances[*change.target].interfaces = std::move(interfaces);
        touched.insert(*change.target);
    }
    if (change.target) return;
    if (watch.instances.contains(change.name)) touched.insert(change.name);
    for (const auto& [name, instance] : watch.instances)
        if (std::ranges::find(instance.hosts, change.name) != instance.hosts.end()) touched.insert(name);
}

// Another browser may have filled the cache already.
void ServiceWatch::read_all(WatchId id, Watch& watch, const LinkTable& links, TimePoint now) {
    std::set<DnsName> touched;
    std::vector<ChangedName> present;
    cache_.each(watch.name, DnsType::ptr, InterfaceIndex::none, [&](const CachedRecord& entry) {
        if (const auto* target = std::get_if<DnsName>(&entry.record.data))
            present.push_back({watch.name, *target});
    });
    for (const auto& change : present) touch(watch, change, touched);
    for (const auto& name : touched) refresh(id, watch, name, links, now);
}

void ServiceWatch::refresh(WatchId id, Watch& watch, const DnsName& name, const LinkTable& links,
                           TimePoint now) {
    next_.reset();
    auto& instance = watch.instances.at(name);
    auto view = look(watch, name, instance, links);
    instance.hosts = view.hosts;
    ask(instance, view.wanted, view, links, now);
    report(id, instance, view, now);
    if (!watch.resolves && instance.interfaces.empty()) {
        forget(instance);
        watch.instances.erase(name);
    }
}

ServiceWatch::View ServiceWatch::look(const Watch& watch, const DnsName& name, const Instance& instance,
                                      const LinkTable& links) const {
    View view;
    view.service.name = name.first_label();
    view.service.type = type_text(name);
    if (watch.resolves) {
        for (const auto& link : links.all()) look_on(link.index, name, view);
        // SRV is asked for on all interfaces already, in packets of its own.
        std::erase_if(view.wanted, [](const QuestionKey& key) { return key.type == DnsType::srv; });
    } else {
        for (const auto interface : instance.interfaces) look_on(interface, name, view);
    }
    std::ranges::sort(view.service.endpoints);
    return view;
}

void ServiceWatch::look_on(InterfaceIndex interface, const DnsName& name, View& view) const {
    const auto latest = [&](DnsType type) {
        const CachedRecord* found = nullptr;
        cache_.each(name, type, interface, [&](const CachedRecord& entry) {
            if (found == nullptr || entry.received >= found->received) found = &entry;
        });
        return found;
    };
    const QuestionKey srv_key{name, DnsType::srv, interface};
    const QuestionKey txt_key{name, DnsType::txt, interface};
    const auto* srv_record = latest(DnsType::srv);
    const auto* txt_record = latest(DnsType::txt);
    view.wanted.insert(srv_key);
    if (srv_record != nullptr) view.wanted.insert(txt_key);
    view.late.insert(srv_key);
    view.late.insert(txt_key);
    if (txt_record != nullptr && !view.has_txt) {
        auto txt = TxtRecord::from_wire(std::get<Bytes>(txt_record->record.data));
        view.has_txt = true;
        if (txt) view.service.txt = *std::move(txt);
    }
    const auto* srv = srv_record == nullptr ? nullptr : std::get_if<names::SrvData>(&srv_record->record.data);
    if (srv == nullptr) return;
    if (!view.has_srv) {
        view.has_srv = true;
        view.service.host = to_valid_utf8(srv->target.to_string());
        view.service.port = srv->port;
        view.service.priority = srv->priority;
        view.service.weight = srv->weight;
    }
    if (std::ranges::find(view.hosts, srv->target) == view.hosts.end()) view.hosts.push_back(srv->target);
    const auto addresses = addresses_of(srv->target, interface);
    for (const auto& address : addresses)
        if (view.service.endpoints.size() < kMaxEndpoints)
            view.service.endpoints.push_back({address, srv->port, interface});
    const bool any = !addresses.empty();
    for (const auto type : {DnsType::aaaa, DnsType::a}) {
        view.wanted.insert({srv->target, type, interface});
        if (any) view.late.insert({srv->target, type, interface});
    }
}

// Beyond the limit the oldest are left out: whoever names many must not hide the true one that is named later.
std::vector<IpAddress> ServiceWatch::addresses_of(const DnsName& host, InterfaceIndex interface) const {
    std::vector<std::pair<TimePoint, IpAddress>> heard;
    for (const auto type : {DnsType::aaaa, DnsType::a}) {
        cache_.each(host, type, interface, [&](const CachedRecord& entry) {
            const auto* address = std::get_if<IpAddress>(&entry.record.data);
            if (address == nullptr || address->is_multicast() || address->is_unspecified()) return;
            heard.emplace_back(entry.received, *address);
        });
    }
    if (heard.size() > kMaxEndpoints) {
        auto newest = heard;
        const auto last = newest.begin() + static_cast<std::ptrdiff_t>(kMaxEndpoints - 1);
        std::ranges::nth_element(newest, last, std::greater{});
        std::erase_if(heard, [limit = *last](const auto& each) { return each < limit; });
    }
    std::vector<IpAddress> out;
    for (const auto& [when, address] : heard) out.push_back(address);
    return out;
}

void ServiceWatch::ask(Instance& instance, std::set<QuestionKey> wanted, const View& view,
                       const LinkTable& links, TimePoint now) {
    for (const auto& key : wanted) {
        if (instance.questions.contains(key)) continue;
        const bool address = key.type == DnsType::a || key.type == DnsType::aaaa;
        const Duration delay = address && view.late.contains(key) ? kOtherFamily : kFollowUp;
        querier_.want(key, Packing::together, now + delay, links);
    }
    for (const auto& key : instance.questions)
        if (!wanted.contains(key)) querier_.unwant(key);
    instance.questions = std::move(wanted);
}

void ServiceWatch::report(WatchId id, Instance& instance, View& view, TimePoint now) {
    if (!view.complete()) {
        instance.patience = kNever;
        if (!std::exchange(instance.is_reported, false)) return;
        events_.emplace_back(
            id, ServiceEvent{ServiceEvent::Kind::left, instance.reason, std::move(instance.reported)});
        instance.reported = {};
        return;
    }
    if (!instance.is_reported) {
        if (!view.has_txt && instance.patience == kNever) instance.patience = now + kTxtPatience;
        if (!view.has_txt && instance.patience > now) return;
    } else if (instance.reported == view.service) {
        return;
    }
    instance.patience = kNever;
    const auto kind = instance.is_reported ? ServiceEvent::Kind::updated : ServiceEvent::Kind::found;
    instance.is_reported = true;
    instance.reported = std::move(view.service);
    events_.emplace_back(id, ServiceEvent{kind, LeftReason::goodbye, instance.reported});
}

TimePoint ServiceWatch::next_wakeup() const {
    if (next_) return *next_;
    TimePoint next = kNever;
    for (const auto& [id, watch] : watches_)
        for (const auto& [name, instance] : watch.instances) next = std::min(next, instance.patience);
    next_ = next;
    return next;
}

std::optional<std::pair<WatchId, ServiceEvent>> ServiceWatch::poll_event() {
    if (events_.empty()) return std::nullopt;
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
}

bool ServiceWatch::is_open(WatchId id) const {
    const auto place = watches_.find(id);
    if (place == watches_.end()) return false;
    return std::ranges::none_of(place->second.instances,
                                [](const auto& each) { return each.second.is_reported; });
}

}  // namespace muster::discovery
