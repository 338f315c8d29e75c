#include "muster/explanation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include <boost/json.hpp>

#include "base/timeline_words.h"

#include "muster/text.h"

namespace muster {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostShown = 20;  // entries of the timeline

double in_ms(Duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

std::string round_trip_text(const PathState& path) {
    if (path.round_trip <= Duration{}) return "-";
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f ms", in_ms(path.round_trip));
    return text.data();
}

std::string loss_text(const PathState& path) {
    if (path.round_trip <= Duration{}) return "-";
    return std::to_string(std::lround(path.loss * 100)) + " %";
}

/// Lines with columns of equal width.
std::string table(const std::vector<std::array<std::string, 5>>& rows) {
    std::array<std::size_t, 5> width{};
    for (const auto& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
    std::string text;
    for (const auto& row : rows) {
        text += "  ";
        for (std::size_t i = 0; i + 1 < row.size(); ++i) {
            text += row[i];
            text.append(width[i] - row[i].size() + 2, ' ');
        }
        text += row.back() + "\n";
    }
    return text;
}

}  // namespace

std::string Explanation::to_text() const {
    std::string text = printable(name.empty() ? "unnamed" : name) + " (" + peer.short_string() +
                       "): " + (is_connected() ? "connected" : "not connected") + "\n";
    std::vector<std::array<std::string, 5>> rows{{"path", "interface", "round trip", "loss", "state"}};
    for (const PathState& path : paths)
        rows.push_back({muster::to_text(path.remote), path.interface, round_trip_text(path), loss_text(path),
                        path.finding});
    if (is_connected()) text += table(rows);
    for (const Evidence& each : tried)
        text += "  tried: " + each.phase + " " + each.subject + ": " + printable(each.finding) + "\n";
    if (!timeline.entries.empty()) text += "  what this end has seen:\n";
    const std::string seen = timeline.to_text(kMostShown);
    for (std::size_t at = 0; at < seen.size(); at = seen.find('\n', at) + 1)
        text += "    " + seen.substr(at, seen.find('\n', at) + 1 - at);
    if (fault != Fault::none) text += "  what to do: " + std::string{cure_of(fault)} + "\n";
    return text;
}

std::string Explanation::to_json() const {
    json::array ways;
    for (const PathState& path : paths)
        ways.push_back({{"remote", muster::to_text(path.remote)},
                        {"interface", to_valid_utf8(path.interface)},
                        {"in_use", path.in_use},
                        {"ready", path.is_ready},
                        {"round_trip_ms", in_ms(path.round_trip)},
                        {"loss", path.loss},
                        {"finding", to_valid_utf8(path.finding)}});
    json::object whole{{"peer", peer.to_string()},    {"name", to_valid_utf8(name)},
                       {"connected", is_connected()}, {"paths", std::move(ways)},
                       {"tried", json_of(tried)},     {"timeline", json_of(timeline)}};
    if (fault != Fault::none) whole["fault"] = to_string(fault);
    return json::serialize(whole);
}

}  // namespace muster
