#pragma once

#include <span>
#include <string>
#include <vector>

#include "muster/interface.h"

namespace muster {

/// The interface with this index, or null. Valid as long as what `interfaces` shows.
const Interface* find_interface(std::span<const Interface> interfaces, InterfaceIndex index);

/// True if `address` is in the subnet of `own`.
bool in_subnet(const InterfaceAddress& own, const IpAddress& address);

/// True if one of the selectors (PathPreferences) means this interface.
bool fits_any(const Interface& interface, const std::vector<std::string>& selectors);

}  // namespace muster
