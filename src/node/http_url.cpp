#include "node/http_url.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "muster/endpoint.h"
#include "muster/text.h"

namespace muster::node {
namespace {

constexpr std::size_t kLongest = 2048, kLongestName = 253;  // RFC 1035 2.3.4, without the last dot

Error bad(const std::string& text, const std::string& why) {
    return Error{Errc::bad_input, "'" + printable(text.substr(0, 80)) + "': " + why}.cure(
        "write http://HOST/PATH, with a port as in http://192.0.2.1:8080/ or http://[2001:db8::1]:8080/");
}

bool is_visible(char each) { return each > ' ' && each < '\x7f'; }

std::optional<std::uint16_t> port_of(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
    return port;
}

}  // namespace

Result<HttpUrl> parse_http_url(const std::string& text) {
    constexpr std::string_view kScheme = "http://";
    if (text.starts_with("https://"))
        return bad(text, "a portal cannot answer https, and would look like silence");
    if (!text.starts_with(kScheme)) return bad(text, "it does not begin with http://");
    if (text.size() > kLongest) return bad(text, "it is longer than 2,048 octets");
    if (!std::ranges::all_of(text, is_visible))
        return bad(text, "it has blanks, control characters or characters beyond ASCII");
    HttpUrl url;
    const std::string_view rest = std::string_view{text}.substr(kScheme.size());
    const auto path = std::min(rest.find_first_of("/?"), rest.size());
    const std::string_view authority = rest.substr(0, path);
    if (path < rest.size())
        url.target = std::string{rest[path] == '?' ? "/" : ""} + std::string{rest.substr(path)};
    if (text.find_first_of("#@") != std::string::npos) return bad(text, "it has a user or a fragment");
    const auto bracket = authority.starts_with('[') ? authority.find(']') : 0;
    if (bracket == std::string_view::npos) return bad(text, "the bracket is not closed");
    const auto colon = std::min(authority.find(':', bracket), authority.size());
    url.host = authority.substr(0, colon);
    if (bracket != 0) {
        if (colon != bracket + 1) return bad(text, "what follows the bracket is no port");
        url.host = authority.substr(1, bracket - 1);
        const auto address = IpAddress::parse(url.host);
        if (!address || address->is_v4()) return bad(text, "there is no IPv6 address in the brackets");
    }
    if (url.host.empty() || url.host.size() > kLongestName)
        return bad(text, "the host is missing, or too long");
    if (colon < authority.size()) {
        const auto port = port_of(authority.substr(colon + 1));
        if (!port) return bad(text, "the port is none: 1 to 65535");
        url.port = *port;
    }
    url.host_and_port = authority;
    return url;
}

}  // namespace muster::node
