// Membership of the mDNS groups on many interfaces, and on one that is made anew.
#include <algorithm>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "discovery/mdns_sockets.h"
#include "os/lab_namespace.h"
#include "os/multicast_tables.h"

namespace muster::discovery {
namespace {

using os::run;

class MdnsSocketsLab : public testing::Test {
protected:
    /// mdns0, mdns1 ... with an IPv4 and an IPv6 address each.
    static void plug(int number, int index) {
        const std::string name = "mdns" + std::to_string(number);
        run("ip link add " + name + " index " + std::to_string(index) + " type veth peer name p" + name);
        run("ip addr add 10.80." + std::to_string(number) + ".1/24 dev " + name);
        run("ip link set p" + name + " up && ip link set " + name + " up");
    }
    void follow() {
        auto known = interfaces();
        ASSERT_TRUE(known.has_value());
        std::erase_if(*known, [](const Interface& each) { return !each.name.starts_with("mdns"); });
        links_.update(*known, SteadyClock::now());
        sockets_.follow(links_);
    }
    static std::size_t members(bool v6) {
        const auto group = *IpAddress::parse(v6 ? "ff02::fb" : "224.0.0.251");
        const auto all = os::read_memberships(v6);
        return static_cast<std::size_t>(std::ranges::count(all, group, &os::GroupMembership::group));
    }
    void open() {
        LinkPolicy policy;
        const auto opened = sockets_.open(policy, [](const auto&, auto) {});
        ASSERT_TRUE(opened.has_value()) << opened.error().message();
    }

    os::LabNamespace here_;
    boost::asio::io_context io_;
    MdnsSockets sockets_{io_.get_executor()};
    LinkTable links_{LinkPolicy{}};
};

TEST_F(MdnsSocketsLab, JoinsOnMoreInterfacesThanOneSocketMay) {
    constexpr int kMany = 30;
    for (int i = 0; i < kMany; ++i) plug(i, 100 + i);
    open();
    follow();
    EXPECT_EQ(members(false), 30u);
    run("ip link del mdns29");
    follow();
    EXPECT_EQ(members(false), 29u);
}

TEST_F(MdnsSocketsLab, JoinsAnewOnAnInterfaceThatWasMadeAnewUnderTheSameIndexBetweenTwoLooks) {
    plug(0, 100);
    open();
    follow();
    ASSERT_EQ(members(false), 1u);
    run("ip link del mdns0");
    plug(0, 100);
    ASSERT_EQ(members(false), 0u);
    follow();
    EXPECT_EQ(members(false), 1u);
}

}  // namespace
}  // namespace muster::discovery
