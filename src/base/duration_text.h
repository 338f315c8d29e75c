#pragma once

#include <chrono>
#include <string>

#include "muster/time.h"

namespace muster {

/// "1500 ms", rounded down.
inline std::string in_milliseconds(Duration value) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(value).count()) + " ms";
}

}  // namespace muster
