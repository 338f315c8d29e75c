#include "discovery/one_shots.h"

#include <algorithm>
#include <array>

namespace muster::discovery {
namespace {

using namespace std::chrono_literals;

// Hints at once; the group at 100 ms, when an answer to the multicast question (10 ms, section 6) is overdue
// by the longest beacon interval of usual access points (102.4 ms), and once more before the continuous
// repeat at 1 s.
constexpr std::array<Duration, 3> kSteps{0ms, 100ms, 400ms};
constexpr Duration kAnswersUntil = 2s;
constexpr std::size_t kMaxPlans = 256;
constexpr std::size_t kMaxHints = 16;
constexpr std::size_t kPacketLimit = 512;  // one question always fits

}  // namespace

void OneShots::back_up(const names::Question& question, const std::vector<Endpoint>& hints, TimePoint now) {
    add(Purpose::back_up, question, hints, now);
}

void OneShots::ask_first(const names::Question& question, TimePoint now) {
    add(Purpose::ask_first, question, {}, now);
}

void OneShots::add(Purpose purpose, const names::Question& question, const std::vector<Endpoint>& hints,
                   TimePoint now) {
    if (plans_.size() >= kMaxPlans) return;  // the multicast questions go on
    Plan plan;
    plan.purpose = purpose;
    plan.question = question;
    plan.hints.assign(hints.begin(),
                      hints.begin() + static_cast<std::ptrdiff_t>(std::min(hints.size(), kMaxHints)));
    plan.begun = plan.next = now;
    plan.id = static_cast<std::uint16_t>(1 + uniform(random_, 65535));
    plans_.push_back(std::move(plan));
}

void OneShots::stop(const names::Question& question) {
    std::erase_if(plans_, [&](const Plan& plan) {
        return plan.purpose == Purpose::back_up && plan.question == question;
    });
}

bool OneShots::expects(const names::Message& response) const {
    return std::ranges::any_of(plans_, [&](const Plan& plan) {
        const bool asked = std::ranges::find(response.questions, plan.question) != response.questions.end();
        return plan.id == response.header.id && (asked || response.questions.empty());
    });
}

TimePoint OneShots::next_wakeup() const {
    TimePoint next = kNever;
    for (const auto& plan : plans_) next = std::min(next, plan.next);
    return next;
}

std::vector<OneShots::Query> OneShots::on_timer(const LinkTable& links, FirstStep first, TimePoint now) {
    std::vector<Query> out;
    for (auto& plan : plans_) {
        if (plan.next > now || plan.step >= kSteps.size()) continue;
        for (const auto& hint : plan.hints) {
            Endpoint to = hint;
            to.port = kMdnsPort;
            if (to.interface != InterfaceIndex::none) out.push_back({false, {}, to, packet_of(plan)});
        }
        if (asks_group(plan, first))
            for (const auto link : links.ids()) out.push_back({true, link, {}, packet_of(plan)});
        ++plan.step;
        plan.next = plan.begun + (plan.step < kSteps.size() ? kSteps[plan.step] : kAnswersUntil);
    }
    std::erase_if(plans_, [&](const Plan& plan) { return now - plan.begun >= kAnswersUntil; });
    return out;
}

bool OneShots::asks_group(const Plan& plan, FirstStep first) {
    if (plan.purpose == Purpose::ask_first) return plan.step == 0;
    return plan.step > 0 || first == FirstStep::group;
}

Bytes OneShots::packet_of(const Plan& plan) {
    names::Header header;
    header.id = plan.id;
    names::MessageWriter writer{header, kPacketLimit};
    writer.add(plan.question);
    return writer.finish();
}

}  // namespace muster::discovery
