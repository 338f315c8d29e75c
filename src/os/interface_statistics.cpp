#include <algorithm>
#include <cstring>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "os/link_query.h"
#include "os/netlink_attributes.h"

#include "muster/interface_details.h"

namespace muster {

Result<InterfaceStatistics> statistics_of(InterfaceIndex index) {
    auto query = os::LinkQuery::open();
    if (!query) return query.error();
    const auto answer = query->ask(index, os::LinkQuery::Counters::included);
    if (!answer) return answer.error();
    const os::Attributes<IFLA_CARRIER_DOWN_COUNT> told{*reinterpret_cast<const nlmsghdr*>(answer->data()),
                                                       sizeof(ifinfomsg)};
    rtnl_link_stats64 counted{};  // kernels append to it: what ours does not know stays 0
    const ByteView octets = told.octets(IFLA_STATS64);
    if (!octets.empty()) std::memcpy(&counted, octets.data(), std::min(octets.size(), sizeof counted));

    InterfaceStatistics made;
    made.received = {counted.rx_packets, counted.rx_bytes, counted.rx_errors, counted.rx_dropped};
    made.sent = {counted.tx_packets, counted.tx_bytes, counted.tx_errors, counted.tx_dropped};
    made.multicast_received = counted.multicast;
    made.collisions = counted.collisions;
    made.carrier_came = told.number(IFLA_CARRIER_UP_COUNT).value_or(0);
    made.carrier_went = told.number(IFLA_CARRIER_DOWN_COUNT).value_or(0);
    return made;
}

}  // namespace muster
