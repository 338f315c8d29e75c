#pragma once

#include "net/multicast_facts.h"

#include "muster/multicast_diagnosis.h"

namespace muster::net {

/// Judges what is in the way of a group. Pure: facts in, findings out. The first finding is what keeps everything away, if
/// something does; notes like port_shared come last.
MulticastDiagnosis judge(const MulticastFacts& facts);

/// Whether one of the two times of listening has brought so much, wherever the group is expected and joined, that more of
/// it would tell nothing new; where nobody has joined, whether it has come by any interface on which it is expected.
bool has_enough(const MulticastFacts& facts, HeardOnLink LinkFacts::* period);

}  // namespace muster::net
