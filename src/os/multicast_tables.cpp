#include "os/multicast_tables.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

namespace muster::os {
namespace {

constexpr std::size_t kMostLines = 4096;
constexpr std::size_t kMostOctets = 1 << 20;

std::string_view take_line(std::string_view& text) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

std::string_view take_word(std::string_view& line) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    const auto end = std::min(line.find_first_of(" \t"), line.size());
    const auto word = line.substr(0, end);
    line.remove_prefix(end);
    return word;
}

template <class T>
std::optional<T> number(std::string_view word, int base = 10) {
    T value{};
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, base);
    if (error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
    return value;
}

/// "ff0200000000000000000000000000fb"
std::optional<IpAddress> address6(std::string_view word) {
    IpAddress::V6 octets{};
    if (word.size() != 2 * octets.size()) return std::nullopt;
    for (std::size_t i = 0; i < octets.size(); ++i) {
        const auto octet = number<std::uint8_t>(word.substr(2 * i, 2), 16);
        if (!octet) return std::nullopt;
        octets[i] = *octet;
    }
    return IpAddress{octets};
}

/// Four octets as a number in the order of this machine: "FB0000E0" on a little-endian one.
std::optional<IpAddress> native_address(std::string_view word) {
    const auto value = number<std::uint32_t>(word, 16);
    if (!value) return std::nullopt;
    IpAddress::V4 octets{};
    std::memcpy(octets.data(), &*value, octets.size());
    return IpAddress{octets};
}

/// "0xe00000fb": the first octet first.
std::optional<IpAddress> ordered_address(std::string_view word) {
    if (!word.starts_with("0x")) return std::nullopt;
    const auto value = number<std::uint32_t>(word.substr(2), 16);
    if (!value) return std::nullopt;
    const auto octet = [&](int shift) { return static_cast<std::uint8_t>(*value >> shift); };
    return IpAddress{IpAddress::V4{octet(24), octet(16), octet(8), octet(0)}};
}

template <class Address>
std::vector<SourceFilter> parse_filters(std::string_view text, Address address) {
    std::vector<SourceFilter> filters;
    while (!text.empty() && filters.size() < kMostLines) {
        auto line = take_line(text);
        const auto index = number<std::uint32_t>(take_word(line));
        take_word(line);  // the name, which the kernel cuts
        const auto group = address(take_word(line));
        const auto source = address(take_word(line));
        const auto including = number<std::uint32_t>(take_word(line));
        const auto excluding = number<std::uint32_t>(take_word(line));
        if (index && group && source && including && excluding)
            filters.push_back({InterfaceIndex{*index}, *group, *source, *including, *excluding});
    }
    return filters;
}

/// A file of /proc, whose size is not known beforehand; empty if it cannot be read.
std::string read_proc(const std::string& path) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::fopen(path.c_str(), "re"), std::fclose};
    std::string text;
    std::array<char, 4096> part{};
    while (file && text.size() < kMostOctets) {
        const auto size = std::fread(part.data(), 1, part.size(), file.get());
        if (size == 0) break;
        text.append(part.data(), size);
    }
    return text;
}

int read_number(const std::string& path) {
    auto text = read_proc(path);
    text.erase(std::min(text.find('\n'), text.size()));
    return number<int>(text).value_or(0);
}

/// "V2", the last word of a line; 0 if it is something else.
unsigned version_in(std::string_view line) {
    const auto at = line.rfind('V');
    return at == std::string_view::npos ? 0 : number<unsigned>(line.substr(at + 1)).value_or(0);
}

}  // namespace

std::vector<GroupMembership> parse_igmp(std::string_view text) {
    std::vector<GroupMembership> memberships;
    std::optional<std::uint32_t> index;
    unsigned version = 0;
    while (!text.empty() && memberships.size() < kMostLines) {
        auto line = take_line(text);
        const bool is_group = line.starts_with('\t');
        const auto first = take_word(line);
        if (!is_group) {
            index = number<std::uint32_t>(first);
            version = version_in(line);
            continue;
        }
        const auto group = native_address(first);
        const auto users = number<std::uint32_t>(take_word(line));
        if (index && group && users) memberships.push_back({InterfaceIndex{*index}, *group, *users, version});
    }
    return memberships;
}

std::vector<GroupMembership> parse_igmp6(std::string_view text) {
    std::vector<GroupMembership> memberships;
    while (!text.empty() && memberships.size() < kMostLines) {
        auto line = take_line(text);
        const auto index = number<std::uint32_t>(take_word(line));
        take_word(line);  // the name
        const auto group = address6(take_word(line));
        const auto users = number<std::uint32_t>(take_word(line));
        if (index && group && users) memberships.push_back({InterfaceIndex{*index}, *group, *users});
    }
    return memberships;
}

std::vector<SourceFilter> parse_mcfilter(std::string_view text) {
    return parse_filters(text, ordered_address);
}

std::vector<SourceFilter> parse_mcfilter6(std::string_view text) { return parse_filters(text, address6); }

std::uint64_t counter_of(std::string_view text, std::string_view protocol, std::string_view name) {
    const auto fits = [&](std::string_view line) {
        return line.starts_with(protocol) && line.substr(protocol.size()).starts_with(':');
    };
    while (!text.empty()) {
        auto names = take_line(text);
        if (!fits(names)) continue;
        auto values = take_line(text);
        if (!fits(values)) return 0;
        while (!names.empty() && !values.empty()) {
            const auto value = take_word(values);
            if (take_word(names) == name) return number<std::uint64_t>(value).value_or(0);
        }
        return 0;
    }
    return 0;
}

std::uint64_t counter6_of(std::string_view text, std::string_view name) {
    while (!text.empty()) {
        auto line = take_line(text);
        if (take_word(line) == name) return number<std::uint64_t>(take_word(line)).value_or(0);
    }
    return 0;
}

std::vector<GroupMembership> read_memberships(bool v6) {
    return v6 ? parse_igmp6(read_proc("/proc/net/igmp6")) : parse_igmp(read_proc("/proc/net/igmp"));
}

std::vector<SourceFilter> read_source_filters(bool v6) {
    return v6 ? parse_mcfilter6(read_proc("/proc/net/mcfilter6"))
              : parse_mcfilter(read_proc("/proc/net/mcfilter"));
}

MulticastCounters read_multicast_counters(bool v6) {
    if (v6) {
        const auto text = read_proc("/proc/net/snmp6");
        return {counter6_of(text, "Ip6InMcastPkts"), counter6_of(text, "Ip6InDelivers"), 0};
    }
    const auto extended = read_proc("/proc/net/netstat");
    return {counter_of(extended, "IpExt", "InMcastPkts"),
            counter_of(read_proc("/proc/net/snmp"), "Ip", "InDelivers"),
            counter_of(extended, "TcpExt", "IPReversePathFilter")};
}

int read_rp_filter(const std::string& interface) {
    const std::string path = "/proc/sys/net/ipv4/conf/";
    if (interface.find('/') != std::string::npos) return 0;
    return std::max(read_number(path + "all/rp_filter"), read_number(path + interface + "/rp_filter"));
}

std::uint32_t read_group_limit() {
    return static_cast<std::uint32_t>(std::max(0, read_number("/proc/sys/net/ipv4/igmp_max_memberships")));
}

}  // namespace muster::os
