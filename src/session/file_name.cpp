#include "session/file_name.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace muster::session {
namespace {

struct CodePoint {
    char32_t value;
    std::size_t size;
};

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Takes one code point from the front; nullopt for overlong forms, surrogates and whatever else RFC 3629
// forbids.
std::optional<CodePoint> decode(std::string_view text) {
    const auto first = static_cast<unsigned char>(text[0]);
    if (first < 0x80) return CodePoint{first, 1};
    const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < size) return std::nullopt;
    char32_t value = first & (0x7fu >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if (!is_continuation(text[i])) return std::nullopt;
        value = (value << 6) | (static_cast<unsigned char>(text[i]) & 0x3fu);
    }
    constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = value >= 0xd800 && value <= 0xdfff;
    if (value < smallest[size] || value > 0x10ffff || surrogate) return std::nullopt;
    return CodePoint{value, size};
}

bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029; }

// Bidirectional overrides and isolates make "exe.fdp" read as "pdf.exe" (Trojan Source, CVE-2021-42574).
bool turns_direction(char32_t c) {
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f;
}

Error bad_name(const char* why) { return Error{Errc::bad_name, std::string("the file name ") + why}; }

// Cuts at a code point, never inside one.
std::string_view shortened(std::string_view text, std::size_t limit) {
    if (text.size() <= limit) return text;
    while (limit > 0 && is_continuation(text[limit])) --limit;
    return text.substr(0, limit);
}

}  // namespace

Result<void> check_file_name(std::string_view name, HiddenNames hidden) {
    if (name.empty()) return bad_name("is empty");
    if (name.size() > kMaxFileName) return bad_name("is longer than 255 octets");
    if (name == "." || name == "..") return bad_name("means a directory");
    if (name.starts_with(".muster-")) return bad_name("is reserved for unfinished transfers");
    for (std::string_view rest = name; !rest.empty();) {
        const auto point = decode(rest);
        if (!point) return bad_name("is not valid UTF-8");
        if (point->value == U'/' || point->value == U'\\') return bad_name("has a path separator");
        if (is_control(point->value)) return bad_name("has control characters");
        if (turns_direction(point->value))
            return bad_name("has characters that change the reading direction");
        rest.remove_prefix(point->size);
    }
    if (name.front() == '.' && hidden == HiddenNames::refuse) return bad_name("begins with a dot");
    return {};
}

std::string printable(std::string_view text, std::size_t limit) {
    std::string out;
    for (std::string_view rest = text; !rest.empty();) {
        const auto point = decode(rest);
        const std::size_t size = point ? point->size : 1;
        const bool shown = point && !is_control(point->value) && !turns_direction(point->value);
        if (out.size() + (shown ? size : 1) > limit) break;
        out.append(shown ? rest.substr(0, size) : std::string_view{"?"});
        rest.remove_prefix(size);
    }
    return out;
}

std::string_view base_name(std::string_view path) {
    while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
    const auto slash = path.rfind('/');
    return slash == std::string_view::npos || path.size() == 1 ? path : path.substr(slash + 1);
}

std::string numbered_name(std::string_view name, unsigned number) {
    const auto dot = name.rfind('.');
    // A dot in front begins a hidden name, and what follows the 20th octet from the end is no extension.
    const bool has_extension = dot != std::string_view::npos && dot > 0 && name.size() - dot <= 20;
    const std::string_view extension = has_extension ? name.substr(dot) : std::string_view{};
    const std::string suffix = " (" + std::to_string(number) + ")" + std::string(extension);
    const std::string_view stem = name.substr(0, name.size() - extension.size());
    return std::string(shortened(stem, kMaxFileName - suffix.size())) + suffix;
}

}  // namespace muster::session
