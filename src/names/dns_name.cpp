#include "names/dns_name.h"

#include <algorithm>
#include <cstdint>

#include "base/ascii.h"
#include "base/fnv.h"

namespace muster::names {
namespace {

// Length octets are at most 63 and so never letters.
unsigned char fold(char c) { return static_cast<unsigned char>(ascii_lower(c)); }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads one escaped character behind a backslash; false if it is broken.
bool read_escape(std::string_view text, std::size_t& at, char& out) {
    if (at >= text.size()) return false;
    if (!is_digit(text[at])) {
        out = text[at++];
        return true;
    }
    if (at + 3 > text.size() || !is_digit(text[at + 1]) || !is_digit(text[at + 2])) return false;
    const int value = (text[at] - '0') * 100 + (text[at + 1] - '0') * 10 + (text[at + 2] - '0');
    if (value > 255) return false;
    out = static_cast<char>(value);
    at += 3;
    return true;
}

void escape_into(std::string& out, std::string_view label) {
    for (const char c : label) {
        const auto octet = static_cast<unsigned char>(c);
        if (c == '.' || c == '\\') {
            out += '\\';
            out += c;
        } else if (octet < 0x20 || octet == 0x7f) {
            out += '\\';
            out += static_cast<char>('0' + octet / 100);
            out += static_cast<char>('0' + octet / 10 % 10);
            out += static_cast<char>('0' + octet % 10);
        } else {
            out += c;
        }
    }
}

}  // namespace

std::optional<DnsName> DnsName::parse(std::string_view text) {
    DnsName name;
    if (text.empty() || text == ".") return name;
    std::string label;
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at++];
        if (c == '.') {
            if (!name.append(label)) return std::nullopt;
            label.clear();
            continue;
        }
        char out = c;
        if (c == '\\' && !read_escape(text, at, out)) return std::nullopt;
        label += out;
    }
    if (!label.empty() && !name.append(label)) return std::nullopt;
    return name;
}

std::optional<DnsName> DnsName::from_labels(const std::vector<std::string_view>& labels) {
    DnsName name;
    for (const auto label : labels)
        if (!name.append(label)) return std::nullopt;
    return name;
}

bool DnsName::append(std::string_view label) {
    if (label.empty() || label.size() > kMaxLabel) return false;
    if (wire_.size() + 1 + label.size() + 1 > kMaxWire) return false;
    wire_ += static_cast<char>(label.size());
    wire_ += label;
    return true;
}

std::optional<DnsName> DnsName::prefixed(std::string_view label) const {
    DnsName name;
    if (!name.append(label) || name.wire_.size() + wire_.size() + 1 > kMaxWire) return std::nullopt;
    name.wire_ += wire_;
    return name;
}

std::size_t DnsName::label_count() const {
    std::size_t count = 0;
    for (std::size_t at = 0; at < wire_.size(); at += 1 + static_cast<std::size_t>(wire_[at])) ++count;
    return count;
}

std::string_view DnsName::first_label() const {
    if (wire_.empty()) return {};
    return std::string_view{wire_}.substr(1, static_cast<std::size_t>(wire_[0]));
}

DnsName DnsName::parent() const {
    DnsName name;
    if (!wire_.empty()) name.wire_ = wire_.substr(1 + static_cast<std::size_t>(wire_[0]));
    return name;
}

bool DnsName::ends_with(const DnsName& suffix) const {
    for (std::size_t at = 0; wire_.size() - at >= suffix.wire_.size();
         at += 1 + static_cast<std::size_t>(wire_[at])) {
        if (wire_.size() - at == suffix.wire_.size())
            return std::equal(wire_.begin() + static_cast<std::ptrdiff_t>(at), wire_.end(),
                              suffix.wire_.begin(), [](char a, char b) { return fold(a) == fold(b); });
    }
    return false;
}

std::vector<std::string_view> DnsName::labels() const {
    std::vector<std::string_view> out;
    for (std::size_t at = 0; at < wire_.size(); at += 1 + static_cast<std::size_t>(wire_[at]))
        out.push_back(std::string_view{wire_}.substr(at + 1, static_cast<std::size_t>(wire_[at])));
    return out;
}

std::string DnsName::to_string() const {
    if (wire_.empty()) return ".";
    std::string out;
    for (const auto label : labels()) {
        if (!out.empty()) out += '.';
        escape_into(out, label);
    }
    return out;
}

bool operator==(const DnsName& a, const DnsName& b) {
    return std::equal(a.wire_.begin(), a.wire_.end(), b.wire_.begin(), b.wire_.end(),
                      [](char x, char y) { return fold(x) == fold(y); });
}

std::strong_ordering operator<=>(const DnsName& a, const DnsName& b) {
    return std::lexicographical_compare_three_way(a.wire_.begin(), a.wire_.end(), b.wire_.begin(),
                                                  b.wire_.end(),
                                                  [](char x, char y) { return fold(x) <=> fold(y); });
}

std::size_t DnsName::hash() const noexcept {
    Fnv1a hash;
    for (const char c : wire_) hash.add(fold(c));
    return static_cast<std::size_t>(hash.value());
}

}  // namespace muster::names
