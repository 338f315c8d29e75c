#include "node/name_dispute.h"

#include <algorithm>

#include "node/group_names.h"

namespace muster::node {

using namespace std::chrono_literals;

namespace {

// A name that was lost is tried for again after 1, 2, 4 ... 60 s: soon enough when the claim was forged or its
// holder has gone, and rarely enough that two who both have reason to host do not fill the air with probes.
constexpr Duration kFirstPause = 1s;
constexpr Duration kLongestPause = 60s;
// Whoever was left alone for so long begins with the short pause again.
constexpr Duration kPeace = 2 * kLongestPause;

}  // namespace

NameClaim claim_of(const discovery::NameHolder& holder, std::string_view group) {
    NameClaim claim{
        .at = holder.source, .id = coordinator_id(holder.txt, group), .name = coordinator_name(holder.txt)};
    claim.at.port = holder.port;
    return claim;
}

std::string NameClaim::to_string() const {
    std::string text = name.empty() ? "another coordinator" : "'" + name + "'";
    if (id) text += " (" + id->short_string() + "...)";
    return text + " at " + to_text(at);
}

bool NameDispute::on_claim(NameClaim claim) {
    if (is_asking_) return false;
    is_asking_ = true;
    claim_ = std::move(claim);
    return true;
}

void NameDispute::on_answer(const std::optional<DeviceId>& proven, bool in_use, TimePoint now) {
    is_asking_ = false;
    const bool fresh = pause_ == Duration{} || now - last_ > kPeace;
    pause_ = fresh ? kFirstPause : std::min(2 * pause_, kLongestPause);
    last_ = now;
    again_ = now + pause_;
    if (!proven) {
        verdict_ = NameVerdict{NameVerdict::Kind::unproven, claim_};
    } else if (!was_announced_ && !in_use) {
        again_ = kNever;
        verdict_ = NameVerdict{NameVerdict::Kind::taken, claim_, *proven};
    } else if (proven != rival_) {
        rival_ = proven;
        verdict_ = NameVerdict{NameVerdict::Kind::contested, claim_, *proven};
    }
}

void NameDispute::on_timer(TimePoint now) {
    if (now < again_) return;
    again_ = kNever;
    verdict_ = NameVerdict{.kind = NameVerdict::Kind::probe_again};
}

}  // namespace muster::node
