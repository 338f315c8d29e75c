// What the doctor reads about a multicast group: tables of /proc/net, packets of the wire, answers of sock_diag. The first
// octet chooses the reader.
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "base/check.h"
#include "os/multicast_tables.h"
#include "os/multicast_tap.h"
#include "os/udp_sockets.h"

namespace {

using namespace muster;

void read_text(std::string_view text) {
    MUSTER_CHECK(os::parse_igmp(text).size() <= 4096);
    MUSTER_CHECK(os::parse_igmp6(text).size() <= 4096);
    MUSTER_CHECK(os::parse_mcfilter(text).size() <= 4096);
    MUSTER_CHECK(os::parse_mcfilter6(text).size() <= 4096);
    os::counter_of(text, "TcpExt", "IPReversePathFilter");
    os::counter6_of(text, "Ip6InDelivers");
}

void read_socket(ByteView octets) {
    std::vector<std::byte> message(sizeof(nlmsghdr) +
                                   octets.size());  // of this size: ASan sees every octet too many
    if (!octets.empty()) std::memcpy(message.data() + sizeof(nlmsghdr), octets.data(), octets.size());
    auto* header = reinterpret_cast<nlmsghdr*>(message.data());
    header->nlmsg_len = static_cast<std::uint32_t>(message.size());
    header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    os::parse_udp_socket(*header);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const ByteView rest{reinterpret_cast<const std::byte*>(data + 1), size - 1};
    switch (data[0] % 3) {
        case 0: read_text(as_text(rest)); break;
        case 1: os::parse_tapped(rest); break;
        case 2: read_socket(rest); break;
    }
    return 0;
}
