#include "base/redactor.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <optional>

#include <boost/json.hpp>

namespace muster {
namespace {

namespace json = boost::json;

// A key of 32 octets is 43 characters of base64 without its end; a device id is 32 characters, and 40 (a digest of SHA-1)
// are no key of anything here.
constexpr std::size_t kLongestHarmless = 40;
constexpr std::size_t kMacDigits = 12;
constexpr std::size_t kMacOctets = 6;
// Of an IPv6 address; more octets in hex are a key, or the address of an interface that is not of Ethernet.
constexpr std::size_t kMostGroups = 8;
// The longest text of an IPv6 address: eight groups, the last two as of IPv4.
constexpr std::size_t kLongestAddress = 45;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_letter_or_digit(char c) { return is_digit(c) || is_lower(c) || is_upper(c); }
bool is_address_part(char c) { return is_hex(c) || c == ':' || c == '.'; }
bool is_blob_part(char c) { return is_letter_or_digit(c) || c == '+' || c == '/' || c == '_' || c == '='; }

/// The character before; a blank before the first one.
char before(std::string_view text, std::size_t at) { return at == 0 ? ' ' : text[at - 1]; }
/// The character there; a blank behind the last one.
char at_or_blank(std::string_view text, std::size_t at) { return at < text.size() ? text[at] : ' '; }

template <class Is>
std::size_t length_of_run(std::string_view text, Is is) {
    return static_cast<std::size_t>(std::ranges::find_if_not(text, is) - text.begin());
}

std::uint8_t octet_of(std::string_view digits) {
    const std::string_view two = digits.substr(0, 2);
    std::uint8_t value = 0;
    std::from_chars(two.data(), two.data() + two.size(), value, 16);
    return value;
}

bool begins(const IpAddress::V4& address, std::initializer_list<int> octets, int mask = 255) {
    std::size_t i = 0;
    for (const int octet : octets) {
        const int keep = i + 1 == octets.size() ? mask : 255;
        if ((address.at(i++) & keep) != octet) return false;
    }
    return true;
}

/// Is in use in many places, or in none.
bool says_nothing(const IpAddress::V4& address) {
    return begins(address, {0}) || begins(address, {10}) || begins(address, {127}) ||
           begins(address, {169, 254}) || begins(address, {172, 16}, 0xf0) || begins(address, {192, 168}) ||
           begins(address, {100, 64}, 0xc0) || begins(address, {192, 0, 2}) ||
           begins(address, {198, 51, 100}) || begins(address, {203, 0, 113}) ||
           begins(address, {198, 18}, 0xfe) || address[0] >= 224;
}

bool says_nothing(const IpAddress& address) {
    if (address.is_v4()) return says_nothing(address.v4());
    const auto& octets = address.v6();
    const bool is_documentation =
        octets[0] == 0x20 && octets[1] == 0x01 && octets[2] == 0x0d && octets[3] == 0xb8;
    const auto is_zero = [](std::uint8_t octet) { return octet == 0; };
    const bool is_short =
        std::all_of(octets.begin() + 8, octets.begin() + 12, is_zero);  // a person has made it
    return address.is_unspecified() || address.is_loopback() || address.is_multicast() || is_documentation ||
           (address.is_link_local() && is_short);
}

IpAddress prefix_of(const IpAddress& address) {
    if (address.is_v4()) {
        auto octets = address.v4();
        octets[3] = 0;
        return IpAddress{octets};
    }
    auto octets = address.v6();
    std::fill(octets.begin() + 8, octets.end(), std::uint8_t{0});
    return IpAddress{octets};
}

void put(IpAddress::V6& octets, std::size_t at, std::uint32_t number) {
    octets.at(at) = static_cast<std::uint8_t>(number >> 8);
    octets.at(at + 1) = static_cast<std::uint8_t>(number);
}

/// How many octets in hex stand here, "00:11:22" or "00-11-22", up to the end of a word; 0 if there is only one.
std::size_t count_pairs(std::string_view text) {
    const char separator = at_or_blank(text, 2);
    if (separator != ':' && separator != '-') return 0;
    std::size_t count = 0;
    for (std::size_t at = 0;; at += 3, ++count) {
        const bool is_pair = is_hex(at_or_blank(text, at)) && is_hex(at_or_blank(text, at + 1)) &&
                             !is_letter_or_digit(at_or_blank(text, at + 2));
        if (!is_pair) return count;
        if (at_or_blank(text, at + 2) != separator) return count + 1;
    }
}

/// Five numbers are no address of IPv4. The fifth may have been one of IPv6, and have brackets now.
bool is_fifth_number(std::string_view text, std::size_t at) {
    const char next = at_or_blank(text, at + 1);
    return at_or_blank(text, at) == '.' && (is_digit(next) || next == '[');
}

/// "81.2.69.142" up to the end of a word; 0 if there is none.
std::size_t length_of_v4(std::string_view text) {
    std::size_t at = 0;
    for (int i = 0; i < 4; ++i) {
        if (i > 0 && at_or_blank(text, at++) != '.') return 0;
        const std::size_t digits = length_of_run(text.substr(std::min(at, text.size()), 4), is_digit);
        if (digits == 0 || digits > 3) return 0;
        at += digits;
    }
    const bool is_number_next = is_fifth_number(text, at);
    return is_number_next || is_letter_or_digit(at_or_blank(text, at)) ? 0 : at;
}

/// Whether more could belong to an address of so many characters: "2a00::1" in "2a00::1:443".
bool goes_on(std::string_view text, std::size_t size) {
    const char next = at_or_blank(text, size), second = at_or_blank(text, size + 1);
    return (next == ':' || next == '.') && (is_letter_or_digit(second) || second == ':' || second == '.');
}

/// The longest address of IPv6 at the front; 0 if there is none.
std::size_t length_of_v6(std::string_view text) {
    const std::size_t run = length_of_run(text.substr(0, kLongestAddress + 1), is_address_part);
    for (std::size_t size = run; size > 1; --size) {
        const char next = at_or_blank(text, size);
        const bool is_end =
            size == run ? !is_address_part(next) && !is_letter_or_digit(next) : next == ':' || next == '.';
        const std::string_view word = text.substr(0, size);
        if (!is_end || word.find(':') == word.npos || (word == "::" && next == ':')) continue;
        if (word.back() == ':' && next == '[') continue;  // what has been left out was a part of it
        const bool is_number_next = is_fifth_number(text, size);
        if (is_number_next && word.find('.') != word.npos) continue;
        if (IpAddress::parse(word)) return size;
    }
    return 0;
}

/// Of base64 for URLs, which has dashes, like words that somebody has joined with dashes. Those have no capital letter
/// behind a small one or a digit; 41 random characters that have none come once in 30,000 times.
std::size_t length_of_key_with_dashes(std::string_view text) {
    const auto is_part = [](char c) { return is_blob_part(c) || c == '-'; };
    const std::string_view start = text.substr(0, kLongestHarmless + 1);
    if (length_of_run(start, is_part) <= kLongestHarmless) return 0;
    const auto is_of_no_word = [](char one, char next) {
        return (is_lower(one) || is_digit(one)) && is_upper(next);
    };
    if (std::ranges::adjacent_find(start, is_of_no_word) == start.end()) return 0;
    return length_of_run(text, is_part);
}

std::string left_out(std::size_t size) { return "[" + std::to_string(size) + " characters left out]"; }

}  // namespace

Redactor::Network& Redactor::network_of(const IpAddress& prefix) {
    const auto [found, is_new] = networks_.try_emplace(prefix);
    if (is_new) found->second.number = prefix.is_v4() ? networks_v4_++ : networks_v6_++;
    return found->second;
}

IpAddress Redactor::address(const IpAddress& address) {
    if (says_nothing(address)) return address;
    if (address.is_link_local()) {
        const auto next = static_cast<std::uint16_t>(link_local_.size() + 1);
        IpAddress::V6 octets{0xfe, 0x80, 0, 0, 0, 0,
                             0,    0,    0, 0, 0, 1};  // not what a person would have chosen
        put(octets, 14, link_local_.try_emplace(address, next).first->second);
        return IpAddress{octets};
    }
    Network& network = network_of(prefix_of(address));
    const auto next = static_cast<std::uint32_t>(network.hosts.size() + 1);
    const std::uint32_t host = network.hosts.try_emplace(address, next).first->second;
    if (address.is_v4())  // 198.18.0.0/15 is for benchmarks (RFC 2544)
        return IpAddress{IpAddress::V4{198, static_cast<std::uint8_t>(18 + ((network.number >> 8) & 1)),
                                       static_cast<std::uint8_t>(network.number),
                                       static_cast<std::uint8_t>(host)}};
    IpAddress::V6 octets{0x20, 0x01, 0x0d, 0xb8};
    put(octets, 6, network.number);
    put(octets, 14, host);
    return IpAddress{octets};
}

std::string Redactor::mac(const Mac& mac, char separator) {
    const auto next = static_cast<std::uint16_t>(macs_.size() + 1);
    const unsigned number = macs_.try_emplace(mac, next).first->second;
    std::array<char, 24> text{};
    std::snprintf(text.data(), text.size(), "02:00:00:00:%02x:%02x", number >> 8, number & 255);
    std::string made = text.data();
    if (separator == '\0') std::erase(made, ':');
    std::ranges::replace(made, ':', separator);
    return made;
}

/// "00:11:22:33:44:55", also with dashes; longer ones are left out. What is an IPv6 address as well has been taken before.
std::size_t Redactor::take_mac(std::string_view text, std::size_t at, std::string& made) {
    const std::string_view rest = text.substr(at);
    const std::size_t count = count_pairs(rest);
    if (count < kMacOctets || is_letter_or_digit(before(text, at))) return 0;
    const std::size_t size = 3 * count - 1;
    if (count > kMacOctets) {
        made += left_out(size);
        return size;
    }
    Mac octets{};
    for (std::size_t i = 0; i < octets.size(); ++i) octets.at(i) = octet_of(rest.substr(3 * i, 2));
    made += mac(octets, rest[2]);
    return size;
}

/// "enx001122334455", as systemd names what it knows nothing else of.
std::size_t Redactor::take_interface(std::string_view rest, std::string& made) {
    const std::string_view name = rest.substr(0, 3);
    if (name != "enx" && name != "wlx" && name != "wwx") return 0;
    const std::string_view digits = rest.substr(3, kMacDigits);
    if (digits.size() < kMacDigits || !std::ranges::all_of(digits, is_hex)) return 0;
    if (is_letter_or_digit(at_or_blank(rest, 3 + kMacDigits))) return 0;
    Mac octets{};
    for (std::size_t i = 0; i < octets.size(); ++i) octets.at(i) = octet_of(digits.substr(2 * i, 2));
    made += std::string{name} + mac(octets, '\0');
    return 3 + kMacDigits;
}

std::size_t Redactor::take_blob(std::string_view text, std::size_t at, std::string& made) const {
    const std::string_view rest = text.substr(at);
    const char last = before(text, at);
    const std::size_t run = is_blob_part(last) ? 0 : length_of_run(rest, is_blob_part);
    const std::size_t pairs = is_letter_or_digit(last) ? 0 : count_pairs(rest);
    const std::size_t most_pairs = addresses_ == Addresses::keep ? kLongestHarmless / 2 : kMostGroups;
    std::size_t size = 0;
    if (run > kLongestHarmless)
        size = run;
    else if (pairs > most_pairs)
        size = 3 * pairs - 1;
    else if (!is_blob_part(last))
        size = length_of_key_with_dashes(rest);
    if (size > 0) made += left_out(size);
    return size;
}

/// Four numbers: "proxy:81.2.69.142:4711".
std::size_t Redactor::take_v4(std::string_view text, std::size_t at, std::string& made) {
    if (!is_digit(text[at]) || is_digit(before(text, at))) return 0;
    const std::string_view rest = text.substr(at);
    const std::size_t size = length_of_v4(rest);
    const auto found = size > 0 ? IpAddress::parse(rest.substr(0, size)) : std::nullopt;
    if (!found) return 0;
    if (says_nothing(*found))
        made += rest.substr(0, size);
    else
        made += address(*found).to_string();
    return size;
}

/// The longest that is an address and begins here, at the begin of a word. It gets brackets where it could be read
/// together with what stands beside it, as one address or another.
std::size_t Redactor::take_v6(std::string_view text, std::size_t at, std::string& made) {
    const char last = before(text, at);
    const std::string_view rest = text.substr(at);
    // "reason:::1" is a label and an address. What follows an address and is none with it is none alone.
    const bool is_behind_label = last == ':' && at > 1 && text[at - 2] != ':' && text[at - 2] != ']';
    const bool is_compressed = rest.starts_with("::") && (is_behind_label || (last != ':' && last != ']'));
    if (!is_hex(rest[0]) && !is_compressed) return 0;
    if (is_letter_or_digit(last)) return 0;
    const std::size_t size = length_of_v6(rest);
    if (size == 0) return 0;
    const std::string_view word = rest.substr(0, size);
    const auto found = IpAddress::parse(word);
    if (!found) return 0;
    // "::0::3:8": the second gap may be that of an address which says more.
    if (says_nothing(*found) && word.starts_with("::") && rest.substr(size).starts_with("::")) return 0;

    const bool is_behind_address = last == '.' || (last == ':' && at > 1 && is_address_part(text[at - 2]));
    const bool is_joined = is_behind_address || goes_on(rest, size);
    if (says_nothing(*found))
        made += word;
    else
        made += is_joined ? "[" + address(*found).to_string() + "]" : address(*found).to_string();
    return size;
}

std::size_t Redactor::take_address(std::string_view text, std::size_t at, std::string& made) {
    if (const std::size_t taken = take_interface(text.substr(at), made)) return taken;
    if (const std::size_t taken = take_v4(text, at, made)) return taken;
    if (const std::size_t taken = take_v6(text, at, made)) return taken;
    return take_mac(text, at, made);
}

std::string Redactor::text(std::string_view text) {
    if (text.find("-----BEGIN") != text.npos) return "[PEM left out]";
    std::string made;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t taken = take_blob(text, at, made);
        if (taken == 0 && addresses_ == Addresses::replace) taken = take_address(text, at, made);
        if (taken == 0) {
            made += text[at];
            taken = 1;
        }
        at += taken;
    }
    return made;
}

void Redactor::apply(json::value& value) {
    if (auto* text_value = value.if_string()) {
        *text_value = json::string{text(std::string_view{*text_value})};
    } else if (auto* array = value.if_array()) {
        for (json::value& each : *array) apply(each);
    } else if (auto* object = value.if_object()) {
        for (auto& entry : *object) apply(entry.value());
    }
}

}  // namespace muster
