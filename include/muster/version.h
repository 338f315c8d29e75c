#pragma once

#include <cstdint>
#include <string_view>

namespace muster {

/// The version of the library that this program runs with: "0.1.0".
std::string_view version() noexcept;

/// The version of the session protocol that it speaks (docs/PROTOCOL.md); two ends need one in common.
std::uint64_t protocol_version() noexcept;

}  // namespace muster
