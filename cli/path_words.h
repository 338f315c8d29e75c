#pragma once

#include <string>

#include "muster/path_preferences.h"

namespace muster::cli {

/// Reads what follows /prefer: "prohibit wlan0 prefer eth* prefer kind:wired". Nothing: no preferences. Errors: bad_input,
/// also for selectors.
Result<PathPreferences> read_preferences(const std::string& words);

}  // namespace muster::cli
