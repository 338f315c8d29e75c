#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "muster/error.h"

namespace muster::cli {

/// One setting of a configuration file.
struct ConfigEntry {
    std::string section;  ///< A command; empty: for all of them.
    std::string key;      ///< The long name of an option.
    std::vector<std::string> values;
    std::size_t line = 0;

    bool operator==(const ConfigEntry&) const = default;
};

inline constexpr std::size_t kMaxConfigSize = 64 * 1024;
inline constexpr std::size_t kMaxConfigEntries = 256;
inline constexpr std::size_t kMaxConfigValues = 256;

/// Reads the part of TOML that defaults need: [section], key = value, # comments; a value is "text" with \"
/// \\ \n \t, 'text as it is', a bare word or number, or a list [a, b] of them on one line. Errors: bad_input
/// with the line, or too_large.
Result<std::vector<ConfigEntry>> parse_config(std::string_view text);

}  // namespace muster::cli
