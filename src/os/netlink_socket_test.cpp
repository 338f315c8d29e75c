#include "os/netlink_socket.h"

#include <cerrno>

#include <gtest/gtest.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace muster::os {
namespace {

TEST(NetlinkSocket, ADumpThatTheKernelBreaksOffHasItsErrno) {
    auto kernel = NetlinkSocket::open(NETLINK_ROUTE);
    ASSERT_TRUE(kernel.has_value());
    kernel->begin<fib_rule_hdr>(RTM_GETRULE, NLM_F_DUMP, AF_ROSE);  // a family that routes by no rules
    int rules = 0;
    EXPECT_EQ(kernel->ask([&](const nlmsghdr&) { ++rules; }), EAFNOSUPPORT);
    EXPECT_EQ(rules, 0);
}

TEST(NetlinkSocket, ARefusalHasItsErrno) {
    auto kernel = NetlinkSocket::open(NETLINK_ROUTE);
    ASSERT_TRUE(kernel.has_value());
    kernel->begin<ifinfomsg>(RTM_GETLINK, 0, AF_UNSPEC)->ifi_index = 0x7fffffff;
    EXPECT_EQ(kernel->ask([](const nlmsghdr&) {}), ENODEV);
}

}  // namespace
}  // namespace muster::os
