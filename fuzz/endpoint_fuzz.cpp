// Text forms of ids, addresses and endpoints: what parses must print as something that parses to the same
// value.
#include <cstdint>

#include "base/check.h"
#include "base/crypto.h"
#include "base/text.h"

#include "muster/endpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace muster;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    if (const auto address = IpAddress::parse(text))
        MUSTER_CHECK(IpAddress::parse(address->to_string()) == address);
    if (const auto endpoint = Endpoint::parse(text)) {
        const std::string printed = endpoint->to_string();
        const auto again = Endpoint::parse(printed);
        MUSTER_CHECK(again && again->to_string() == printed && again->port == endpoint->port);
    }
    if (const auto id = DeviceId::parse(text)) MUSTER_CHECK(DeviceId::parse(id->to_string()) == id);
    if (const auto octets = parse_base32(text)) MUSTER_CHECK(parse_base32(base32(*octets)) == octets);
    const std::string clean = to_valid_utf8(text);
    MUSTER_CHECK(to_valid_utf8(clean) == clean);
    return 0;
}
