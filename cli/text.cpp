#include "text.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/utf8.h"
#include "session/text_rules.h"

namespace muster::cli {
namespace {

struct CodePoint {
    std::string_view octets;
    std::uint32_t value = 0;
};

// Takes the first character off `text`, which is well-formed UTF-8 and not empty.
CodePoint take_first(std::string_view& text) {
    const auto lead = static_cast<std::uint8_t>(text[0]);
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    std::uint32_t value = size == 1 ? lead : lead & (0xffU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) value = value << 6 | (static_cast<std::uint8_t>(text[i]) & 0x3fU);
    const CodePoint first{text.substr(0, size), value};
    text.remove_prefix(size);
    return first;
}

std::string shown(std::uint32_t code) {
    if (code == '\n') return "\\n";
    if (code == '\r') return "\\r";
    if (code == '\t') return "\\t";
    return code < 0x100 ? fmt::format("\\x{:02x}", code) : fmt::format("\\u{:04x}", code);
}

bool is_continuation(char c) { return (static_cast<std::uint8_t>(c) & 0xc0) == 0x80; }

}  // namespace

std::string printable(std::string_view text) {
    if (session::is_plain_text(text)) return std::string{text};
    const std::string valid = to_valid_utf8(text);
    std::string out;
    for (std::string_view rest = valid; !rest.empty();) {
        const CodePoint next = take_first(rest);
        out += session::is_plain_text(next.octets) ? std::string{next.octets} : shown(next.value);
    }
    return out;
}

std::string json_string(std::string_view text) {
    const std::string valid = to_valid_utf8(text);
    std::string out = "\"";
    for (std::string_view rest = valid; !rest.empty();) {
        const CodePoint next = take_first(rest);
        if (next.value == '"' || next.value == '\\')
            out += '\\', out += next.octets;
        else if (next.value == '\n')
            out += "\\n";
        else
            out += session::is_plain_text(next.octets) ? std::string{next.octets}
                                                       : fmt::format("\\u{:04x}", next.value);
    }
    return out + '"';
}

std::string harmless_json(std::string_view json) {
    std::string out;
    const std::string valid = to_valid_utf8(json);
    for (std::string_view rest = valid; !rest.empty();) {
        const CodePoint next = take_first(rest);
        out += session::is_plain_text(next.octets) ? std::string{next.octets}
                                                   : fmt::format("\\u{:04x}", next.value);
    }
    return out;
}

bool is_text(ByteView octets) { return to_valid_utf8(as_text(octets)) == as_text(octets); }

std::string hex(ByteView octets) {
    std::string out;
    out.reserve(octets.size() * 2);
    for (const std::byte octet : octets) fmt::format_to(std::back_inserter(out), "{:02x}", octet);
    return out;
}

double milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

std::string duration_text(Duration duration) {
    const double ms = milliseconds(duration);
    if (ms < 1) return fmt::format("{:.2f} ms", ms);
    if (ms < 100) return fmt::format("{:.1f} ms", ms);
    if (ms < 1000) return fmt::format("{:.0f} ms", ms);
    if (ms < 60'000) return fmt::format("{:.1f} s", ms / 1000);
    const auto seconds = static_cast<std::int64_t>(ms / 1000);
    return fmt::format("{}:{:02} min", seconds / 60, seconds % 60);
}

std::string size_text(std::uint64_t octets) {
    if (octets < 1000) return fmt::format("{} B", octets);
    double amount = static_cast<double>(octets);
    for (const char* unit : {"kB", "MB", "GB"}) {
        amount /= 1000;
        if (amount < 999.95) return fmt::format("{:.1f} {}", amount, unit);
    }
    return fmt::format("{:.1f} TB", amount / 1000);
}

std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !is_continuation(c); }));
}

std::string fitted(std::string_view text, std::size_t width) {
    const std::size_t has = width_of(text);
    if (has <= width) return std::string{text} + std::string(width - has, ' ');
    if (width == 0) return {};
    std::size_t end = 0;
    for (std::size_t kept = 0; end < text.size(); ++end)
        if (!is_continuation(text[end]) && ++kept == width) break;
    return std::string{text.substr(0, end)} + "…";
}

std::string wrapped(std::string_view text, std::size_t width) {
    std::string out;
    std::size_t column = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
        const std::string_view word = text.substr(0, end);
        const std::size_t needs = width_of(word);
        if (column > 0 && column + 1 + needs > width) out += "\n", column = 0;
        if (column > 0) out += " ", ++column;
        out += word;
        column += needs;
        if (end < text.size() && text[end] == '\n') out += "\n", column = 0;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

std::vector<std::string> table_lines(const std::vector<std::vector<std::string>>& rows, std::size_t limit) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
    }
    std::vector<std::string> lines;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i)
            line += i + 1 == row.size() ? row[i] : fitted(row[i], widths[i]) + "  ";
        lines.push_back(limit && width_of(line) > limit ? fitted(line, limit) : line);
    }
    return lines;
}

}  // namespace muster::cli
