#pragma once

#include <string>
#include <string_view>

#include "muster/error.h"
#include "muster/session_types.h"

namespace muster::session {

/// True if `text` is well-formed UTF-8 (RFC 3629) without control characters: C0, DEL, C1, line and paragraph
/// separators, and the marks that turn the direction of text, with which a name could pretend to be another.
bool is_plain_text(std::string_view text);

/// Error bad_name (empty, longer than kMaxNameSize, not plain text).
Result<void> check_name(std::string_view name);
/// Error too_large (more than kMaxInfoSize or 64 entries) or bad_input (a key is empty, something is not
/// plain text).
Result<void> check_info(const InfoMap& info);

/// Returns `text` cut to `limit` octets, with '?' for everything that is not plain text: fit for a terminal.
std::string cleaned(std::string_view text, std::size_t limit);

}  // namespace muster::session
