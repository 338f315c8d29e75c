#include "discovery/mdns_engine.h"

#include <algorithm>
#include <array>

#include "discovery/mdns_packets.h"

namespace muster::discovery {
namespace {

using namespace std::chrono_literals;
using names::DnsType;

// RFC 6762 section 5.4: at start-up and when a link appears, unicast answers spare everybody else. Half a
// second covers the first questions of a program that starts.
constexpr Duration kJustAppeared = 500ms;

bool wakes_at_once(TimePoint next, TimePoint now) { return next <= now; }

}  // namespace

MdnsEngine::MdnsEngine(MdnsEngineOptions options, MdnsWire& wire, Randomness& random)
    : options_(std::move(options)),
      wire_(wire),
      random_(random),
      links_(options_.links),
      cache_(random),
      querier_(random),
      responder_(options_.host, random),
      watch_(cache_, querier_),
      one_shots_(random) {}

void MdnsEngine::on_interfaces(std::span<const Interface> interfaces, TimePoint now) {
    if (closed_) return;
    const auto changes = links_.update(interfaces, now);
    for (const auto gone : changes.gone)
        cache_.drop_interface(gone);  // section 10.3: what it said went with it
    std::erase_if(answers_, [&](const auto& each) { return !links_.active(each.first); });
    std::erase_if(replies_, [&](const auto& each) { return !links_.active(each.link); });
    std::erase_if(deferred_, [&](const auto& each) { return !links_.active(each.info.link()); });
    responder_.on_links(links_, changes, now);
    querier_.on_links(links_, std::exchange(started_, true) ? LinkCause::change : LinkCause::start, now);
    watch_.on_links(links_, now);
}

Result<AdvertisementId> MdnsEngine::advertise(Registration registration, TimePoint now) {
    const bool ask_first =
        registration.uniqueness == Uniqueness::probe && registration.on_conflict == OnConflict::report;
    const auto name = instance_name(registration.instance, registration.type);
    auto id = responder_.add(std::move(registration), links_, now);
    if (id && ask_first) one_shots_.ask_first({*name, DnsType::srv}, now);
    return id;
}

void MdnsEngine::update_txt(AdvertisementId id, TxtRecord txt, TimePoint now) {
    responder_.update_txt(id, std::move(txt), now);
}

void MdnsEngine::probe_again(AdvertisementId id, TimePoint now) { responder_.probe_again(id, now); }

void MdnsEngine::withdraw(AdvertisementId id, TimePoint now) { responder_.withdraw(id, now); }

Result<WatchId> MdnsEngine::browse(const BrowseRequest& request, TimePoint now) {
    const auto name = browse_name(request.type, request.subtype);
    if (!name) return name.error();
    if (watch_.size() >= kMaxWatches) return Error{Errc::queue_full, "too many browsers"};
    const auto id = watch_.browse(*name, links_, now);
    if (request.occupancy == Occupancy::one) back_up(id, {*name, DnsType::ptr}, {}, now);
    return id;
}

Result<WatchId> MdnsEngine::resolve_unique(const ResolveRequest& request, TimePoint now) {
    const auto name = instance_name(request.instance, request.type);
    if (!name) return name.error();
    if (watch_.size() >= kMaxWatches) return Error{Errc::queue_full, "too many names to resolve"};
    const auto id = watch_.resolve(*name, links_, now);
    back_up(id, {*name, DnsType::srv}, request.hints, now);
    return id;
}

void MdnsEngine::back_up(WatchId id, const names::Question& question, const std::vector<Endpoint>& hints,
                         TimePoint now) {
    if (!watch_.is_open(id)) return;
    one_shots_.back_up(question, hints, now);
    backed_up_[id] = question;
}

void MdnsEngine::stop(WatchId id) {
    watch_.stop(id);
    if (const auto open = backed_up_.find(id); open != backed_up_.end()) {
        one_shots_.stop(open->second);
        backed_up_.erase(open);
    }
}

// RFC 6762 section 10.4: two questions or more; silence for ten seconds ends the record.
Result<void> MdnsEngine::reconfirm(std::string_view instance, std::string_view type, TimePoint now) {
    const auto name = instance_name(instance, type);
    if (!name) return name.error();
    std::vector<std::pair<names::DnsName, DnsType>> doubted{{*name, DnsType::srv}, {*name, DnsType::txt}};
    cache_.each(*name, DnsType::srv, InterfaceIndex::none, [&](const CachedRecord& entry) {
        const auto& host = std::get<names::SrvData>(entry.record.data).target;
        doubted.emplace_back(host, DnsType::a);
        doubted.emplace_back(host, DnsType::aaaa);
    });
    for (const auto& [doubted_name, doubted_type] : doubted)
        if (cache_.doubt(doubted_name, doubted_type, now))
            querier_.restart(doubted_name, doubted_type, InterfaceIndex::none, now);
    return {};
}

void MdnsEngine::shut_down(TimePoint now) {
    if (closed_) return;
    now_ = now;
    responder_.withdraw_all(now);
    run_responder(now);
    closed_ = true;
}

TimePoint MdnsEngine::next_wakeup() const {
    if (closed_) return kNever;
    TimePoint next = std::min({cache_.next_wakeup(), querier_.next_wakeup(), responder_.next_wakeup(),
                               watch_.next_wakeup(), one_shots_.next_wakeup()});
    for (const auto& [link, queue] : answers_) next = std::min(next, queue.next_wakeup());
    for (const auto& reply : replies_) next = std::min(next, reply.due);
    for (const auto& query : deferred_) next = std::min(next, query.due);
    return next;
}

void MdnsEngine::on_timer(TimePoint now) {
    if (closed_) return;
    now_ = now;
    run_cache(now);
    watch_.update(links_, now);
    run_responder(now);
    run_deferred(now);
    run_queries(now);
    watch_.update(links_, now);
    run_answers(now);
    run_replies(now);
    run_one_shots(now);
}

std::optional<EngineEvent> MdnsEngine::poll_event() {
    if (auto event = watch_.poll_event()) return EngineServiceEvent{event->first, std::move(event->second)};
    if (auto event = responder_.poll_event())
        return EngineAdvertiseEvent{event->first, std::move(event->second)};
    return std::nullopt;
}

MdnsCounters MdnsEngine::counters() const {
    auto counters = counters_;
    counters.conflicts = responder_.conflicts();
    counters.cache_evicted = cache_.evicted();
    return counters;
}

void MdnsEngine::run_responder(TimePoint now) {
    if (!wakes_at_once(responder_.next_wakeup(), now)) return;
    for (auto& output : responder_.on_timer(now)) {
        send_probes(output);
        for (auto& record : output.goodbyes) record.ttl = 0;
        tell_ourselves(output.goodbyes, output.interface, now);
        tell_ourselves(output.announcements, output.interface, now);
        for (const auto link : links_.ids(output.interface)) {
            std::vector<names::Record> sent;
            for (const auto& packet : response_packets(output.goodbyes, {}, packet_limit(link), sent))
                multicast(link, SendFrom::mdns_port, packet);
            for (const auto& record : output.announcements) answers_[link].add(record, {now, now}, 1s);
        }
    }
}

void MdnsEngine::send_probes(const ResponderOutput& output) {
    if (output.probes.empty()) return;
    std::vector<ProbeItem> items;
    items.reserve(output.probes.size());
    for (const auto& probe : output.probes)
        items.push_back(
            {{probe.name, DnsType::any, names::kClassInternet, options_.sole_on_port}, probe.proposed});
    for (const auto link : links_.ids(output.interface))
        for (const auto& packet : probe_packets(items, packet_limit(link)))
            multicast(link, SendFrom::mdns_port, packet);
}

void MdnsEngine::run_cache(TimePoint now) {
    for (const auto& due : cache_.on_timer(now)) querier_.refresh(due, now);
}

void MdnsEngine::run_queries(TimePoint now) {
    for (auto& query : querier_.on_timer(cache_, now)) {
        const auto* link = links_.find(query.link.interface);
        if (link == nullptr) continue;
        const bool unicast = options_.sole_on_port && now - link->since <= kJustAppeared;
        std::vector<names::Record> known;
        for (auto& question : query.questions) {
            question.unicast_response = question.unicast_response && unicast;
            std::vector<OwnAnswer> ours;
            responder_.answer(question, query.link.interface, ours);
            std::vector<names::Record> records;
            records.reserve(ours.size());
            for (auto& own : ours) records.push_back(std::move(own.record));
            tell_ourselves(records, query.link.interface, now);
            std::ranges::move(cache_.known_answers(question.name, question.type, query.link.interface, now),
                              std::back_inserter(known));
        }
        for (const auto& packet : query_packets(query.questions, known, packet_limit(query.link)))
            multicast(query.link, SendFrom::mdns_port, packet);
    }
}

void MdnsEngine::run_answers(TimePoint now) {
    for (auto& [link, queue] : answers_) {
        const auto answers = queue.take(now);
        if (answers.empty()) continue;
        auto additionals = responder_.additionals(answers, link.interface);
        // Section 6: additional records, too, are multicast at most once in a second.
        std::erase_if(additionals, [&](const auto& record) { return queue.sent_within(record, 1s, now); });
        std::vector<names::Record> sent;
        for (const auto& packet : response_packets(answers, additionals, packet_limit(link), sent))
            multicast(link, SendFrom::mdns_port, packet);
        for (const auto& record : sent) queue.on_sent(record, now);
    }
}

void MdnsEngine::run_replies(TimePoint now) {
    for (std::size_t i = 0; i < replies_.size();) {
        if (replies_[i].due > now) {
            ++i;
            continue;
        }
        const auto reply = std::move(replies_[i]);
        replies_.erase(replies_.begin() + static_cast<std::ptrdiff_t>(i));
        const auto additionals = responder_.additionals(reply.answers, reply.link.interface);
        const auto limit = packet_limit(reply.link);
        if (reply.one_shot_id) {
            unicast(
                reply.to, SendFrom::mdns_port,
                one_shot_response(*reply.one_shot_id, reply.questions, reply.answers, additionals, limit));
            continue;
        }
        std::vector<names::Record> sent;
        for (const auto& packet : response_packets(reply.answers, additionals, limit, sent))
            unicast(reply.to, SendFrom::mdns_port, packet);
    }
}

void MdnsEngine::run_one_shots(TimePoint now) {
    std::erase_if(backed_up_, [&](const auto& open) {
        if (watch_.is_open(open.first)) return false;
        one_shots_.stop(open.second);
        return true;
    });
    if (!wakes_at_once(one_shots_.next_wakeup(), now)) return;
    // Section 15.1: no unicast answers to a shared port; they come to an ephemeral one instead.
    const auto first = options_.sole_on_port ? OneShots::FirstStep::hints_only : OneShots::FirstStep::group;
    for (const auto& query : one_shots_.on_timer(links_, first, now)) {
        if (query.multicast) {
            multicast(query.link, SendFrom::ephemeral, query.packet);
        } else {
            unicast(query.to, SendFrom::ephemeral, query.packet);
        }
    }
}

// A program sees its own services as everybody else's, without asking the network.
void MdnsEngine::tell_ourselves(const std::vector<names::Record>& records, InterfaceIndex interface,
                                TimePoint now) {
    const auto additionals = responder_.additionals(records, interface);
    std::vector<const names::Record*> all;
    all.reserve(records.size() + additionals.size());
    for (const auto& record : records) all.push_back(&record);
    for (const auto& record : additionals) all.push_back(&record);
    take_records(all, kOurselves, interface, now);
}

void MdnsEngine::multicast(LinkId link, SendFrom from, const Bytes& packet) {
    ++counters_.packets_out;
    counters_.octets_out += packet.size();
    own_.on_sent(packet, now_);
    wire_.multicast(link, from, packet);
}

void MdnsEngine::unicast(const Endpoint& to, SendFrom from, const Bytes& packet) {
    ++counters_.packets_out;
    counters_.octets_out += packet.size();
    wire_.unicast(to, from, packet);
}

std::size_t MdnsEngine::packet_limit(LinkId link) const {
    const auto* local = links_.find(link.interface);
    return local == nullptr ? 512 : local->packet_limit();
}

}  // namespace muster::discovery
