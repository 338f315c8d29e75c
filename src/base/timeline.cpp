#include "muster/timeline.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <ranges>

#include <boost/json.hpp>

#include "base/duration_text.h"
#include "base/timeline_words.h"

#include "muster/text.h"

namespace muster {
namespace {

namespace json = boost::json;

double in_ms(Duration time) {
    return std::round(std::chrono::duration<double, std::milli>(time).count() * 1000) / 1000;
}

std::int64_t wall_ms(std::chrono::system_clock::time_point when) {
    return std::chrono::floor<std::chrono::milliseconds>(when).time_since_epoch().count();
}

/// Without the scope: the interface stands beside it, by name.
std::string address_of(const Endpoint& at) { return Endpoint{at.address, at.port}.to_string(); }

std::string outcome_of(seen::DialEnded::Outcome outcome) {
    switch (outcome) {
        case seen::DialEnded::Outcome::linked: return "linked";
        case seen::DialEnded::Outcome::failed: return "failed";
        case seen::DialEnded::Outcome::dropped: return "dropped";
    }
    return "unknown";
}

std::string addresses_of(const Interface& interface) {
    std::string text;
    for (const InterfaceAddress& each : interface.addresses)
        text += " " + each.address.to_string() + "/" + std::to_string(each.prefix_length) +
                (each.tentative ? " (not confirmed)" : "");
    return text.empty() ? ", no address" : "," + text;
}

std::string in_words(const seen::Way& way) {
    return address_of(way.remote) + (way.interface.empty() ? "" : " by " + way.interface);
}

std::string in_words(const Error& why) {
    return why.message() +
           (why.fault() == Fault::none ? "" : " (" + std::string{to_string(why.fault())} + ")");
}

std::string in_words(const Departure& how) {
    return how.is_lost() ? "lost: " + in_words(how.cause()) : "closed: " + how.closed().reason;
}

std::string with_fault(Fault fault) {
    return fault == Fault::none ? "" : " (" + std::string{to_string(fault)} + ")";
}

/// What happened, for people.
struct InWords {
    std::string operator()(const seen::InterfaceChanged& is) const {
        const Interface& it = is.interface;
        if (is.is_gone) return it.name + " is gone";
        if (it.prohibited) return it.name + ": not to be used (path preferences)";
        return it.name +
               (!it.up        ? ": switched off"
                : !it.carrier ? ": no carrier"
                              : ": carries") +
               addresses_of(it);
    }
    std::string operator()(const seen::DialEnded& is) const {
        std::string text = outcome_of(is.outcome) + " after " + in_milliseconds(is.took);
        if (is.outcome == seen::DialEnded::Outcome::failed) text += ": " + is.why.message();
        for (const Evidence& each : is.candidates) text += "; " + each.subject + ": " + each.finding;
        return text + (is.left_out ? "; and " + std::to_string(is.left_out) + " more" : "");
    }
    std::string operator()(const seen::LinkUp& is) const {
        return in_words(is.way) + ", handshake " + in_milliseconds(is.took);
    }
    std::string operator()(const seen::LinkEnded& is) const {
        return in_words(is.way) + ", " + (is.lost ? "lost: " + in_words(*is.lost) : "closed: " + is.reason);
    }
    std::string operator()(const seen::PathProven& is) const {
        std::array<char, 32> text{};
        std::snprintf(text.data(), text.size(), "%.1f ms", in_ms(is.round_trip));
        return in_words(is.way) +
               (is.round_trip > Duration{} ? ", round trip " + std::string{text.data()} : "");
    }
    std::string operator()(const seen::PathLost& is) const {
        return in_words(is.way) + (is.in_use ? " (in use): " : ": ") + is.why + with_fault(is.fault);
    }
    std::string operator()(const seen::PathMoved& is) const {
        return in_words(is.from) + " -> " + in_words(is.to) + ": " + is.why + with_fault(is.fault);
    }
    std::string operator()(const seen::FaultFound& is) const { return in_words(is.why); }
    std::string operator()(const seen::SendRefused& is) const {
        return in_words(is.way) + ": " + std::string{is.refusal};
    }
    std::string operator()(const seen::IcmpError& is) const {
        return address_of(is.to) + ": " + std::string{is.report} + ", says " + is.reporter.to_string();
    }
    std::string operator()(const seen::Joined& is) const { return is.name; }
    std::string operator()(const seen::Interrupted& is) const { return in_words(is.why); }
    std::string operator()(const seen::Resumed& is) const { return "after " + in_milliseconds(is.after); }
    std::string operator()(const seen::Left& is) const { return in_words(is.how); }
    std::string operator()(const seen::Ended& is) const { return in_words(is.how); }
    std::string operator()(const seen::JournalFailed& is) const { return in_words(is.why); }
};

json::object json_of(const seen::Way& way) {
    json::object made{{"remote", address_of(way.remote)}, {"interface", to_valid_utf8(way.interface)}};
    if (!way.local.is_unspecified()) made["local"] = way.local.to_string();
    return made;
}

json::value json_of(const Error& error) { return json::parse(error.to_json()); }

json::object json_of(const Departure& how) {
    if (how.is_lost()) return {{"how", "lost"}, {"error", json_of(how.cause())}};
    return {{"how", "closed"},
            {"by", how.closed().by == Closed::By::peer ? "peer" : "this_end"},
            {"code", how.closed().code},
            {"reason", to_valid_utf8(how.closed().reason)}};
}

/// The members of an entry that its kind has besides those of all.
struct InJson {
    json::object operator()(const seen::InterfaceChanged& is) const {
        return {{"interface", muster::json_of(is.interface)}, {"gone", is.is_gone}};
    }
    json::object operator()(const seen::DialEnded& is) const {
        json::object made{{"outcome", outcome_of(is.outcome)},
                          {"took_ms", in_ms(is.took)},
                          {"candidates", muster::json_of(is.candidates)},
                          {"left_out", is.left_out}};
        if (is.outcome == seen::DialEnded::Outcome::failed) made["error"] = json_of(is.why);
        return made;
    }
    json::object operator()(const seen::LinkUp& is) const {
        return {{"way", json_of(is.way)}, {"dialed", is.is_dialed}, {"took_ms", in_ms(is.took)}};
    }
    json::object operator()(const seen::LinkEnded& is) const {
        json::object made{{"way", json_of(is.way)}, {"silence_ms", in_ms(is.silence)}};
        if (is.lost)
            made["error"] = json_of(*is.lost);
        else
            made["reason"] = to_valid_utf8(is.reason);
        return made;
    }
    json::object operator()(const seen::PathProven& is) const {
        return {{"way", json_of(is.way)}, {"round_trip_ms", in_ms(is.round_trip)}};
    }
    json::object operator()(const seen::PathLost& is) const {
        return {{"way", json_of(is.way)},
                {"fault", to_string(is.fault)},
                {"why", to_valid_utf8(is.why)},
                {"silence_ms", in_ms(is.silence)},
                {"in_use", is.in_use}};
    }
    json::object operator()(const seen::PathMoved& is) const {
        return {{"from", json_of(is.from)},
                {"to", json_of(is.to)},
                {"why", to_valid_utf8(is.why)},
                {"fault", to_string(is.fault)}};
    }
    json::object operator()(const seen::FaultFound& is) const { return {{"error", json_of(is.why)}}; }
    json::object operator()(const seen::SendRefused& is) const {
        return {{"way", json_of(is.way)}, {"refusal", is.refusal}};
    }
    json::object operator()(const seen::IcmpError& is) const {
        return {{"to", address_of(is.to)}, {"report", is.report}, {"reporter", is.reporter.to_string()}};
    }
    json::object operator()(const seen::Joined& is) const { return {{"name", to_valid_utf8(is.name)}}; }
    json::object operator()(const seen::Interrupted& is) const { return {{"error", json_of(is.why)}}; }
    json::object operator()(const seen::Resumed& is) const { return {{"after_ms", in_ms(is.after)}}; }
    json::object operator()(const seen::Left& is) const { return json_of(is.how); }
    json::object operator()(const seen::Ended& is) const { return json_of(is.how); }
    json::object operator()(const seen::JournalFailed& is) const { return {{"error", json_of(is.why)}}; }
};

std::string ago_text(Duration ago) {
    std::array<char, 32> text{};
    const double seconds = std::chrono::duration<double>(ago).count();
    if (seconds < 60)
        std::snprintf(text.data(), text.size(), "-%.3f s", seconds);
    else if (seconds < 3600)
        std::snprintf(text.data(), text.size(), "-%.1f min", seconds / 60);
    else
        std::snprintf(text.data(), text.size(), "-%.1f h", seconds / 3600);
    return text.data();
}

json::object json_of(const TimelineEntry& entry, TimePoint taken) {
    json::object made{
        {"at_ms", wall_ms(entry.when)}, {"ago_ms", in_ms(taken - entry.at)}, {"kind", kind_of(entry.what)}};
    if (entry.times > 1) {
        made["times"] = entry.times;
        made["last_ago_ms"] = in_ms(taken - entry.until);
    }
    if (entry.peer) made["peer"] = entry.peer->to_string();
    for (auto& [key, value] : std::visit(InJson{}, entry.what)) made[key] = value;
    return made;
}

Fault fault_in(const Seen& what) {
    if (const auto* moved = std::get_if<seen::PathMoved>(&what)) return moved->fault;
    if (const auto* found = std::get_if<seen::FaultFound>(&what)) return found->why.fault();
    if (const auto* cut = std::get_if<seen::Interrupted>(&what)) return cut->why.fault();
    const auto* left = std::get_if<seen::Left>(&what);
    return left && left->how.is_lost() ? left->how.cause().fault() : Fault::none;
}

}  // namespace

std::string clock_time(std::chrono::system_clock::time_point when) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
    std::tm parts{};
    localtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    const std::size_t length = std::strftime(text.data(), text.size(), "%H:%M:%S", &parts);
    std::snprintf(text.data() + length, text.size() - length, ".%03d",
                  static_cast<int>(wall_ms(when) % 1000));
    return text.data();
}

std::string_view to_string(Profile profile) {
    switch (profile) {
        case Profile::realtime: return "realtime";
        case Profile::balanced: return "balanced";
        case Profile::low_power: return "low_power";
    }
    return "unknown";
}

json::array json_of(const std::vector<Evidence>& evidence) {
    json::array made;
    for (const auto& [phase, subject, finding] : evidence)
        made.push_back({{"phase", to_valid_utf8(phase)},
                        {"subject", to_valid_utf8(subject)},
                        {"finding", to_valid_utf8(finding)}});
    return made;
}

json::object json_of(const Timeline& timeline) {
    json::array before, entries;
    for (const Interface& each : timeline.before) before.push_back(json_of(each));
    for (const TimelineEntry& each : timeline.entries) entries.push_back(json_of(each, timeline.taken));
    return {{"self", timeline.self.to_string()},
            {"role", timeline.is_coordinator ? "coordinator" : "member"},
            {"profile", to_string(timeline.profile)},
            {"grace_ms", in_ms(timeline.grace)},
            {"before", std::move(before)},
            {"entries", std::move(entries)},
            {"left_out", timeline.left_out}};
}

std::string_view kind_of(const Seen& what) {
    static constexpr std::array<std::string_view, std::variant_size_v<Seen>> kKinds{
        "interface_changed", "dial_ended",  "link_up",      "link_ended",    "path_proven", "path_lost",
        "path_moved",        "fault_found", "send_refused", "icmp_error",    "joined",      "interrupted",
        "resumed",           "left",        "ended",        "journal_failed"};
    return kKinds[what.index()];
}

Timeline Timeline::of(const DeviceId& peer, std::size_t most) const {
    Timeline part;
    part.taken = taken;
    part.self = self;
    part.is_coordinator = is_coordinator;
    part.profile = profile;
    part.grace = grace;
    part.before = before;
    part.left_out = left_out;
    for (const TimelineEntry& each : entries | std::views::reverse) {
        if (each.peer && each.peer != peer) continue;
        if (part.entries.size() < most)
            part.entries.push_back(each);
        else
            ++part.left_out;
    }
    std::ranges::reverse(part.entries);
    return part;
}

Fault Timeline::fault_of(const DeviceId& peer) const {
    Fault found = Fault::none;  // out later than what it explains
    for (const TimelineEntry& each : entries | std::views::reverse) {
        if (each.peer != peer) continue;
        const bool is_reached = std::holds_alternative<seen::Resumed>(each.what) ||
                                std::holds_alternative<seen::Joined>(each.what);
        if (is_reached) return Fault::none;
        const Fault named = fault_in(each.what);
        if (named == Fault::none) continue;
        if (!std::holds_alternative<seen::FaultFound>(each.what)) return found != Fault::none ? found : named;
        if (found == Fault::none) found = named;
    }
    return Fault::none;
}

std::string Timeline::to_text(std::size_t most) const {
    std::string text;
    for (std::size_t i = entries.size() - std::min(most, entries.size()); i < entries.size(); ++i) {
        const TimelineEntry& each = entries[i];
        text +=
            clock_time(each.when) + "  " + ago_text(taken - each.at) + "  " + std::string{kind_of(each.what)};
        if (each.peer) text += " " + each.peer->short_string();
        text += ": " + printable(std::visit(InWords{}, each.what));
        if (each.times > 1) text += " (" + std::to_string(each.times) + " times)";
        text += "\n";
    }
    return text;
}

std::string Timeline::to_json() const { return json::serialize(json_of(*this)); }

}  // namespace muster
