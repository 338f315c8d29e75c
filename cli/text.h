#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "muster/bytes.h"
#include "muster/text.h"
#include "muster/time.h"

namespace muster::cli {

/// A JSON string with its quotes; always valid, and as harmless on a terminal as printable().
std::string json_string(std::string_view text);
/// JSON that somebody else wrote, with the escapes of json_string() where it has none.
std::string harmless_json(std::string_view json);
/// True for UTF-8 that may stand in a JSON string without loss.
bool is_text(ByteView octets);
std::string hex(ByteView octets);
/// Takes the first word off `rest`, and the blanks behind it.
std::string take_word(std::string& rest);

/// "0.35 ms", "123 ms", "4.2 s", "2:05 min"
std::string duration_text(Duration duration);
/// "812 B", "4.1 kB", "50.0 MB": decimal units.
std::string size_text(std::uint64_t octets);
double milliseconds(Duration duration);

/// Columns on a terminal, counted in characters.
std::size_t width_of(std::string_view text);
/// Pads to `width`; cuts with "…" what is longer.
std::string fitted(std::string_view text, std::size_t width);

/// Breaks paragraphs into lines of at most `width` characters, between words.
std::string wrapped(std::string_view text, std::size_t width);

/// Rows of printable cells, as lines with aligned columns; the first row is the heading. Columns that do not
/// fit `limit` characters are cut; 0: no limit.
std::vector<std::string> table_lines(const std::vector<std::vector<std::string>>& rows, std::size_t limit);

}  // namespace muster::cli
