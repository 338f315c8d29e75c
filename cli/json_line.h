#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

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

    std::string to_string() const { return "{" + members_ + "}"; }

private:
    std::string members_;
};

}  // namespace muster::cli
