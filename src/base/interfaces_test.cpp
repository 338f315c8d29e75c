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

}  // namespace
}  // namespace muster
