#include "shuttle_wire.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <span>
#include <sstream>

namespace muster::lab {
namespace {

constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kMostFlows = 64;  // each costs a comparison per frame; a lab names one or two

std::uint16_t two_octets(const Frame& frame, std::size_t at) {
    return static_cast<std::uint16_t>(frame[at] << 8 | frame[at + 1]);
}

std::string endpoint_v4(const Frame& frame, std::size_t address, std::size_t port) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%u.%u.%u.%u:%u", frame[address], frame[address + 1],
                  frame[address + 2], frame[address + 3], two_octets(frame, port));
    return text.data();
}

/// As RFC 5952 writes it: no leading zeros, the longest row of zeros left out.
std::string endpoint_v6(const Frame& frame, std::size_t address, std::size_t port) {
    std::array<std::uint16_t, 8> groups{};
    for (std::size_t i = 0; i < 8; ++i) groups[i] = two_octets(frame, address + 2 * i);
    std::size_t best = 8, best_length = 1;
    for (std::size_t begin = 0; begin < 8; ++begin) {
        std::size_t length = 0;
        while (begin + length < 8 && groups[begin + length] == 0) ++length;
        if (length > best_length) best = begin;
        best_length = std::max(best_length, length);
    }
    std::string text = "[";
    for (std::size_t i = 0; i < 8; ++i) {
        if (i == best) {
            text += "::";
            i += best_length - 1;
            continue;
        }
        if (text.size() > 1 && text.back() != ':') text += ':';
        std::array<char, 8> digits{};
        std::snprintf(digits.data(), digits.size(), "%x", groups[i]);
        text += digits.data();
    }
    return text + "]:" + std::to_string(two_octets(frame, port));
}

bool has_ports(std::uint8_t protocol) { return protocol == 6 || protocol == 17; }

std::optional<double> number(std::string_view text, std::string_view* unit) {
    double value = 0;
    const auto [end, trouble] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (trouble != std::errc{} || value < 0) return std::nullopt;
    *unit = text.substr(static_cast<std::size_t>(end - text.data()));
    return value;
}

std::optional<Duration> time_of(std::string_view text) {
    std::string_view unit;
    const auto value = number(text, &unit);
    if (!value) return std::nullopt;
    const double scale = unit == "us" ? 1e-6 : unit == "ms" ? 1e-3 : unit == "s" ? 1.0 : -1.0;
    if (scale < 0 || *value * scale > 60) return std::nullopt;
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>{*value * scale});
}

std::optional<double> share_of(std::string_view text) {
    std::string_view unit;
    auto value = number(text, &unit);
    if (value && unit == "%") *value /= 100;
    if (!value || (!unit.empty() && unit != "%") || *value > 1) return std::nullopt;
    return value;
}

std::optional<std::uint64_t> amount_of(std::string_view text) {
    std::string_view unit;
    const auto value = number(text, &unit);
    const double scale = unit.empty() ? 1.0 : unit == "k" ? 1e3 : unit == "M" ? 1e6 : -1.0;
    if (!value || scale < 0 || *value * scale > 1e12) return std::nullopt;
    return static_cast<std::uint64_t>(*value * scale);
}

template <class Value, class Parsed>
bool set(Value& target, const std::optional<Parsed>& parsed) {
    if (parsed) target = static_cast<Value>(*parsed);
    return parsed.has_value();
}

using Words = std::span<const std::string>;

bool order_delay(WireOrders& orders, Words what) {
    if (what.empty() || !set(orders.delay, time_of(what[0]))) return false;
    orders.jitter = {};
    return what.size() == 1 ||
           (what.size() == 3 && what[1] == "jitter" && set(orders.jitter, time_of(what[2])));
}

bool order_reorder(WireOrders& orders, Words what) {
    if (what.empty() || !set(orders.reorder, share_of(what[0]))) return false;
    return what.size() == 1 ||
           (what.size() == 3 && what[1] == "by" && set(orders.reorder_by, time_of(what[2])));
}

bool order_flow(WireOrders& orders, Words what) {
    if (what.empty() || what.size() > 2 || orders.dropped_flows.size() == kMostFlows) return false;
    orders.dropped_flows.push_back({what[0], what.size() == 2 ? what[1] : ""});
    return true;
}

bool obey(WireOrders& orders, const std::string& verb, Words what) {
    if (verb == "delay") return order_delay(orders, what);
    if (verb == "reorder") return order_reorder(orders, what);
    if (verb == "drop-flow") return order_flow(orders, what);
    if (verb == "clear" && what.empty()) orders = WireOrders{};
    if (verb == "drop" && what.empty()) orders.drops_all = true;
    if (verb == "pass" && what.empty()) {
        orders.drops_all = false;
        orders.dropped_flows.clear();
    }
    if (verb == "clear" || verb == "drop" || verb == "pass") return what.empty();
    if (what.size() != 1) return false;
    if (verb == "loss") return set(orders.loss, share_of(what[0]));
    if (verb == "duplicate") return set(orders.duplicate, share_of(what[0]));
    if (verb == "rate") return set(orders.bits_per_second, amount_of(what[0]));
    if (verb == "mtu") return set(orders.mtu, amount_of(what[0]));
    return false;
}

bool is_flow(const Flow& flow, const Flow& dropped) {
    const auto fits = [&](const std::string& one, const std::string& other) {
        return one == dropped.source && (dropped.destination.empty() || other == dropped.destination);
    };
    return !flow.source.empty() &&
           (fits(flow.source, flow.destination) || fits(flow.destination, flow.source));
}

}  // namespace

Flow flow_of(const Frame& frame, std::size_t ethernet_at) {
    const std::size_t ip = ethernet_at + kEthernetHeader;
    if (frame.size() < ip + 20) return {};
    const std::uint16_t type = two_octets(frame, ip - 2);
    if (type == 0x0800) {
        const std::size_t ports = ip + std::size_t{frame[ip] & 0x0fu} * 4;
        const bool is_first = (two_octets(frame, ip + 6) & 0x1fff) == 0;  // later fragments have no ports
        if (!has_ports(frame[ip + 9]) || !is_first || frame.size() < ports + 4) return {};
        return {endpoint_v4(frame, ip + 12, ports), endpoint_v4(frame, ip + 16, ports + 2)};
    }
    if (type != 0x86dd || frame.size() < ip + 44 || !has_ports(frame[ip + 6])) return {};
    return {endpoint_v6(frame, ip + 8, ip + 40), endpoint_v6(frame, ip + 24, ip + 42)};
}

std::optional<std::string> ShuttleWire::order(std::string_view line) {
    std::istringstream input{std::string{line}};
    std::vector<std::string> words;
    for (std::string word; input >> word;) words.push_back(word);
    const std::string refused = "not understood: " + std::string{line};
    if (words.size() == 2 && words[0] == "one-way" && (words[1] == "in" || words[1] == "out")) {
        lane(words[1] == "in" ? Way::out : Way::in).orders.drops_all = true;
        lane(words[1] == "in" ? Way::in : Way::out).orders.drops_all = false;
        return std::nullopt;
    }
    std::vector<Way> ways{Way::in, Way::out};
    if (!words.empty() && (words[0] == "in" || words[0] == "out")) {
        ways = {words[0] == "in" ? Way::in : Way::out};
        words.erase(words.begin());
    }
    if (words.empty()) return refused;
    for (const Way way : ways) {
        WireOrders orders = lane(way).orders;
        if (!obey(orders, words[0], Words{words}.subspan(1))) return refused;
        lane(way).orders = orders;
    }
    return std::nullopt;
}

void ShuttleWire::enter(Way way, Frame frame, TimePoint now) {
    Lane& through = lane(way);
    ++through.counters.entered;
    if (swallows(through, frame)) return;
    const auto when = due(through, frame.size() - ethernet_at_, now);
    if (!when) {
        ++through.counters.queue_full;
        return;
    }
    if (chance(through.orders.duplicate)) {
        ++through.counters.duplicated;
        put(through, *when, frame);
    }
    put(through, *when, std::move(frame));
}

bool ShuttleWire::swallows(Lane& through, const Frame& frame) {
    const WireOrders& orders = through.orders;
    const auto count = [](std::uint64_t& counter) { return ++counter > 0; };
    if (orders.drops_all) return count(through.counters.dropped);
    if (orders.mtu > 0 && frame.size() > ethernet_at_ + kEthernetHeader + orders.mtu)
        return count(through.counters.too_big);
    if (!orders.dropped_flows.empty()) {
        const Flow flow = flow_of(frame, ethernet_at_);
        if (std::ranges::any_of(orders.dropped_flows, [&](const Flow& each) { return is_flow(flow, each); }))
            return count(through.counters.flow_dropped);
    }
    return chance(orders.loss) && count(through.counters.lost);
}

/// When a frame leaves that enters now; frames stay in order unless `reorder` holds one back.
std::optional<TimePoint> ShuttleWire::due(Lane& through, std::size_t octets, TimePoint now) {
    const WireOrders& orders = through.orders;
    TimePoint when = now;
    if (orders.bits_per_second > 0) {
        const TimePoint turn = std::max(through.free_at, now);
        if (turn - now > kLongestTurn) return std::nullopt;
        const std::chrono::duration<double> takes{static_cast<double>(octets) * 8 /
                                                  static_cast<double>(orders.bits_per_second)};
        when = through.free_at = turn + std::chrono::duration_cast<Duration>(takes);
    }
    when += orders.delay;
    if (orders.jitter > Duration::zero())
        when +=
            std::chrono::duration_cast<Duration>(orders.jitter * std::uniform_real_distribution{}(random_));
    if (chance(orders.reorder)) {
        ++through.counters.reordered;
        return when + orders.reorder_by;
    }
    through.in_order = std::max(through.in_order, when);
    return through.in_order;
}

void ShuttleWire::put(Lane& through, TimePoint when, Frame frame) {
    if (through.queue.size() >= kMostUnderWay) {
        ++through.counters.queue_full;
        return;
    }
    through.queue.emplace(when, std::move(frame));
}

std::optional<Frame> ShuttleWire::take(Way way, TimePoint now) {
    Lane& through = lane(way);
    const auto first = through.queue.begin();
    if (first == through.queue.end() || first->first > now) return std::nullopt;
    Frame frame = std::move(first->second);
    through.queue.erase(first);
    ++through.counters.left;
    return frame;
}

TimePoint ShuttleWire::next_due() const {
    TimePoint next = kNever;
    for (const Lane& each : lanes_)
        if (!each.queue.empty()) next = std::min(next, each.queue.begin()->first);
    return next;
}

}  // namespace muster::lab
