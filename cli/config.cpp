#include "config.h"

#include <algorithm>

#include "text.h"

namespace muster::cli {
namespace {

bool is_word_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"-_.+:%/@"}.find(c) != std::string_view::npos;
}

/// One line, from left to right.
class LineParser {
public:
    LineParser(std::string_view text, std::size_t line) : rest_(text), line_(line) {}

    bool at_end() {
        skip_blanks();
        return rest_.empty() || rest_.front() == '#';
    }
    bool take(char wanted) {
        skip_blanks();
        if (rest_.empty() || rest_.front() != wanted) return false;
        rest_.remove_prefix(1);
        return true;
    }
    Result<std::string> word(std::string_view what) {
        skip_blanks();
        const auto* end = std::ranges::find_if_not(rest_, is_word_character);
        const std::string found{rest_.begin(), end};
        if (found.empty()) return bad("expected " + std::string{what} + found_here());
        rest_.remove_prefix(found.size());
        return found;
    }
    Result<std::string> value() {
        if (take('"')) return escaped();
        if (take('\'')) return literal();
        return word("a value");
    }
    Result<std::vector<std::string>> values() {
        std::vector<std::string> found;
        if (!take('[')) {
            auto only = value();
            if (!only) return only.error();
            found.push_back(std::move(*only));
            return found;
        }
        while (!take(']')) {
            if (!found.empty() && !take(',')) return bad("expected ',' or ']'" + found_here());
            if (take(']')) break;  // after a last comma
            if (found.size() == kMaxConfigValues)
                return bad("a list has at most " + std::to_string(kMaxConfigValues) + " values");
            auto next = value();
            if (!next) return next.error();
            found.push_back(std::move(*next));
        }
        return found;
    }
    Error bad(const std::string& why) const {
        return Error{Errc::bad_input, "line " + std::to_string(line_) + ": " + why};
    }
    std::string found_here() {
        skip_blanks();
        constexpr std::size_t kShown = 20;
        return rest_.empty() ? " at the end of the line"
                             : ", found '" + printable(rest_.substr(0, kShown)) + "'";
    }

private:
    void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r"), rest_.size())); }
    Result<std::string> escaped() {
        std::string text;
        while (!rest_.empty() && rest_.front() != '"') {
            char next = rest_.front();
            rest_.remove_prefix(1);
            if (next == '\\') {
                if (rest_.empty()) break;
                const auto known = std::string_view{"\"\\nt"}.find(rest_.front());
                if (known == std::string_view::npos)
                    return bad("unknown escape \\" + printable(rest_.substr(0, 1)));
                next = "\"\\\n\t"[known];
                rest_.remove_prefix(1);
            }
            text += next;
        }
        if (rest_.empty()) return bad("a text has no closing \"");
        rest_.remove_prefix(1);
        return text;
    }
    Result<std::string> literal() {
        const std::size_t end = rest_.find('\'');
        if (end == std::string_view::npos) return bad("a text has no closing '");
        std::string text{rest_.substr(0, end)};
        rest_.remove_prefix(end + 1);
        return text;
    }

    std::string_view rest_;
    std::size_t line_;
};

class ConfigParser {
public:
    Result<void> line(std::string_view text) {
        LineParser in{text, ++number_};
        if (in.at_end()) return {};
        auto done = in.take('[') ? section(in) : entry(in);
        if (!done) return done;
        if (!in.at_end()) return in.bad("expected nothing more" + in.found_here());
        return {};
    }
    std::vector<ConfigEntry> entries;

private:
    Result<void> section(LineParser& in) {
        auto name = in.word("the name of a command");
        if (!name) return name.error();
        if (!in.take(']')) return in.bad("a section is [command]" + in.found_here());
        section_ = std::move(*name);
        return {};
    }
    Result<void> entry(LineParser& in) {
        auto key = in.word("the name of an option");
        if (!key) return key.error();
        if (!in.take('=')) return in.bad("expected '=' after '" + printable(*key) + "'" + in.found_here());
        auto values = in.values();
        if (!values) return values.error();
        const auto same = [&](const ConfigEntry& old) { return old.section == section_ && old.key == *key; };
        if (const auto old = std::ranges::find_if(entries, same); old != entries.end())
            return in.bad("'" + printable(*key) + "' is set in line " + std::to_string(old->line) +
                          " already");
        if (entries.size() == kMaxConfigEntries)
            return Error{Errc::too_large,
                         "more than " + std::to_string(kMaxConfigEntries) + " settings in one file"};
        entries.push_back({section_, std::move(*key), std::move(*values), number_});
        return {};
    }

    std::string section_;
    std::size_t number_ = 0;
};

}  // namespace

Result<std::vector<ConfigEntry>> parse_config(std::string_view text) {
    if (text.size() > kMaxConfigSize)
        return Error{Errc::too_large,
                     "a configuration file has at most " + std::to_string(kMaxConfigSize) + " octets"};
    ConfigParser parser;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        if (auto done = parser.line(text.substr(0, end)); !done) return done.error();
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return std::move(parser.entries);
}

}  // namespace muster::cli
