#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace muster {

/// Owned octets.
using Bytes = std::vector<std::byte>;

/// Borrowed octets; valid for the duration of the call that receives them unless said otherwise.
using ByteView = std::span<const std::byte>;

/// Views the characters of `text` as octets; no copy.
inline ByteView as_bytes(std::string_view text) { return std::as_bytes(std::span{text.data(), text.size()}); }

/// Views octets as characters; no copy, no check that they are text.
inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Copies `view` into octets of its own.
inline Bytes to_bytes(ByteView view) { return Bytes(view.begin(), view.end()); }

/// Copies the characters of `text` into octets of its own.
inline Bytes to_bytes(std::string_view text) { return to_bytes(as_bytes(text)); }

}  // namespace muster
