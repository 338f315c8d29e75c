#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace muster {

// Text from outside: names, reasons and file names are chosen by others and may be any
// octets. Values; any thread.

/// One character (code point) of a text.
struct Character {
    std::string_view octets;       ///< Part of the text it was taken from.
    std::optional<char32_t> code;  ///< nullopt: one octet that is not part of well-formed UTF-8.
};

/// Takes the first character off `text`, which must not be empty. Well-formed is what RFC 3629 allows: no
/// overlong forms, no surrogates, nothing above U+10FFFF.
Character take_character(std::string_view& text);

/// False for what could steer a terminal or make a name read as another one: controls (C0, DEL, C1), line and
/// paragraph separators, and the marks that turn the direction of writing (Unicode's Bidi_Control).
bool is_plain(char32_t code);
/// True if `text` is well-formed UTF-8 of plain characters: the rule for names of devices, groups and files,
/// and for info maps.
bool is_plain_text(std::string_view text);

/// Copies `text`, with U+FFFD for each octet that is not part of well-formed UTF-8: fit for JSON.
std::string to_valid_utf8(std::string_view text);
/// Copies `text` for a terminal or a line of a log, with \n, \x1b or \u202e for characters that are not
/// plain, and U+FFFD for what is no UTF-8.
std::string printable(std::string_view text);

}  // namespace muster
