#pragma once

#include "net/multicast_facts.h"

#include "muster/multicast_diagnosis.h"

namespace muster::net {

/// Judges what is in the way of a group. Pure: facts in, findings out. The first finding is what keeps everything away, if
/// something does; notes like port_shared come last.
MulticastDiagnosis judge(const MulticastFacts& facts);

}  // namespace muster::net
