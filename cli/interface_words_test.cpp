#include "interface_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Interface ethernet() {
    Interface made;
    made.index = InterfaceIndex{4};
    made.name = "eth0";
    made.up = made.carrier = true;
    made.state = OperationalState::up;
    made.functional_type = FunctionalType::wired;
    made.mtu = 1500;
    made.flags = 0x11043;
    made.addresses.push_back({*IpAddress::parse("192.0.2.1"), 24, false});
    return made;
}

template <class Change>
Interface changed(Change change) {
    Interface made = ethernet();
    change(made);
    return made;
}

std::vector<std::string> told(const Interface& before, const Interface& now) {
    const std::vector<Interface> all{now};
    return differences(before, now, all);
}

TEST(InterfaceWords, SayHowFarAnInterfaceHasCome) {
    const auto state = [](auto change) { return std::string{state_words(changed(change))}; };
    EXPECT_EQ(state([](Interface&) {}), "up");
    EXPECT_EQ(state([](Interface& it) { it.addresses[0].tentative = true; }), "no address yet");
    EXPECT_EQ(state([](Interface& it) { it.addresses.clear(); }), "no address");
    EXPECT_EQ(state([](Interface& it) { it.carrier = false; }), "no carrier");
    EXPECT_EQ(state([](Interface& it) { it.state = OperationalState::dormant; }), "waits to be let in");
    EXPECT_EQ(state([](Interface& it) { it.up = it.carrier = false; }), "off");
}

TEST(InterfaceWords, ARowHoldsWhatPeopleLookForFirst) {
    const Interface made = changed([](Interface& it) {
        it.kernel_kind = "veth";
        it.addresses.push_back({*IpAddress::parse("fe80::1"), 64, true});
        it.name = "e\x1b";
    });
    EXPECT_THAT(interface_row(made),
                ElementsAre("4", "e\\x1b", "wired, veth", "up", "1500", "", "192.0.2.1/24 fe80::1/64?"));
    EXPECT_EQ(interface_row(made).size(), interface_headings().size());
}

TEST(InterfaceWords, TellEachFactThatHasChanged) {
    EXPECT_THAT(told(ethernet(), ethernet()), IsEmpty());
    EXPECT_THAT(told(ethernet(), changed([](Interface& it) {
                         it.carrier = false;
                         it.state = OperationalState::lower_layer_down;
                         it.flags = 0x1003;
                         it.carrier_changes = 1;
                     })),
                ElementsAre("carrier is gone"));
    EXPECT_THAT(
        told(ethernet(), changed([](Interface& it) {
                 it.name = "lan0";
                 it.alternative_names = {"enp0s25"};
                 it.addresses = {{*IpAddress::parse("fe80::1"), 64, true}};
                 it.mtu = 1400;
                 it.flags |= 0x100;
             })),
        ElementsAre("was called eth0", "+ name enp0s25", "- 192.0.2.1/24", "+ fe80::1/64 (not confirmed yet)",
                    "MTU 1500 -> 1400", "flags 0x11043 -> 0x11143"));
    EXPECT_THAT(told(changed([](Interface& it) { it.addresses[0].tentative = true; }), ethernet()),
                ElementsAre("192.0.2.1/24 is confirmed"));
}

TEST(InterfaceWords, AFlapThatIsOverIsTold) {
    EXPECT_THAT(told(ethernet(), changed([](Interface& it) { it.carrier_changes = 2; })),
                ElementsAre("carrier has changed", "2 changes of the carrier meanwhile"));
}

TEST(InterfaceWords, NoChangeIsWithoutAWord) {
    EXPECT_THAT(told(ethernet(), changed([](Interface& it) { it.bus = "usb"; })), ElementsAre("details"));
}

TEST(InterfaceWords, ThoseWithAnotherNameAreFoundToo) {
    const Interface made =
        changed([](Interface& it) { it.alternative_names = {"a name that is longer than 15 octets"}; });
    EXPECT_TRUE(is_called(made, "eth0"));
    EXPECT_TRUE(is_called(made, "4"));
    EXPECT_TRUE(is_called(made, "a name that is longer than 15 octets"));
    EXPECT_FALSE(is_called(made, "eth"));
    EXPECT_FALSE(is_called(made, "0123456789abcdef"));
}

}  // namespace
}  // namespace muster::cli
