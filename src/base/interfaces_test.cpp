#include "base/interfaces.h"

#include <gtest/gtest.h>

namespace muster {
namespace {

IpAddress address(const char* text) { return IpAddress::parse(text).value(); }

TEST(Interfaces, AreFoundByIndex) {
    std::vector<Interface> all(2);
    all[0].index = InterfaceIndex{3};
    all[1].index = InterfaceIndex{7};
    EXPECT_EQ(find_interface(all, InterfaceIndex{7}), &all[1]);
    EXPECT_EQ(find_interface(all, InterfaceIndex{4}), nullptr);
    EXPECT_EQ(find_interface({}, InterfaceIndex{3}), nullptr);
}

TEST(Interfaces, SubnetsAreComparedBitByBit) {
    EXPECT_TRUE(in_subnet({address("10.0.0.129"), 25}, address("10.0.0.200")));
    EXPECT_FALSE(in_subnet({address("10.0.0.129"), 25}, address("10.0.0.100")));
    EXPECT_TRUE(in_subnet({address("10.0.0.1"), 0}, address("1.2.3.4")));
    EXPECT_FALSE(in_subnet({address("10.0.0.1"), 8}, address("::1")));
    EXPECT_TRUE(in_subnet({address("::1"), 128}, address("::1")));
    EXPECT_TRUE(in_subnet({address("10.0.0.1"), 40}, address("10.0.0.1"))) << "longer than the address";
}

TEST(Interfaces, AreAddressedInFourWaysThatDoNotFollowFromEachOther) {
    Interface one;
    EXPECT_EQ(one.addressed(), Addressed{});
    EXPECT_FALSE(one.addressed().any());
    one.addresses = {{address("fe80::1"), 64, true}};
    EXPECT_TRUE(one.addressed().tentative);
    EXPECT_FALSE(one.addressed().any()) << "the kernel does not send from it yet";
    one.addresses.push_back({address("169.254.7.7"), 16, false});
    EXPECT_TRUE(one.addressed().link_local && one.addressed().any());
    EXPECT_FALSE(one.addressed().ipv4 || one.addressed().ipv6);
    one.addresses.push_back({address("192.0.2.1"), 24, false});
    one.addresses.push_back({address("2001:db8::1"), 64, false});
    EXPECT_TRUE(one.addressed().ipv4 && one.addressed().ipv6);
}

TEST(Interfaces, HardwareAddressesHaveSixOctetsOrAnotherNumber) {
    const std::array<std::uint8_t, 21> octets{2, 0xfc, 0, 0, 0x1f, 9};
    EXPECT_EQ(HardwareAddress(octets.data(), 6).to_string(), "02:fc:00:00:1f:09");
    EXPECT_EQ(HardwareAddress(octets.data(), 20).to_string().size(), 59u);
    EXPECT_EQ(HardwareAddress{}.to_string(), "");
    EXPECT_TRUE(HardwareAddress(octets.data(), 21).empty());
    EXPECT_NE(HardwareAddress(octets.data(), 6), HardwareAddress(octets.data(), 7));
}

TEST(Interfaces, AsJsonAreValidWhateverTheirNamesAre) {
    Interface one;
    one.index = InterfaceIndex{3};
    one.name = "a\"\xff";
    one.alternative_names = {"\n"};
    EXPECT_NE(one.to_json().find("\"name\":\"a\\\"\xef\xbf\xbd\""), std::string::npos) << one.to_json();
    EXPECT_NE(one.to_json().find(R"("alternative_names":["\n"])"), std::string::npos);
    EXPECT_EQ(one.to_json().find("mac"), std::string::npos) << "what it does not have is left out";
}

}  // namespace
}  // namespace muster
