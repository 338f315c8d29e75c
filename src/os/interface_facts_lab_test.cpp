// What the kernel tells of interfaces of several kinds, at once and one by one. In namespaces of its own.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if_arp.h>

#include "os/lab_namespace.h"

#include "muster/interface_details.h"

namespace muster::os {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FactsLab : public TwoHosts {
protected:
    static Interface named(const std::string& name) {
        const auto all = interfaces();
        EXPECT_TRUE(all.has_value());
        const auto found = std::ranges::find(*all, name, &Interface::name);
        EXPECT_NE(found, all->end()) << name;
        return found == all->end() ? Interface{} : *found;
    }

    /// The kernel's link watch takes its time.
    static void until(bool (*holds)()) {
        for (int i = 0; i < 200 && !holds(); ++i) ::usleep(10'000);
        EXPECT_TRUE(holds());
    }
};

TEST_F(FactsLab, ASnapshotIsWhatAWatchKnows) {
    run("ip link add br0 type bridge && ip link set near1 master br0");
    const auto watch = InterfaceWatch::open();
    const auto all = interfaces();
    ASSERT_TRUE(all && watch);
    EXPECT_EQ(*all, (*watch)->interfaces());
    EXPECT_TRUE(std::ranges::is_sorted(*all, {}, &Interface::index));
}

TEST_F(FactsLab, KnowsWhatEachInterfaceIs) {
    run("ip link add br0 type bridge && ip link set near1 master br0");
    run("ip tuntap add tun0 mode tun && ip tuntap add tap0 mode tap");
    run("ip link add mgmt0 type bridge");
    struct {
        const char* name;
        FunctionalType type;
        std::uint16_t legacy_type;
        const char* kernel_kind;
    } const cases[] = {{"lo", FunctionalType::loopback, ARPHRD_LOOPBACK, ""},
                       {"near0", FunctionalType::wired, ARPHRD_ETHER, "veth"},
                       {"br0", FunctionalType::wired, ARPHRD_ETHER, "bridge"},
                       {"tun0", FunctionalType::unknown, ARPHRD_NONE, "tun"},
                       {"tap0", FunctionalType::unknown, ARPHRD_ETHER, "tun"},
                       {"mgmt0", FunctionalType::management, ARPHRD_ETHER, "bridge"}};
    for (const auto& [name, type, legacy_type, kernel_kind] : cases) {
        const Interface it = named(name);
        EXPECT_EQ(it.functional_type, type) << name;
        EXPECT_EQ(it.legacy_type, legacy_type) << name;
        EXPECT_EQ(it.kernel_kind, kernel_kind) << name;
        EXPECT_TRUE(it.is_virtual) << name;
        EXPECT_FALSE(it.direct_link) << name;
    }
    EXPECT_EQ(named("near1").master, index("br0"));
    EXPECT_TRUE(named("near1").peer_is_elsewhere);
    EXPECT_EQ(named("near0").mac.size(), 6u);
}

TEST_F(FactsLab, TheFourFactsDoNotFollowFromEachOther) {
    run("ip tuntap add tun0 mode tun");  // nobody holds it open: it is there, and never has a carrier
    EXPECT_FALSE(named("tun0").up || named("tun0").carrier);
    run("ip link set tun0 up");
    EXPECT_TRUE(named("tun0").up);
    EXPECT_FALSE(named("tun0").carrier);
    run("ip link add v0 type veth peer name v1 && ip link set v0 addrgenmode none");
    run("ip link set v0 up");
    until([] { return named("v0").state == OperationalState::lower_layer_down; });
    EXPECT_FALSE(named("v0").carrier);
    EXPECT_EQ(named("v0").peer, index("v1"));
    run("ip link set v1 up");
    until([] { return named("v0").carrier; });
    EXPECT_EQ(named("v0").addressed(), Addressed{}) << "an adapter that has no address yet is seen";
}

TEST_F(FactsLab, TakesTheLongestNamesAndAlternativeOnes) {
    run("ip link add abcdefghijklmno type bridge");
    EXPECT_EQ(named("abcdefghijklmno").name.size(), 15u);
    const std::string longest(127, 'n');
    run("ip link property add dev abcdefghijklmno altname " + longest);
    EXPECT_THAT(named("abcdefghijklmno").alternative_names, ElementsAre(longest));
    EXPECT_NE(std::system("ip link add abcdefghijklmnop type bridge 2>/dev/null"), 0)
        << "the kernel takes no 16";
}

TEST_F(FactsLab, TellsDriverSpeedAndCounters) {
    const auto hardware = hardware_of(index("near0"));
    ASSERT_TRUE(hardware.has_value());
    EXPECT_EQ(hardware->driver, "veth");
    EXPECT_EQ(hardware->speed, 10'000u);
    EXPECT_EQ(hardware->duplex, Duplex::full);
    EXPECT_FALSE(hardware->usb.has_value());
    EXPECT_THAT(hardware->unread, IsEmpty());
    const auto before = statistics_of(index("near0"));
    run("ip neigh add 10.77.0.2 lladdr 02:00:00:00:00:09 dev near0");
    run("bash -c 'echo -n x > /dev/udp/10.77.0.2/9'");
    const auto after = statistics_of(index("near0"));
    ASSERT_TRUE(before && after);
    EXPECT_GT(after->sent.packets, before->sent.packets);
    EXPECT_GE(after->sent.octets, before->sent.octets + 29);
    EXPECT_GE(after->carrier_came, 1u);
}

TEST_F(FactsLab, WhatIsNotThereAnyMoreIsAnError) {
    const InterfaceIndex gone = index("near0");
    run("ip link del near0");
    for (const InterfaceIndex each :
         {gone, InterfaceIndex{0x7fffffff}, InterfaceIndex{0xffffffff}, InterfaceIndex::none}) {
        EXPECT_EQ(hardware_of(each).error().code(), Errc::no_interface);
        EXPECT_EQ(statistics_of(each).error().code(), Errc::no_interface);
        EXPECT_FALSE(hardware_of(each).error().cure().empty());
    }
}

}  // namespace
}  // namespace muster::os
