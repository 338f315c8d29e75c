#pragma once

#include <string>

#include "muster/ids.h"

namespace muster::os {

/// The name an interface has now; "interface 7" if there is none with this index any more.
std::string interface_name(InterfaceIndex index);

}  // namespace muster::os
