// rtnetlink messages about routes, rules and neighbours, and resolv.conf: the first octet chooses, the rest is the message's body.
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include <linux/netlink.h>

#include "base/check.h"
#include "os/resolver_config.h"
#include "os/routing_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace muster;
    if (size == 0) return 0;
    const std::uint8_t choice = data[0] % 4;
    if (choice == 3) {
        const auto servers = os::parse_dns_servers({reinterpret_cast<const char*>(data + 1), size - 1});
        MUSTER_CHECK(servers.size() <= 3);
        return 0;
    }
    std::vector<std::byte> message(sizeof(nlmsghdr) + size -
                                   1);  // of exactly this size, so that ASan sees every octet too many
    std::memcpy(message.data() + sizeof(nlmsghdr), data + 1, size - 1);
    auto* header = reinterpret_cast<nlmsghdr*>(message.data());
    header->nlmsg_len = static_cast<std::uint32_t>(message.size());
    if (choice == 0)
        if (const auto route = os::parse_route(*header)) MUSTER_CHECK(route->hops.size() <= 64);
    if (choice == 1) os::parse_rule(*header);
    if (choice == 2)
        if (const auto neighbour = os::parse_neighbour(*header, data[size - 1]))
            MUSTER_CHECK(!neighbour->address.is_multicast());
    return 0;
}
