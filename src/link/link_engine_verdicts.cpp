// Why links and dials fail: asks around when one falls silent, and judges what is known.
#include <algorithm>
#include <ranges>
#include <utility>

#include "link/link_engine.h"
#include "link/quic_link.h"

namespace muster::link {

using namespace std::chrono_literals;

namespace {

// An inquiry is some ten packets: with half of this, a link that loses much would ask as much as it carries.
constexpr Duration kBetweenInquiries = 2s;
// What an inquiry that began later finds is still to come.
constexpr Duration kInquiryTakes = 100ms;
// A race that has no answer by then has asked four times.
constexpr Duration kDialIsSilent = 100ms;
constexpr std::size_t kMostInquiriesOfDial = 3;
constexpr std::size_t kMostOpenCases = 64;
// What was silent is asked about again: a device that was rebooting can tell by then that nobody listens there.
constexpr Duration kAskAgain[] = {1s, 4s};
// Links that are looked at to learn whether others are heard: of ten thousand, any few tell the same.
constexpr std::size_t kMostOthers = 32;

}  // namespace

void LinkEngine::on_refused(const Path& path, SendRefusal refusal, TimePoint now) {
    reports_.on_refused(path, refusal, now);
    if (options_.recorder)
        options_.recorder->record({}, seen::SendRefused{way_of(path), to_string(refusal)}, now);
}

void LinkEngine::on_icmp(const IcmpReport& report, TimePoint now) {
    now_ = now;
    reports_.on_icmp(report, now);
    record({}, seen::IcmpError{report.to, to_string(report.report), report.reporter});
    close_cases([&](const OpenCase& each) { return is_about(report, each.path.remote); });
    has_reports_ = true;
}

void LinkEngine::on_findings(const Path& path, const PathFindings& findings, TimePoint now) {
    now_ = now;
    reports_.on_findings(path, findings, now);
    close_cases([&](const OpenCase& each) { return each.path == path; });
    has_reports_ = true;
}

/// Tells what is certain now of those about which something has been heard.
void LinkEngine::close_cases(const std::function<bool(const OpenCase&)>& has_news) {
    std::vector<std::pair<DeviceId, Error>> found;
    std::erase_if(open_cases_, [&](OpenCase& each) {
        if (!has_news(each)) return false;
        const auto report = reports_.of(each.path, each.since);
        if (report.refusal != SendRefusal::none) each.symptoms.refusal = report.refusal;
        if (report.findings) each.symptoms.findings = report.findings;
        const Verdict verdict = judge(each.symptoms);
        if (!verdict.is_certain()) return false;
        found.emplace_back(each.peer,
                           with_verdict({Errc::lost, "it is known now why nothing was heard"}, verdict));
        return true;
    });
    for (const auto& [peer, why] : found) {
        record(peer, seen::FaultFound{why});
        events_.on_fault_found(peer, why);
    }
}

/// Once a turn, whatever was reported: it looks at all links, and anybody may send ICMP errors.
void LinkEngine::lose_known_dead() {
    if (!std::exchange(has_reports_, false)) return;
    std::vector<LinkSerial> dead;
    for (const auto& [serial, link] : links_)
        if (is_known_dead(*link)) dead.push_back(serial);
    for (const LinkSerial serial : dead)
        if (const auto link = links_.find(serial); link != links_.end()) lose(*link->second);
}

/// Its device says that nobody listens there any more: no need to wait for the bound.
bool LinkEngine::is_known_dead(const QuicLink& link) const {
    if (!link.is_up() || link.unanswered() == 0) return false;
    const auto found = reports_.of(path(link), link.last_heard()).findings;
    return found && found->report == PathFindings::Report::no_port && found->by_peer;
}

void LinkEngine::look_into(QuicLink& link) {
    if (!link.is_up() || !link.is_doubtful(now_) || now_ - link.inquired_at() < kBetweenInquiries) return;
    link.on_inquired(now_);
    medium_.inquire(path(link));
}

void LinkEngine::look_into(Dial& dial) {
    if (dial.has_inquired || dial.race.has_answer() || now_ - dial.began < kDialIsSilent) return;
    dial.has_inquired = true;
    for (const Path& silent : dial.race.silent_paths() | std::views::take(kMostInquiriesOfDial))
        medium_.inquire(silent);
}

Symptoms LinkEngine::symptoms_of(const QuicLink& link, TimePoint since) const {
    const Path along = path(link);
    const auto report = reports_.of(along, since);
    Symptoms seen;
    seen.path = along.to_string();
    seen.interface = interface_of(along);
    seen.obstacle = link.paths() ? link.paths()->obstacle() : link.way_back().why();
    seen.refusal = report.refusal;
    seen.findings = report.findings;
    if (const PathTable* table = link.paths()) {
        seen.told = table->told();
        seen.silent_ways = table->silent_ways(now_);
    }
    const Duration silence = now_ - link.last_heard();
    for (const auto& [serial, other] : links_ | std::views::take(kMostOthers)) {
        if (other.get() == &link || !other->is_up()) continue;
        if (path(*other).remote.interface != along.remote.interface) continue;
        const bool is_heard = other->last_heard() - link.last_heard() > silence / 2;
        ++(is_heard ? seen.links_heard : seen.links_silent);
    }
    return seen;
}

Verdict LinkEngine::judge_left_path(const QuicLink& link, const Path& left) {
    Symptoms seen;
    seen.path = left.to_string();
    seen.interface = interface_of(left);
    seen.peer_lives = true;
    const TimePoint since = std::max(link.inquired_at(), now_ - kBetweenInquiries);
    const auto report = reports_.of(left, since);
    seen.refusal = report.refusal;
    seen.findings = report.findings;
    Verdict verdict = judge(seen);
    if (!verdict.is_certain()) keep_open(link, left, std::move(seen), since);
    return verdict;
}

void LinkEngine::keep_open(const QuicLink& link, const Path& path, Symptoms symptoms, TimePoint since) {
    std::erase_if(open_cases_, [&](const OpenCase& each) { return each.peer == link.peer(); });
    if (open_cases_.size() == kMostOpenCases) open_cases_.pop_front();
    open_cases_.push_back({.peer = link.peer(),
                           .path = path,
                           .symptoms = std::move(symptoms),
                           .since = since,
                           .next = now_ + kAskAgain[0]});
    if (now_ - link.inquired_at() >= kInquiryTakes) medium_.inquire(path);
}

void LinkEngine::advance_cases() {
    for (OpenCase& each : open_cases_) {
        if (now_ < each.next) continue;
        if (each.symptoms.peer_lives) {
            each.next = kNever;
            continue;
        }
        const bool is_last = each.asked == static_cast<int>(std::size(kAskAgain));
        each.next = is_last ? kNever : now_ + kAskAgain[each.asked];
        ++each.asked;
        medium_.inquire(each.path);
    }
}

Error LinkEngine::explain(const Dial& dial) const {
    Error why = dial.race.failure(now_);
    if (why.code() != Errc::unreachable) return why;
    Verdict best;
    for (const Path& tried : dial.race.paths()) {
        const auto report = reports_.of(tried, dial.began);
        Symptoms seen;
        seen.path = tried.to_string();
        seen.interface = interface_of(tried);
        seen.refusal = report.refusal;
        seen.findings = report.findings;
        Verdict verdict = judge(seen);
        const bool tells_more = verdict.is_certain() || verdict.evidence.size() > best.evidence.size();
        if (!best.is_certain() && tells_more) best = std::move(verdict);
    }
    return with_verdict(std::move(why), best);
}

std::string LinkEngine::interface_of(const Path& path) const {
    const auto found = interface_names_.find(path.remote.interface);
    return found == interface_names_.end() ? std::string{} : found->second;
}

}  // namespace muster::link
