#pragma once

#include <cstdint>

#include "muster/bytes.h"
#include "muster/ids.h"

namespace muster::os {

/// How an interface of IEEE 802.11 meets its peers.
enum class RadioRole : std::uint8_t {
    none,            ///< It is no radio, or the kernel does not say (no nl80211).
    infrastructure,  ///< At an access point, or as one.
    peer_to_peer,    ///< Without one: ad hoc, mesh, P2P, OCB, NAN.
};

/// Asks nl80211; works in every namespace, without /sys, for everybody.
RadioRole radio_role(InterfaceIndex index);

/// The same of nl80211's answer about an interface. Pure: any octets.
RadioRole role_in(ByteView answer);

}  // namespace muster::os
