#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "muster/text.h"

namespace muster {

/// Returns `text` with '?' for everything that is not plain, and at most `limit` octets of it: what others
/// say, fit to be kept and passed on. Cuts between characters.
std::string cleaned(std::string_view text, std::size_t limit);

/// The first `limit` octets of well-formed UTF-8, or less so that no character is cut.
std::string_view shortened(std::string_view text, std::size_t limit);

}  // namespace muster
