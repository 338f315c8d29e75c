#pragma once

#include <cstdint>
#include <vector>

#include "muster/ids.h"
#include "muster/interface.h"

namespace muster {

/// All interfaces at one time. A value.
struct InterfaceSnapshot {
    std::uint64_t revision = 0;         ///< Grows with every change that is told; the first is 1.
    std::vector<Interface> interfaces;  ///< By index; those that are down or have no address as well.

    bool operator==(const InterfaceSnapshot&) const = default;
};

/// What differs between two snapshots, by index.
struct InterfaceDiff {
    std::vector<InterfaceIndex> appeared;
    std::vector<InterfaceIndex> gone;
    std::vector<InterfaceIndex> changed;
    /// Interfaces over which something can no longer be sent: gone, down, without carrier, or an address that
    /// was usable is not any more. Each of them is in `gone` or `changed` too.
    std::vector<InterfaceIndex> lost;

    bool empty() const { return appeared.empty() && gone.empty() && changed.empty(); }
    bool operator==(const InterfaceDiff&) const = default;
};

/// What has changed since the last time that somebody asked.
struct InterfaceChange {
    InterfaceSnapshot before;
    InterfaceSnapshot now;
    InterfaceDiff diff;  ///< Of `now` against `before`.

    bool operator==(const InterfaceChange&) const = default;
};

}  // namespace muster
