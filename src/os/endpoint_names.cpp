#include "os/endpoint_names.h"

#include <net/if.h>

namespace muster::os {
namespace {

Error bad(std::string_view text, const std::string& why) {
    return Error{Errc::bad_input, "'" + std::string{text} + "' is no endpoint: " + why}.cure(
        "write 192.0.2.1:4711, 192.0.2.1%eth0:4711, [2001:db8::1]:4711 or [fe80::1%eth0]:4711");
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
    const auto percent = text.find('%');
    if (percent == std::string_view::npos) {
        const auto endpoint = Endpoint::parse(text);
        if (!endpoint) return bad(text, "an address and a port are needed");
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
    if (index == 0) return Error{Errc::no_interface, "there is no interface '" + scope + "'"};
    return Endpoint{endpoint->address, endpoint->port, InterfaceIndex{index}};
}

}  // namespace muster::os
