#include "os/link_query.h"

#include <cerrno>
#include <string>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "os/system_error.h"

namespace muster::os {
namespace {

Bytes question(InterfaceIndex index, LinkQuery::Counters counters) {
    Bytes octets(128);
    nlmsghdr* message = mnl_nlmsg_put_header(octets.data());
    message->nlmsg_type = RTM_GETLINK;
    message->nlmsg_flags = NLM_F_REQUEST;
    message->nlmsg_seq = 1;
    auto* link = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
    link->ifi_index = static_cast<int>(index);
    if (counters == LinkQuery::Counters::left_out)
        mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    octets.resize(message->nlmsg_len);
    return octets;
}

bool is_possible(InterfaceIndex index) { return static_cast<std::int32_t>(index) > 0; }

}  // namespace

Result<LinkQuery> LinkQuery::open() {
    auto kernel = NetlinkExchange::open(NETLINK_ROUTE);
    if (!kernel) return kernel.error();
    return LinkQuery{std::move(*kernel)};
}

Result<Bytes> LinkQuery::ask(InterfaceIndex index, Counters counters) {
    if (!is_possible(index)) return no_such_interface(index);
    const std::string attempt = "read interface " + std::to_string(static_cast<std::uint32_t>(index));
    auto answer = kernel_.ask(question(index, counters), attempt);
    if (!answer) return answer;
    const int why = refusal_in(*answer);
    if (why == ENODEV) return no_such_interface(index);
    if (why != 0) return system_error(attempt, why);
    const auto* message = reinterpret_cast<const nlmsghdr*>(answer->data());
    const bool is_whole =
        message->nlmsg_type == RTM_NEWLINK && message->nlmsg_len >= sizeof(nlmsghdr) + sizeof(ifinfomsg);
    return is_whole ? std::move(answer) : system_error(attempt, EBADMSG);
}

Error no_such_interface(InterfaceIndex index) {
    return Error{Errc::no_interface, "there is no interface " +
                                         std::to_string(static_cast<std::uint32_t>(index)) + ", or no more"}
        .cure("look at the list of interfaces again: indexes change when a device comes back");
}

}  // namespace muster::os
