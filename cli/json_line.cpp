#include "json_line.h"

#include <fmt/format.h>

#include "text.h"

namespace muster::cli {

JsonLine& JsonLine::json(std::string_view key, std::string_view value) {
    if (!members_.empty()) members_ += ",";
    members_ += json_string(key) + ":";
    members_ += value;
    return *this;
}

JsonLine& JsonLine::text(std::string_view key, std::string_view value) {
    return json(key, json_string(value));
}

JsonLine& JsonLine::integer(std::string_view key, std::uint64_t value) {
    return json(key, fmt::format_int(value).str());
}

JsonLine& JsonLine::real(std::string_view key, double value) {
    return json(key, fmt::format("{:.3f}", value));
}

JsonLine& JsonLine::ms(std::string_view key, Duration value) { return real(key, milliseconds(value)); }

JsonLine json_of_evidence(const Evidence& evidence) {
    JsonLine line;
    line.text("phase", evidence.phase).text("subject", evidence.subject).text("finding", evidence.finding);
    return line;
}

}  // namespace muster::cli
