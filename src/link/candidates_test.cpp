#include "link/candidates.h"

#include <gtest/gtest.h>

namespace muster::link {
namespace {

IpAddress address(const char* text) { return IpAddress::parse(text).value(); }

Interface interface(std::uint32_t index, std::string name, std::vector<InterfaceAddress> addresses) {
    return {.index = InterfaceIndex{index},
            .name = std::move(name),
            .up = true,
            .carrier = true,
            .multicast = true,
            .mtu = 1500,
            .addresses = std::move(addresses)};
}

Endpoint remote(const char* text, std::uint32_t index = 0) {
    return {address(text), 4711, InterfaceIndex{index}};
}

TEST(Candidates, AScopedEndpointIsTriedOverItsInterfaceOnly) {
    const std::vector<Interface> both{interface(1, "eth0", {{address("fe80::1"), 64}}),
                                      interface(2, "eth1", {{address("fe80::2"), 64}})};
    const Candidates found = gather(remote("fe80::9", 2), both);
    ASSERT_EQ(found.paths.size(), 1u);
    EXPECT_EQ(found.paths[0].remote.interface, InterfaceIndex{2});
}

TEST(Candidates, ALinkLocalEndpointWithoutScopeIsTriedEverywhereButNeverWithoutScope) {
    const std::vector<Interface> both{interface(1, "eth0", {{address("fe80::1"), 64}}),
                                      interface(2, "eth1", {{address("fe80::2"), 64}})};
    const Candidates found = gather(remote("fe80::9"), both);
    ASSERT_EQ(found.paths.size(), 2u);
    for (const Path& path : found.paths) EXPECT_NE(path.remote.interface, InterfaceIndex::none);
}

TEST(Candidates, ARoutedEndpointIsLeftToTheKernelAndTriedOnItsSubnet) {
    const std::vector<Interface> both{interface(1, "eth0", {{address("192.168.4.2"), 24}}),
                                      interface(2, "cell0", {{address("10.9.0.2"), 24}})};
    const Candidates near = gather(remote("192.168.4.1"), both);
    ASSERT_EQ(near.paths.size(), 2u);
    EXPECT_EQ(near.paths[0].remote.interface, InterfaceIndex{1}) << "the wrong default route must not win";
    EXPECT_EQ(near.paths[1].remote.interface, InterfaceIndex::none);
    EXPECT_EQ(gather(remote("198.51.100.7"), both).paths.size(), 1u);
}

TEST(Candidates, WhatIsProhibitedIsNotTriedAndTheKernelMayNotChooseIt) {
    std::vector<Interface> both{interface(1, "eth0", {{address("192.168.4.2"), 24}}),
                                interface(2, "cell0", {{address("10.9.0.2"), 24}})};
    both[1].prohibited = true;
    const Candidates near = gather(remote("192.168.4.1"), both);
    ASSERT_EQ(near.paths.size(), 1u);
    EXPECT_EQ(near.paths[0].remote.interface, InterfaceIndex{1});
    ASSERT_EQ(near.ruled_out.size(), 1u);
    EXPECT_NE(near.ruled_out[0].second.find("cell0 is not to be used"), std::string::npos);
    const Candidates far = gather(remote("198.51.100.7"), both);
    ASSERT_EQ(far.paths.size(), 1u);
    EXPECT_EQ(far.paths[0].remote.interface, InterfaceIndex{1}) << "named, or the default route would decide";
    EXPECT_EQ(obstacle(far.paths[0], both), std::nullopt);
    both[0].prohibited = true;
    EXPECT_EQ(obstacle(far.paths[0], both)->fault, Fault::blocked_by_policy);
    EXPECT_TRUE(gather(remote("198.51.100.7"), both).paths.empty());
}

TEST(Candidates, WhatCostsDifferentlyIsTriedByName) {
    std::vector<Interface> both{interface(1, "eth0", {{address("192.168.4.2"), 24}}),
                                interface(2, "cell0", {{address("10.9.0.2"), 24}})};
    both[1].cost = 2;
    const Candidates far = gather(remote("198.51.100.7"), both);
    ASSERT_EQ(far.paths.size(), 2u);
    for (const Path& path : far.paths) EXPECT_NE(path.remote.interface, InterfaceIndex::none);
}

// What is sent there would wait in the kernel, and hold up what comes after it when the carrier is back.
TEST(Candidates, TheKernelsRoutingIsNotAskedWhenItLeadsOverAnInterfaceWithoutCarrier) {
    auto cut = interface(1, "eth0", {{address("192.168.4.2"), 24}});
    cut.carrier = false;
    const auto cell = interface(2, "cell0", {{address("10.9.0.2"), 24}});
    auto lo = interface(3, "lo", {{address("127.0.0.1"), 8}});
    lo.loopback = true;
    const auto ways = [](const char* to, const std::vector<Interface>& all) {
        return gather(remote(to), all).paths.size();
    };
    const Candidates near = gather(remote("192.168.4.1"), std::vector{cut, cell});
    EXPECT_TRUE(near.paths.empty());
    ASSERT_EQ(near.ruled_out.size(), 2u);
    EXPECT_EQ(near.ruled_out[1].second, "the kernel's way leads over eth0, which has no carrier");
    EXPECT_EQ(ways("198.51.100.7", {cut, cell}), 1u) << "another one may lead there";
    EXPECT_EQ(ways("198.51.100.7", {cut, lo}), 0u) << "none can";
    EXPECT_EQ(ways("192.168.4.2", {cut, lo}), 1u) << "this machine itself";
    EXPECT_EQ(ways("127.0.0.1", {cut, lo}), 2u);
    auto wifi = interface(4, "wlan0", {{address("192.168.4.3"), 24}});
    EXPECT_EQ(ways("192.168.4.1", {cut, wifi}), 2u) << "the same network by another interface";
    auto off = cut;
    off.up = false;
    EXPECT_EQ(ways("192.168.4.1", {off, cell}), 1u) << "the kernel has no route over it";
}

TEST(Candidates, SaysWhyAnInterfaceCannotBeUsed) {
    auto off = interface(1, "eth0", {{address("fe80::1"), 64}});
    off.up = false;
    auto cut = interface(2, "eth1", {{address("fe80::2"), 64}});
    cut.carrier = false;
    const auto bare = interface(3, "eth2", {});
    const auto young = interface(4, "eth3", {{address("fe80::4"), 64, true}});
    const std::vector<Interface> all{off, cut, bare, young};
    const char* reasons[] = {"eth0 is switched off", "eth1 has no carrier", "eth2 has no own IPv6 address",
                             "eth3 still checks its IPv6 address for duplicates"};
    for (std::uint32_t i = 1; i <= 4; ++i) {
        const Candidates found = gather(remote("fe80::9", i), all);
        EXPECT_TRUE(found.paths.empty());
        ASSERT_EQ(found.ruled_out.size(), 1u);
        EXPECT_EQ(found.ruled_out[0].second, reasons[i - 1]);
    }
    EXPECT_EQ(gather(remote("fe80::9", 7), all).ruled_out[0].second, "there is no such interface");
}

TEST(Candidates, AGlobalIpv6AddressIsNoSourceForALinkLocalOne) {
    const std::vector<Interface> one{interface(1, "eth0", {{address("2001:db8::1"), 64}})};
    EXPECT_TRUE(gather(remote("fe80::9", 1), one).paths.empty());
    EXPECT_FALSE(gather(remote("2001:db8::9", 1), one).paths.empty());
}

TEST(Candidates, ANeighbourIsOnTheLinkItWasHeardOnAndHasAnOrdinaryPort) {
    const std::vector<Interface> both{
        interface(1, "eth0", {{address("192.0.2.2"), 24}}),
        interface(2, "eth1", {{address("10.0.0.2"), 8}, {address("fd00::2"), 64}})};
    const auto is = [&](const char* text, std::uint32_t index, std::uint16_t port = 4711) {
        return is_neighbour({address(text), port, InterfaceIndex{index}}, both);
    };
    for (const char* on_link : {"192.0.2.200", "169.254.1.1", "fe80::9"})
        EXPECT_TRUE(is(on_link, 1)) << on_link;
    for (const char* on_link : {"10.200.0.1", "fd00::9"}) EXPECT_TRUE(is(on_link, 2)) << on_link;
    for (const char* elsewhere : {"203.0.113.1", "10.200.0.1", "192.168.1.1", "fd00::9", "2001:db8::1",
                                  "8.8.8.8", "224.0.0.251", "ff02::fb", "0.0.0.0", "::"})
        EXPECT_FALSE(is(elsewhere, 1)) << elsewhere;
    EXPECT_TRUE(is("10.200.0.1", 0)) << "heard on no interface in particular";
    for (const int port : {0, 53, 123, 1023, 5353})
        EXPECT_FALSE(is("192.0.2.200", 1, static_cast<std::uint16_t>(port))) << port;
}

}  // namespace
}  // namespace muster::link
