#pragma once

#include "net/why_facts.h"

#include "muster/why_answer.h"

namespace muster::net {

/// Judges why packets to a host do not arrive. Pure: facts in, verdict out. What the kernel itself says comes first, then what
/// devices have said, then what silence means.
WhyAnswer judge(const WhyFacts& facts);

}  // namespace muster::net
