#include "os/address_checks.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <iterator>

#include <linux/if_addr.h>
#include <sys/stat.h>

namespace muster::os {
namespace {

constexpr std::size_t kMostDuplicates = 256;
constexpr std::size_t kMostOctets = 1 << 20;

std::string_view take(std::string_view& text, std::string_view ends) {
    text.remove_prefix(std::min(text.find_first_not_of(ends), text.size()));
    const auto word = text.substr(0, text.find_first_of(ends));
    text.remove_prefix(word.size());
    return word;
}

std::optional<unsigned> hex(std::string_view text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// "fe80000000000000021122fffe334455"
std::optional<IpAddress> address_of(std::string_view word) {
    IpAddress::V6 octets{};
    if (word.size() != 2 * octets.size()) return std::nullopt;
    for (std::size_t i = 0; i < octets.size(); ++i) {
        const auto octet = hex(word.substr(2 * i, 2));
        if (!octet) return std::nullopt;
        octets[i] = static_cast<std::uint8_t>(*octet);
    }
    return IpAddress{octets};
}

std::optional<std::string> read_file(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    if (!in) return std::nullopt;
    std::string text(kMostOctets, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    return text;
}

}  // namespace

std::vector<DuplicateAddress> parse_duplicates(std::string_view text) {
    std::vector<DuplicateAddress> found;
    while (!text.empty() && found.size() < kMostDuplicates) {
        auto line = take(text, "\n");
        const auto address = address_of(take(line, " \t"));
        for (int i = 0; i < 3; ++i) take(line, " \t");  // index, prefix length, scope
        const auto flags = hex(take(line, " \t"));
        const auto name = take(line, " \t");
        if (address && flags && (*flags & IFA_F_DADFAILED) != 0 && !name.empty())
            found.push_back({std::string{name}, *address});
    }
    return found;
}

std::optional<std::vector<DuplicateAddress>> read_duplicates() {
    const auto text = read_file("/proc/net/if_inet6");
    if (!text) return std::nullopt;
    return parse_duplicates(*text);
}

std::optional<bool> is_ipv6_disabled(const std::string& interface) {
    const std::string folder = "/proc/sys/net/ipv6";
    struct stat there{};
    if (::stat("/proc/sys/net", &there) != 0) return std::nullopt;
    if (::stat(folder.c_str(), &there) != 0) return true;  // the kernel was built or started without
    const auto text =
        read_file(folder + "/conf/" + (interface.empty() ? "all" : interface) + "/disable_ipv6");
    if (!text) return std::nullopt;
    return text->starts_with('1');
}

}  // namespace muster::os
