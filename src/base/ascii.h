#pragma once

namespace muster {

/// The small letter for a capital of ASCII; every other octet as it is, for DNS knows no other case (RFC 4343).
constexpr char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

}  // namespace muster
