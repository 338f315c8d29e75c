#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "muster/error.h"
#include "muster/time.h"

namespace muster::cli {

/// One JSON object on one line, built member by member. A value.
class JsonLine {
public:
    JsonLine() = default;
    /// {"event": name, ...}
    explicit JsonLine(std::string_view event) { text("event", event); }

    JsonLine& text(std::string_view key, std::string_view value);
    JsonLine& integer(std::string_view key, std::uint64_t value);
    /// Three decimals: for milliseconds that is the microsecond.
    JsonLine& real(std::string_view key, double value);
    JsonLine& flag(std::string_view key, std::same_as<bool> auto value) {
        return json(key, value ? "true" : "false");
    }
    JsonLine& ms(std::string_view key, Duration value);
    /// A value that is JSON already.
    JsonLine& json(std::string_view key, std::string_view value);
    JsonLine& object(std::string_view key, const JsonLine& value) { return json(key, value.to_string()); }
    /// `make` makes a JsonLine, or text that is JSON already, of each.
    template <class Items, class Make>
    JsonLine& list(std::string_view key, const Items& items, Make make) {
        std::string elements;
        for (const auto& each : items) (elements += elements.empty() ? "" : ",") += text_of(make(each));
        return json(key, "[" + elements + "]");
    }

    std::string to_string() const { return "{" + members_ + "}"; }

private:
    static std::string text_of(const JsonLine& line) { return line.to_string(); }
    static std::string text_of(std::string json) { return json; }

    std::string members_;
};

/// {"phase": ..., "subject": ..., "finding": ...}
JsonLine json_of_evidence(const Evidence& evidence);

}  // namespace muster::cli
