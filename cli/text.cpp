#include "text.h"

#include <algorithm>

#include <fmt/format.h>

#include "muster/text.h"

namespace muster::cli {
namespace {

// The characters of `text` as they may stand in JSON and on a terminal; `escape` for those that JSON has its
// own way with.
template <class Escape>
std::string harmless(std::string_view text, Escape escape) {
    std::string out;
    while (!text.empty()) {
        const Character next = take_character(text);
        const char32_t code = next.code.value_or(U'\ufffd');
        if (const std::string_view special = escape(code); !special.empty())
            out += special;
        else if (!next.code)
            out += "\xef\xbf\xbd";
        else
            out += is_plain(code) ? std::string{next.octets}
                                  : fmt::format("\\u{:04x}", static_cast<std::uint32_t>(code));
    }
    return out;
}

bool is_continuation(char c) { return (static_cast<std::uint8_t>(c) & 0xc0) == 0x80; }

}  // namespace

std::string json_string(std::string_view text) {
    return '"' +
           harmless(text,
                    [](char32_t code) -> std::string_view {
                        if (code == U'"') return "\\\"";
                        if (code == U'\\') return "\\\\";
                        return code == U'\n' ? "\\n" : "";
                    }) +
           '"';
}

std::string harmless_json(std::string_view json) {
    return harmless(json, [](char32_t) { return std::string_view{}; });
}

bool is_text(ByteView octets) { return to_valid_utf8(as_text(octets)) == as_text(octets); }

std::string hex(ByteView octets) {
    std::string out;
    out.reserve(octets.size() * 2);
    for (const std::byte octet : octets) fmt::format_to(std::back_inserter(out), "{:02x}", octet);
    return out;
}

std::string take_word(std::string& rest) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    std::string word = rest.substr(0, end);
    rest.erase(0, std::min(rest.find_first_not_of(' ', end), rest.size()));
    return word;
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
