#pragma once

// What the parts of the judgement share.

#include <string>
#include <vector>

#include "net/route_origin.h"
#include "net/why_facts.h"

#include "muster/why_answer.h"

namespace muster::net {

/// "eth0", or "interface 7" for one that is gone.
std::string name_of(const WhyFacts& facts, InterfaceIndex index);

/// Which rule and line of the tables decide for a way.
RouteOrigin origin_of(const WhyFacts& facts, const WayFacts& way);

/// The host, its port or its next hop on the link has answered along this way.
bool has_answered(const WhyFacts& facts, const WayFacts& way);

/// True if the next hop is known not to answer for its link-layer address.
bool is_next_hop_silent(const WhyFacts& facts, const WayFacts& way);

/// What is wrong with a way along which packets were sent; nothing if what was asked for has answered.
std::vector<WhyFinding> judge_proof(const WhyFacts& facts, const WayFacts& way);

/// What is told beside the verdict: way, questions and evidence.
void put_into_words(const WhyFacts& facts, WhyAnswer& answer);

}  // namespace muster::net
