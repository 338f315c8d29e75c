#include "os/resolver_config.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

#include <net/if.h>

namespace muster::os {
namespace {

constexpr std::uint16_t kDnsPort = 53;
constexpr std::size_t kMostServers = 3;  // MAXNS of resolv.conf(5)
constexpr std::streamsize kMostRead = 64 << 10;
constexpr const char* kConfig = "/etc/resolv.conf";
constexpr const char* kBehindStub = "/run/systemd/resolve/resolv.conf";

std::string read_file(const char* name) {
    std::ifstream file{name};
    std::string text(kMostRead, '\0');
    file.read(text.data(), kMostRead);
    text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
    return text;
}

InterfaceIndex scope_of(const std::string& text) {
    std::uint32_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size()) return InterfaceIndex{number};
    return InterfaceIndex{::if_nametoindex(text.c_str())};
}

std::optional<Endpoint> parse_server(const std::string& text) {
    const auto percent = text.find('%');
    const auto address = IpAddress::parse(text.substr(0, percent));
    if (!address) return std::nullopt;
    const InterfaceIndex scope =
        percent == std::string::npos ? InterfaceIndex::none : scope_of(text.substr(percent + 1));
    return Endpoint{*address, kDnsPort, scope};
}

bool is_stub(const Endpoint& server) { return server.address.is_v4() && server.address.is_loopback(); }

}  // namespace

std::vector<Endpoint> parse_dns_servers(std::string_view text) {
    std::vector<Endpoint> servers;
    std::istringstream lines{std::string{text}};
    for (std::string line; std::getline(lines, line) && servers.size() < kMostServers;) {
        std::istringstream words{line};
        std::string keyword, server;
        if (!(words >> keyword >> server) || keyword != "nameserver") continue;
        if (const auto parsed = parse_server(server)) servers.push_back(*parsed);
    }
    return servers;
}

std::vector<Endpoint> dns_servers() {
    auto servers = parse_dns_servers(read_file(kConfig));
    if (servers.empty() || !std::ranges::all_of(servers, is_stub)) return servers;
    auto behind = parse_dns_servers(read_file(kBehindStub));
    return behind.empty() ? servers : behind;
}

std::vector<std::filesystem::path> resolver_files() { return {kConfig, kBehindStub}; }

}  // namespace muster::os
