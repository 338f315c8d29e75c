#include "base/utf8.h"

#include <algorithm>
#include <cstdint>

namespace muster {
namespace {

struct Lead {
    std::size_t size;  // octets of the sequence; 0: no sequence starts so
    std::uint8_t second_low, second_high;
};

// RFC 3629 section 4: the second octet is what keeps out overlong forms, surrogates and what is above
// U+10FFFF.
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

}  // namespace

std::string to_valid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::size_t size = sequence_size(text);
        out.append(size ? text.substr(0, size) : std::string_view{"\xef\xbf\xbd"});
        text.remove_prefix(size ? size : 1);
    }
    return out;
}

}  // namespace muster
