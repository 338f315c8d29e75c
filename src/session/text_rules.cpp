#include "session/text_rules.h"

#include <algorithm>
#include <cstdint>

namespace muster::session {
namespace {

constexpr std::size_t kMaxInfoEntries = 64;  // with 4 KiB in all, more would be entries without content

/// Takes one code point from the front; -1 if the octets are no well-formed UTF-8 (overlong, surrogate, cut
/// off).
std::int32_t take_code_point(std::string_view& text) {
    const auto first = static_cast<std::uint8_t>(text.front());
    const std::size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (size == 0 || first > 0xf4 || text.size() < size) return -1;
    std::int32_t point = size == 1 ? first : first & (0x7f >> size);
    for (std::size_t i = 1; i < size; ++i) {
        const auto octet = static_cast<std::uint8_t>(text[i]);
        if ((octet & 0xc0) != 0x80) return -1;
        point = (point << 6) | (octet & 0x3f);
    }
    const bool overlong = (size == 3 && point < 0x800) || (size == 4 && point < 0x10000);
    const bool surrogate = point >= 0xd800 && point <= 0xdfff;
    if (overlong || surrogate || point > 0x10ffff) return -1;
    text.remove_prefix(size);
    return point;
}

bool is_control(std::int32_t point) {
    return point < 0x20 || (point >= 0x7f && point <= 0x9f) || point == 0x2028 || point == 0x2029 ||
           (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

}  // namespace

bool is_plain_text(std::string_view text) {
    while (!text.empty()) {
        const std::int32_t point = take_code_point(text);
        if (point < 0 || is_control(point)) return false;
    }
    return true;
}

Result<void> check_name(std::string_view name) {
    if (name.empty()) return Error{Errc::bad_name, "a name must not be empty"};
    if (name.size() > kMaxNameSize)
        return Error{Errc::bad_name, "a name has at most " + std::to_string(kMaxNameSize) +
                                         " octets, this one has " + std::to_string(name.size())};
    if (!is_plain_text(name))
        return Error{Errc::bad_name, "a name must be UTF-8 without control characters, unlike '" +
                                         cleaned(name, kMaxNameSize) + "'"};
    return {};
}

Result<void> check_info(const InfoMap& info) {
    if (info.size() > kMaxInfoEntries)
        return Error{Errc::too_large, "an info map has at most " + std::to_string(kMaxInfoEntries) +
                                          " entries, this one has " + std::to_string(info.size())};
    std::size_t size = 0;
    for (const auto& [key, value] : info) {
        if (key.empty() || !is_plain_text(key) || !is_plain_text(value))
            return Error{Errc::bad_input, "info '" + cleaned(key, kMaxNameSize) +
                                              "' must have a key, and be UTF-8 without control characters"};
        size += key.size() + value.size();
    }
    if (size > kMaxInfoSize)
        return Error{Errc::too_large, "an info map has at most " + std::to_string(kMaxInfoSize) +
                                          " octets, this one has " + std::to_string(size)};
    return {};
}

std::string cleaned(std::string_view text, std::size_t limit) {
    std::string out;
    while (!text.empty()) {
        const std::string_view before = text;
        const std::int32_t point = take_code_point(text);
        if (point < 0) text.remove_prefix(1);
        const std::size_t taken = before.size() - text.size();
        const bool bad = point < 0 || is_control(point);
        if (out.size() + (bad ? 1 : taken) > limit) break;
        out += bad ? std::string_view{"?"} : before.substr(0, taken);
    }
    return out;
}

}  // namespace muster::session
