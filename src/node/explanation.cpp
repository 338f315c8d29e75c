#include "muster/explanation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <ranges>

#include <boost/json.hpp>

#include "muster/text.h"

namespace muster {
namespace {

namespace json = boost::json;

std::string clock_time(std::chrono::system_clock::time_point when) {
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(when);
    const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
    std::tm parts{};
    localtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    const std::size_t length = std::strftime(text.data(), text.size(), "%H:%M:%S", &parts);
    std::snprintf(text.data() + length, text.size() - length, ".%03d",
                  static_cast<int>((ms.time_since_epoch() % std::chrono::seconds{1}).count()));
    return text.data();
}

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

std::string_view to_string(Happening::Kind kind) {
    switch (kind) {
        case Happening::Kind::joined: return "joined";
        case Happening::Kind::path_changed: return "path_changed";
        case Happening::Kind::interrupted: return "interrupted";
        case Happening::Kind::resumed: return "resumed";
        case Happening::Kind::left: return "left";
    }
    return "unknown";
}

Fault Explanation::fault() const {
    if (is_connected()) return Fault::none;
    for (const Happening& each : happenings | std::views::reverse)
        if (each.fault != Fault::none || each.kind == Happening::Kind::resumed) return each.fault;
    return Fault::none;
}

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
    for (const Happening& each : happenings)
        text += "  " + clock_time(each.when) + "  " + std::string{to_string(each.kind)} +
                (each.detail.empty() ? "" : ": " + printable(each.detail)) +
                (each.fault == Fault::none ? "" : " (" + std::string{to_string(each.fault)} + ")") + "\n";
    if (fault() != Fault::none) text += "  what to do: " + std::string{cure_of(fault())} + "\n";
    return text;
}

std::string Explanation::to_json() const {
    json::array ways, attempts, history;
    for (const PathState& path : paths)
        ways.push_back({{"remote", muster::to_text(path.remote)},
                        {"interface", to_valid_utf8(path.interface)},
                        {"in_use", path.in_use},
                        {"ready", path.is_ready},
                        {"round_trip_ms", in_ms(path.round_trip)},
                        {"loss", path.loss},
                        {"finding", to_valid_utf8(path.finding)}});
    for (const auto& [phase, subject, finding] : tried)
        attempts.push_back({{"phase", to_valid_utf8(phase)},
                            {"subject", to_valid_utf8(subject)},
                            {"finding", to_valid_utf8(finding)}});
    for (const Happening& each : happenings) {
        json::object happening{
            {"at_ms", std::chrono::floor<std::chrono::milliseconds>(each.when).time_since_epoch().count()},
            {"kind", to_string(each.kind)},
            {"detail", to_valid_utf8(each.detail)}};
        if (each.fault != Fault::none) happening["fault"] = to_string(each.fault);
        history.push_back(std::move(happening));
    }
    json::object whole{{"peer", peer.to_string()},     {"name", to_valid_utf8(name)},
                       {"connected", is_connected()},  {"paths", std::move(ways)},
                       {"tried", std::move(attempts)}, {"happenings", std::move(history)}};
    if (fault() != Fault::none) whole["fault"] = to_string(fault());
    return json::serialize(whole);
}

}  // namespace muster
