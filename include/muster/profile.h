#pragma once

#include "muster/time.h"

namespace muster {

/// How soon a silent peer is noticed, against what it costs.
enum class Profile {
    realtime,   ///< Bound 150 ms; a heartbeat each way every 40 ms.
    balanced,   ///< Bound 1.2 s; every 400 ms. The default.
    low_power,  ///< Bound 15 s; every 7 s.
};

/// The longest time for which a peer that has vanished is still called connected, while this
/// process gets to run.
Duration liveness_bound(Profile profile);

}  // namespace muster
