#include "os/endpoint_names.h"

#include <array>

#include <net/if.h>

#include "muster/endpoint.h"
#include "muster/interface.h"

namespace muster {
namespace {

Error bad(std::string_view text, const std::string& why) {
    return Error{Errc::bad_input, "'" + std::string{text} + "' is no endpoint: " + why}.cure(
        "write 192.0.2.1:4711, 192.0.2.1%eth0:4711, [2001:db8::1]:4711 or [fe80::1%eth0]:4711");
}

std::string name_of(InterfaceIndex index) {
    std::array<char, IF_NAMESIZE> name{};
    return ::if_indextoname(static_cast<std::uint32_t>(index), name.data()) ? name.data() : "";
}

/// What to write instead, and what could be meant here.
std::string with_interface(const Endpoint& endpoint) {
    std::string names;
    const auto known = interfaces();
    for (const Interface& each : known ? *known : std::vector<Interface>{})
        if (each.carrier && !each.loopback && each.addressed().link_local)
            names += (names.empty() ? "" : ", ") + each.name;
    const std::string example = names.empty() ? "eth0" : names.substr(0, names.find(','));
    return "write [" + endpoint.address.to_string() + "%" + example + "]:" + std::to_string(endpoint.port) +
           (names.empty() ? "" : "; the interfaces with such addresses are " + names);
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
    const auto percent = text.find('%');
    if (percent == std::string_view::npos) {
        const auto endpoint = Endpoint::parse(text);
        if (!endpoint) return bad(text, "an address and a port are needed");
        if (endpoint->address.is_v6() && endpoint->address.is_link_local())
            return bad(text, "a link-local address means something only together with its interface")
                .cure(with_interface(*endpoint));
        return *endpoint;
    }
    const auto end = text.find_first_of(!text.empty() && text.front() == '[' ? "]" : ":", percent);
    if (end == std::string_view::npos) return bad(text, "the port is missing");
    const std::string scope{text.substr(percent + 1, end - percent - 1)};
    const auto endpoint =
        Endpoint::parse(std::string{text.substr(0, percent)} + std::string{text.substr(end)});
    if (!endpoint) return bad(text, "an address and a port are needed");
    unsigned index = ::if_nametoindex(scope.c_str());
    const bool is_number = !scope.empty() && scope.find_first_not_of("0123456789") == std::string::npos;
    if (index == 0 && is_number && scope.size() < 9) index = static_cast<unsigned>(std::stoul(scope));
    if (index == 0) return bad(text, "there is no interface '" + scope + "'");
    return Endpoint{endpoint->address, endpoint->port, InterfaceIndex{index}};
}

std::string to_text(const Endpoint& endpoint) {
    if (endpoint.interface == InterfaceIndex::none) return endpoint.to_string();
    std::string scope = name_of(endpoint.interface);
    if (scope.empty()) scope = std::to_string(static_cast<std::uint32_t>(endpoint.interface));
    const std::string inside = endpoint.address.to_string() + "%" + scope;
    return (endpoint.address.is_v6() ? "[" + inside + "]" : inside) + ":" + std::to_string(endpoint.port);
}

std::string os::interface_name(InterfaceIndex index) {
    const std::string name = name_of(index);
    return name.empty() ? "interface " + std::to_string(static_cast<std::uint32_t>(index)) : name;
}

}  // namespace muster
