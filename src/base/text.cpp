#include "base/text.h"

#include <algorithm>
#include <cstdint>

namespace muster {
namespace {

struct Lead {
    std::size_t size;  // octets of the sequence; 0: no sequence starts so
    std::uint8_t second_low, second_high;
};

// RFC 3629 section 4: the second octet keeps out overlong forms, surrogates and what is above U+10FFFF.
Lead lead_of(std::uint8_t first) {
    if (first < 0x80) return {1, 0, 0};
    if (first < 0xc2) return {0, 0, 0};
    if (first < 0xe0) return {2, 0x80, 0xbf};
    if (first == 0xe0) return {3, 0xa0, 0xbf};
    if (first == 0xed) return {3, 0x80, 0x9f};
    if (first < 0xf0) return {3, 0x80, 0xbf};
    if (first == 0xf0) return {4, 0x90, 0xbf};
    if (first < 0xf4) return {4, 0x80, 0xbf};
    if (first == 0xf4) return {4, 0x80, 0x8f};
    return {0, 0, 0};
}

// Octets of the well-formed sequence at the front of `text`, which is not empty; 0 if there is none.
std::size_t sequence_size(std::string_view text) {
    const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const Lead lead = lead_of(octet(0));
    if (lead.size < 2) return lead.size;
    if (text.size() < lead.size || octet(1) < lead.second_low || octet(1) > lead.second_high) return 0;
    const auto tail = text.substr(2, lead.size - 2);
    const bool whole =
        std::ranges::all_of(tail, [](char c) { return (static_cast<std::uint8_t>(c) & 0xc0) == 0x80; });
    return whole ? lead.size : 0;
}

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

char32_t code_of(std::string_view sequence) {
    const auto first = static_cast<std::uint8_t>(sequence[0]);
    char32_t code = sequence.size() == 1 ? first : first & (0x7fu >> sequence.size());
    for (const char c : sequence.substr(1)) code = (code << 6) | (static_cast<std::uint8_t>(c) & 0x3fu);
    return code;
}

// Characters that are not plain are all below U+10000.
std::string escape(char32_t code) {
    if (code == U'\n') return "\\n";
    if (code == U'\r') return "\\r";
    if (code == U'\t') return "\\t";
    std::string out = code < 0x100 ? "\\x" : "\\u";
    for (int shift = code < 0x100 ? 4 : 12; shift >= 0; shift -= 4)
        out += "0123456789abcdef"[(code >> shift) & 0xf];
    return out;
}

}  // namespace

Character take_character(std::string_view& text) {
    const std::size_t size = sequence_size(text);
    Character first{text.substr(0, size ? size : 1), std::nullopt};
    if (size) first.code = code_of(first.octets);
    text.remove_prefix(first.octets.size());
    return first;
}

// A turned direction makes "exe.fdp" read as "pdf.exe" (Trojan Source, CVE-2021-42574).
bool is_plain(char32_t code) {
    const auto within = [code](char32_t first, char32_t last) { return code >= first && code <= last; };
    const bool control = code < 0x20 || within(0x7f, 0x9f) || within(0x2028, 0x2029);
    const bool turns =
        code == 0x061c || within(0x200e, 0x200f) || within(0x202a, 0x202e) || within(0x2066, 0x2069);
    return !control && !turns;
}

bool is_plain_text(std::string_view text) {
    while (!text.empty()) {
        const Character next = take_character(text);
        if (!next.code || !is_plain(*next.code)) return false;
    }
    return true;
}

std::string to_valid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const Character next = take_character(text);
        out += next.code ? next.octets : kReplacement;
    }
    return out;
}

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const Character next = take_character(text);
        if (!next.code)
            out += kReplacement;
        else
            out += is_plain(*next.code) ? std::string{next.octets} : escape(*next.code);
    }
    return out;
}

std::string cleaned(std::string_view text, std::size_t limit) {
    std::string out;
    while (!text.empty()) {
        const Character next = take_character(text);
        const std::string_view kept = next.code && is_plain(*next.code) ? next.octets : "?";
        if (out.size() + kept.size() > limit) break;
        out += kept;
    }
    return out;
}

std::string_view shortened(std::string_view text, std::size_t limit) {
    if (text.size() <= limit) return text;
    while (limit > 0 && (static_cast<std::uint8_t>(text[limit]) & 0xc0) == 0x80) --limit;
    return text.substr(0, limit);
}

}  // namespace muster
