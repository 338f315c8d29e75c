// The part of MdnsEngine that takes packets in.
#include <algorithm>
#include <array>
#include <optional>

#include "discovery/mdns_engine.h"

namespace muster::discovery {
namespace {

using namespace std::chrono_literals;
using names::DnsType;

// RFC 6762 section 6: answers that others may give too wait for 20 to 120 ms.
constexpr Duration kSharedLow = 20ms;
constexpr Duration kSharedHigh = 120ms;
// Section 7.2: more known answers are to come.
constexpr Duration kTruncatedLow = 400ms;
constexpr Duration kTruncatedHigh = 500ms;
// Section 6: once a second, but 250 ms apart when a name is defended against a probe.
constexpr Duration kUsualGap = 1s;
constexpr Duration kDefenceGap = 250ms;
constexpr std::size_t kMaxKnownAnswers = 2048;  // merged from several packets of one query

bool is_one_shot(const PacketInfo& info) { return info.source.port != kMdnsPort; }
bool is_probe(const names::Message& query) { return !query.authorities.empty(); }

// Section 7.1: known with at least half of its life ahead.
bool is_known(const names::Message& query, const names::Record& ours) {
    return std::ranges::any_of(query.answers, [&](const auto& theirs) {
        return std::uint64_t{theirs.ttl} * 2 >= ours.ttl && theirs.same_as(ours);
    });
}

bool is_kept(const names::Record& record) {
    if (record.record_class != names::kClassInternet) return false;
    constexpr std::array kKept{DnsType::ptr, DnsType::srv,  DnsType::txt,
                               DnsType::a,   DnsType::aaaa, DnsType::nsec};
    return std::ranges::find(kKept, record.type) != kKept.end();
}

}  // namespace

// No address of the loopback interface is good enough for the kernel to send multicast from (their scope is the
// host), so what programs of this host say there comes from 0.0.0.0.
PacketInfo MdnsEngine::with_source(const PacketInfo& from) const {
    const IpAddress loopback{IpAddress::V4{127, 0, 0, 1}};
    PacketInfo info = from;
    if (info.source.address == IpAddress{IpAddress::V4{}} && links_.on_link(info.interface, loopback))
        info.source.address = loopback;
    return info;
}

void MdnsEngine::on_packet(const PacketInfo& from, ByteView packet, TimePoint now) {
    if (closed_) return;
    const PacketInfo info = with_source(from);
    now_ = now;
    ++counters_.packets_in;
    if (!links_.active(info.link())) {
        ++counters_.foreign;
        return;
    }
    const bool ours = info.arrival == Arrival::multicast && links_.is_own(info.source.address);
    if (ours && own_.take(packet, info.link(), now)) {
        ++counters_.own;
        return;
    }
    auto message = packet.size() <= kMaxPacket ? names::parse_message(packet) : std::nullopt;
    if (!message || message->header.opcode != 0 || message->header.rcode != 0) {  // sections 18.3 and 18.11
        ++counters_.malformed;
        return;
    }
    if (!accept(info, *message)) {
        ++counters_.foreign;
        return;
    }
    if (message->header.response) {
        on_response(info, *message, now);
    } else {
        on_query(info, *std::move(message), now);
    }
    on_timer(now);
}

bool MdnsEngine::is_here(const PacketInfo& info) const {
    return links_.on_link(info.interface, info.source.address) || links_.is_own(info.source.address);
}

// Section 11: what comes to the group is from this link; what comes by unicast, or is to be answered by unicast,
// must be from one of its subnets: whoever forges its source must not make us send to others. Section 6:
// responses come from port 5353, or are not believed.
bool MdnsEngine::accept(const PacketInfo& info, const names::Message& message) const {
    if (info.source.port == 0) return false;
    const bool by_group = info.arrival == Arrival::multicast;
    const bool answers_go_to_source = !message.header.response && is_one_shot(info);
    if ((!by_group || answers_go_to_source) && !is_here(info)) return false;
    if (!message.header.response) return info.arrival != Arrival::one_shot;
    if (info.source.port != kMdnsPort) return false;
    return info.arrival != Arrival::one_shot || one_shots_.expects(message);
}

void MdnsEngine::on_query(const PacketInfo& info, names::Message query, TimePoint now) {
    if (defer(info, query, now)) return;
    observe(info, query, now);
    respond(info, query, Delay::as_needed, now);
}

// Section 7.2: with the TC bit, the known answers go on in the next packet of the same sender.
bool MdnsEngine::defer(const PacketInfo& info, names::Message& query, TimePoint now) {
    const auto same = [&](const DeferredQuery& each) {
        return each.info.source == info.source && each.info.link() == info.link();
    };
    const auto waiting = std::ranges::find_if(deferred_, same);
    if (waiting != deferred_.end()) {
        auto& merged = waiting->query;
        const auto room = kMaxKnownAnswers - std::min(kMaxKnownAnswers, merged.answers.size());
        const auto count = static_cast<std::ptrdiff_t>(std::min(room, query.answers.size()));
        std::move(query.answers.begin(), query.answers.begin() + count, std::back_inserter(merged.answers));
        if (query.questions.empty()) return true;
    }
    if (!query.header.truncated || query.questions.empty() || is_one_shot(info)) return false;
    if (deferred_.size() >= kMaxDeferredQueries) {
        ++counters_.queries_refused;
        return true;
    }
    const auto wait = uniform(random_, Duration{kTruncatedLow}, Duration{kTruncatedHigh});
    deferred_.push_back({info, std::move(query), now + wait});
    return true;
}

void MdnsEngine::run_deferred(TimePoint now) {
    for (std::size_t i = 0; i < deferred_.size();) {
        if (deferred_[i].due > now) {
            ++i;
            continue;
        }
        const auto deferred = std::move(deferred_[i]);
        deferred_.erase(deferred_.begin() + static_cast<std::ptrdiff_t>(i));
        observe(deferred.info, deferred.query, now);
        respond(deferred.info, deferred.query, Delay::none, now);
    }
}

// What a question of somebody else tells us: we need not ask the same now (7.3), and an answer is due (10.5).
void MdnsEngine::observe(const PacketInfo& info, const names::Message& query, TimePoint now) {
    if (is_one_shot(info) || is_probe(query) || info.arrival != Arrival::multicast) return;
    const auto count = std::min(query.questions.size(), kMaxQuestionsPerPacket);
    for (std::size_t i = 0; i < count; ++i) {
        const auto& question = query.questions[i];
        if (!querier_.interested(question.name)) continue;
        querier_.on_others_question(question, query.answers, info.link(), cache_, now);
        cache_.on_others_question(question, query.answers, info.interface, now);
    }
}

void MdnsEngine::respond(const PacketInfo& info, const names::Message& query, Delay delay, TimePoint now) {
    if (is_probe(query)) responder_.on_probe(query, info.interface, now);
    if (query.questions.size() > kMaxQuestionsPerPacket) ++counters_.queries_refused;
    queue_answers(info, query, timing_of(info, query, delay, now), now);
}

// Section 6: no delay for whoever has good reason to believe that nobody else will answer. For unique records
// that is known. For lone ones it rests on the application's rules and on having heard nobody: good enough
// for an answer that goes to the one who asked, not for one that could collide with another in all ears.
MdnsEngine::ResponseTiming MdnsEngine::timing_of(const PacketInfo& info, const names::Message& query,
                                                 Delay delay, TimePoint now) {
    ResponseTiming timing{{now, now}, now, is_probe(query) ? kDefenceGap : kUsualGap};
    if (is_probe(query) || delay == Delay::none) return timing;
    bool unique = true;
    bool alone = true;
    const auto count = std::min(query.questions.size(), kMaxQuestionsPerPacket);
    for (std::size_t i = 0; i < count && alone; ++i) {
        std::vector<OwnAnswer> answers;
        responder_.answer(query.questions[i], info.interface, answers);
        unique = unique && std::ranges::all_of(answers, &OwnAnswer::unique);
        alone = !answers.empty() &&
                std::ranges::all_of(answers, [](const auto& each) { return each.unique || each.lone; });
    }
    if (unique && alone) return timing;
    const auto due = now + uniform(random_, Duration{kSharedLow}, Duration{kSharedHigh});
    timing.multicast = {now + kSharedLow, due};
    if (!alone) timing.unicast = due;
    return timing;
}

// Beyond the limits all are answered at once, by multicast and as seldom as that may be: a hundred devices that are
// powered on together hear it, and a flood is not multiplied.
bool MdnsEngine::may_reply(const PacketInfo& info, TimePoint now) {
    if (!is_here(info)) return false;
    if (replies_.size() < kMaxReplies && reply_rate_.take(now)) return true;
    ++counters_.unicasts_refused;
    return false;
}

void MdnsEngine::queue_answers(const PacketInfo& info, const names::Message& query,
                               const ResponseTiming& timing, TimePoint now) {
    auto& queue = answers_[info.link()];
    UnicastReply reply;
    const bool one_shot = is_one_shot(info);
    std::optional<bool> replies;  // asked for the first answer: questions about others' names are free
    const auto count = std::min(query.questions.size(), kMaxQuestionsPerPacket);
    for (std::size_t i = 0; i < count; ++i) {
        const auto& question = query.questions[i];
        std::vector<OwnAnswer> answers;
        responder_.answer(question, info.interface, answers);
        if (one_shot && !answers.empty()) reply.questions.push_back(question);
        for (auto& answer : answers) {
            if (is_known(query, answer.record)) continue;
            const bool to_one = one_shot || info.arrival == Arrival::unicast;
            const bool direct = to_one || question.unicast_response;
            if (direct && !replies) replies = may_reply(info, now);
            // Section 5.4: by multicast as well, unless all others have heard it within a quarter of its life. Whoever
            // asked gets it by unicast in any case: with an optimistic address (RFC 4429) it cannot ask for our link-layer
            // address, and learns it only from our asking for its own.
            const bool heard =
                queue.sent_within(answer.record, std::chrono::seconds{answer.record.ttl} / 4, now);
            const bool by_unicast = direct && *replies;
            if (!by_unicast || (!to_one && !heard)) queue.add(answer.record, timing.multicast, timing.gap);
            if (by_unicast) reply.answers.push_back(std::move(answer.record));
        }
    }
    if (reply.answers.empty()) return;
    reply.link = info.link();
    reply.to = info.source;
    reply.to.interface = info.interface;
    reply.due = timing.unicast;
    if (one_shot) reply.one_shot_id = query.header.id;
    replies_.push_back(std::move(reply));
}

void MdnsEngine::on_response(const PacketInfo& info, const names::Message& response, TimePoint now) {
    responder_.on_response(response, info, links_, now);
    if (info.arrival == Arrival::multicast) {
        auto& queue = answers_[info.link()];
        for (const auto& record : response.answers) queue.on_heard(record);
    }
    std::vector<const names::Record*> records;
    records.reserve(response.answers.size() + response.additionals.size());
    for (const auto& record : response.answers) records.push_back(&record);
    for (const auto& record : response.additionals) records.push_back(&record);
    take_records(records, info.source.address, info.interface, now);
}

// Only what somebody asked for is kept. What a record makes interesting may stand before it in the packet, so
// the packet is read in the order of dependence: instances, then their SRV and TXT, then hosts.
void MdnsEngine::take_records(std::span<const names::Record* const> records, const IpAddress& source,
                              InterfaceIndex interface, TimePoint now) {
    const auto pass_of = [](DnsType type) {
        if (type == DnsType::ptr) return 0;
        return type == DnsType::srv || type == DnsType::txt ? 1 : 2;
    };
    for (int pass = 0; pass < 3; ++pass) {
        bool taken = false;
        for (const auto* record : records) {
            if (pass_of(record->type) != pass || !is_kept(*record) || !querier_.interested(record->name))
                continue;
            taken = true;
            if (!cache_.put(*record, source, interface, now)) ++counters_.cache_refused;
        }
        if (taken) watch_.update(links_, now);
    }
}

}  // namespace muster::discovery
