#include "os/link_query.h"

#include <cerrno>
#include <string>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "os/netlink_messages.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

constexpr Duration kPatience = std::chrono::seconds{1};  // a driver may be asked

bool is_possible(InterfaceIndex index) { return static_cast<std::int32_t>(index) > 0; }

}  // namespace

Result<LinkQuery> LinkQuery::open() {
    auto kernel = NetlinkSocket::open(NETLINK_ROUTE, kPatience);
    if (!kernel) return kernel.error();
    return LinkQuery{std::move(*kernel)};
}

Result<Bytes> LinkQuery::ask(InterfaceIndex index, Counters counters) {
    if (!is_possible(index)) return no_such_interface(index);
    kernel_.begin<ifinfomsg>(RTM_GETLINK, 0, AF_UNSPEC)->ifi_index = static_cast<int>(index);
    if (counters == Counters::left_out) kernel_.put_number(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    Bytes told;
    const int error = kernel_.ask([&](const nlmsghdr& answer) {
        if (answer.nlmsg_type == RTM_NEWLINK && header_of<ifinfomsg>(answer) != nullptr)
            told = to_bytes({reinterpret_cast<const std::byte*>(&answer), answer.nlmsg_len});
    });
    const std::string attempt = "read interface " + std::to_string(static_cast<std::uint32_t>(index));
    if (error == ENODEV) return no_such_interface(index);
    if (error == EAGAIN) return Error{Errc::timed_out, attempt + ": the kernel did not answer"};
    if (error != 0 || told.empty()) return system_error(attempt, error != 0 ? error : EBADMSG);
    return told;
}

Error no_such_interface(InterfaceIndex index) {
    return Error{Errc::no_interface, "there is no interface " +
                                         std::to_string(static_cast<std::uint32_t>(index)) + ", or no more"}
        .cure("look at the list of interfaces again: indexes change when a device comes back");
}

}  // namespace muster::os
