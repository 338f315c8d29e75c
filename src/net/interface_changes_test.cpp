#include "net/interface_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::net {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

Interface ethernet(std::uint32_t index, const char* address = "192.0.2.1") {
    Interface interface;
    interface.index = InterfaceIndex{index};
    interface.name = "eth" + std::to_string(index);
    interface.up = interface.carrier = interface.multicast = true;
    interface.mtu = 1500;
    interface.addresses.push_back({*IpAddress::parse(address), 24, false});
    return interface;
}

Interface loopback() {
    auto interface = ethernet(1, "127.0.0.1");
    interface.loopback = true;
    return interface;
}

Interface without_carrier(Interface interface) {
    interface.carrier = false;
    return interface;
}

TEST(InterfaceDiff, NamesWhatAppearedWentChangedAndWasLost) {
    auto renamed = ethernet(4);
    renamed.name = "renamed";
    const auto result = diff({ethernet(2), ethernet(3), ethernet(4), ethernet(5)},
                             {without_carrier(ethernet(3)), renamed, ethernet(5), ethernet(6)});
    EXPECT_THAT(result.gone, ElementsAre(InterfaceIndex{2}));
    EXPECT_THAT(result.changed, ElementsAre(InterfaceIndex{3}, InterfaceIndex{4}));
    EXPECT_THAT(result.appeared, ElementsAre(InterfaceIndex{6}));
    EXPECT_THAT(result.lost, ElementsAre(InterfaceIndex{2}, InterfaceIndex{3}));
    EXPECT_TRUE(diff({ethernet(2)}, {ethernet(2)}).empty());
}

TEST(InterfaceDiff, AnAddressIsLostWhenItGoesOrBecomesTentativeButNotWhenItsPrefixChanges) {
    auto other = ethernet(2);
    other.addresses[0].prefix_length = 16;
    EXPECT_THAT(diff({ethernet(2)}, {other}).lost, IsEmpty());
    EXPECT_THAT(diff({ethernet(2)}, {ethernet(2, "192.0.2.9")}).lost, SizeIs(1));
    other.addresses[0].tentative = true;
    EXPECT_THAT(diff({ethernet(2)}, {other}).lost, SizeIs(1));
    EXPECT_THAT(diff({other}, {ethernet(2)}).lost, IsEmpty());
}

TEST(InterfaceDiff, NothingIsLostThatCouldNotBeUsed) {
    auto bare = without_carrier(ethernet(2));
    bare.addresses.clear();
    EXPECT_THAT(diff({without_carrier(ethernet(2))}, {bare}).lost, IsEmpty());
    EXPECT_THAT(diff({without_carrier(ethernet(2))}, {bare}).changed, SizeIs(1));
}

TEST(EligibleInterfaces, LoopbackCountsOnlyIfThereIsNothingElse) {
    auto down = ethernet(3);
    down.up = false;
    auto tentative = ethernet(4);
    tentative.addresses[0].tentative = true;
    auto bare = ethernet(5);
    bare.addresses.clear();
    const std::vector<Interface> unusable{loopback(), without_carrier(ethernet(2)), down, tentative, bare};
    EXPECT_THAT(eligible_interfaces(unusable), ElementsAre(loopback()));
    auto all = unusable;
    all.push_back(ethernet(6));
    EXPECT_THAT(eligible_interfaces(all), ElementsAre(ethernet(6)));
    EXPECT_THAT(eligible_interfaces({}), IsEmpty());
}

class InterfaceDebouncerTest : public testing::Test {
protected:
    TimePoint now_ = TimePoint{} + 1h;
    InterfaceDebouncer debouncer_{{}, {ethernet(2)}, now_};
};

TEST_F(InterfaceDebouncerTest, TheFirstChangeIsToldAtOnce) {
    EXPECT_EQ(debouncer_.delivered().revision, 1u);
    const auto delivery = debouncer_.on_change({ethernet(2), ethernet(3)}, now_);
    ASSERT_TRUE(delivery);
    EXPECT_EQ(delivery->snapshot.revision, 2u);
    EXPECT_THAT(delivery->diff.appeared, ElementsAre(InterfaceIndex{3}));
    EXPECT_EQ(debouncer_.next_wakeup(), kNever);
}

TEST_F(InterfaceDebouncerTest, ABurstOfGainsIsToldOnceWhenItIsQuiet) {
    debouncer_.on_change({ethernet(2), ethernet(3)}, now_);
    std::vector<Interface> list{ethernet(2), ethernet(3)};
    for (std::uint32_t i = 4; i < 14; ++i) {
        now_ += 2ms;
        list.push_back(ethernet(i));
        EXPECT_FALSE(debouncer_.on_change(list, now_)) << i;
    }
    EXPECT_EQ(debouncer_.next_wakeup(), now_ + 5ms);
    EXPECT_FALSE(debouncer_.on_timer(now_ + 4ms));
    const auto delivery = debouncer_.on_timer(now_ + 5ms);
    ASSERT_TRUE(delivery);
    EXPECT_THAT(delivery->diff.appeared, SizeIs(10));
    EXPECT_EQ(delivery->snapshot.interfaces, list);
    EXPECT_EQ(delivery->snapshot.revision, 3u);
}

TEST_F(InterfaceDebouncerTest, GainsThatNeverStopAreToldEveryMaxDelay) {
    int told = 0;
    auto interface = ethernet(2);
    for (int i = 0; i < 10'000; ++i) {  // 10 s with a change each millisecond
        now_ += 1ms;
        ++interface.mtu;
        if (debouncer_.on_change({interface}, now_)) ++told;
    }
    EXPECT_GE(told, 10'000 / 51);
    EXPECT_LE(told, 10'000 / 50 + 1);
}

TEST_F(InterfaceDebouncerTest, ALossIsToldAtOnceEvenWithinABurst) {
    debouncer_.on_change({ethernet(2), ethernet(3)}, now_);
    now_ += 1ms;
    EXPECT_FALSE(debouncer_.on_change({ethernet(2), ethernet(3), ethernet(4)}, now_));
    now_ += 1ms;
    const auto delivery =
        debouncer_.on_change({without_carrier(ethernet(2)), ethernet(3), ethernet(4)}, now_);
    ASSERT_TRUE(delivery);
    EXPECT_THAT(delivery->diff.lost, ElementsAre(InterfaceIndex{2}));
    EXPECT_THAT(delivery->diff.appeared, ElementsAre(InterfaceIndex{4})) << "what waited comes along";
    EXPECT_EQ(debouncer_.next_wakeup(), kNever);
}

TEST_F(InterfaceDebouncerTest, AFlappingInterfaceIsHeldBackButItsLastStateIsTold) {
    int told = 0;
    for (int i = 0; i < 1001; ++i) {  // 1 s
        now_ += 1ms;
        const auto delivery =
            debouncer_.on_change({i % 2 == 0 ? without_carrier(ethernet(2)) : ethernet(2)}, now_);
        if (delivery) ++told;
    }
    EXPECT_LE(told, 2 * 20 + 20 + 1) << "20 at once, 20 more in this second, one each 50 ms";
    if (debouncer_.next_wakeup() != kNever) debouncer_.on_timer(debouncer_.next_wakeup());
    EXPECT_EQ(debouncer_.delivered().interfaces[0], without_carrier(ethernet(2)));
}

TEST_F(InterfaceDebouncerTest, AChangeThatIsUndoneBeforeItWasToldIsNoChange) {
    debouncer_.on_change({ethernet(2), ethernet(3)}, now_);
    EXPECT_FALSE(debouncer_.on_change({ethernet(2), ethernet(3), ethernet(4)}, now_ + 1ms));
    // Taking back what nobody has heard of is a loss for nobody.
    EXPECT_FALSE(debouncer_.on_change({ethernet(2), ethernet(3)}, now_ + 2ms));
    EXPECT_EQ(debouncer_.next_wakeup(), kNever);
}

/// As the public InterfaceMonitor has it.
constexpr DebounceOptions kForPeople{50ms, 250ms, 10, true};

/// What a cable that is pulled and plugged in again looks like, with DHCP: 21 states within 60 ms.
std::vector<std::vector<Interface>> replug() {
    std::vector<std::vector<Interface>> states;
    Interface it = ethernet(2);
    it.carrier = false;
    states.push_back({it});
    it.addresses.clear();
    for (; states.size() < 20; ++it.mtu) states.push_back({it});
    states.push_back({ethernet(2)});
    states.back()[0].carrier_changes = 2;
    return states;
}

std::size_t told_of(InterfaceDebouncer& debouncer, const std::vector<std::vector<Interface>>& states,
                    TimePoint now) {
    std::size_t told = 0;
    for (const auto& state : states) {
        if (debouncer.on_change(state, now)) ++told;
        now += 3ms;
    }
    if (const auto when = debouncer.next_wakeup(); when != kNever) {
        EXPECT_LE(when - now, 300ms);
        if (debouncer.on_timer(when)) ++told;
    }
    return told;
}

TEST(InterfaceDebouncerForPeople, AReplugIsALossAndASettledState) {
    const TimePoint now = TimePoint{} + 1h;
    InterfaceDebouncer debouncer{kForPeople, {ethernet(2)}, now};
    EXPECT_EQ(told_of(debouncer, replug(), now), 2u);
    EXPECT_EQ(debouncer.delivered().interfaces, replug().back());
}

// A real DHCP client needs 80 ms and more: longer than the quiet after the carrier.
TEST(InterfaceDebouncerForPeople, DhcpThatTakesItsTimeIsNoThirdEvent) {
    Interface bare = ethernet(2, "fe80::1"), off = without_carrier(bare);
    off.addresses.clear();
    const auto tell = [&](DebounceOptions options, Duration dhcp) {
        const TimePoint pulled = TimePoint{} + 1h, plugged = pulled + 20ms, leased = plugged + dhcp;
        InterfaceDebouncer debouncer{options, {ethernet(2)}, pulled};
        std::size_t told = debouncer.on_change({off}, pulled) ? 1 : 0;
        if (debouncer.on_change({bare}, plugged)) ++told;
        while (debouncer.next_wakeup() < leased)
            if (debouncer.on_timer(debouncer.next_wakeup())) ++told;
        if (debouncer.on_change({ethernet(2)}, leased)) ++told;
        if (debouncer.next_wakeup() != kNever && debouncer.on_timer(debouncer.next_wakeup())) ++told;
        EXPECT_EQ(debouncer.delivered().interfaces[0], ethernet(2));
        return told;
    };
    EXPECT_EQ(tell(kForPeople, 100ms), 2u);
    EXPECT_EQ(tell({50ms, 250ms, 10, false}, 100ms), 3u) << "the control";
    EXPECT_EQ(tell(kForPeople, 2s), 3u) << "an adapter that stays without address is told meanwhile";
}

TEST(InterfaceDebouncerForPeople, AReplugIsOneEventIfNothingIsToldAtOnce) {
    const TimePoint now = TimePoint{} + 1h;
    InterfaceDebouncer debouncer{{50ms, 250ms, 0}, {ethernet(2)}, now};
    EXPECT_EQ(told_of(debouncer, replug(), now), 1u);
    EXPECT_EQ(debouncer.delivered().interfaces, replug().back());
    EXPECT_EQ(debouncer.delivered().interfaces[0].carrier_changes, 2u) << "the flap itself is not lost";
}

TEST(InterfaceDebouncerForPeople, AReplugWithoutDebouncingIsTwentyOneEvents) {  // the control
    const TimePoint now = TimePoint{} + 1h;
    InterfaceDebouncer debouncer{{0ms, 0ms, 1000}, {ethernet(2)}, now};
    EXPECT_EQ(told_of(debouncer, replug(), now), 21u);
}

TEST(InterfaceDebouncerForPeople, AStormOfLossesIsAtMostTwentyEventsASecond) {
    TimePoint now = TimePoint{} + 1h;
    InterfaceDebouncer debouncer{kForPeople, {ethernet(2)}, now};
    Interface it = ethernet(2);
    int told = 0;
    for (int i = 0; i < 50'000; ++i) {  // 5 s with 10,000 changes a second
        now += 100us;
        it.carrier = i % 2 == 0;
        it.carrier_changes = static_cast<std::uint32_t>(i);
        if (debouncer.on_change({it}, now)) ++told;
    }
    EXPECT_LE(told, 5 * 20);
    debouncer.on_timer(debouncer.next_wakeup());
    EXPECT_EQ(debouncer.delivered().interfaces[0], it);
}

}  // namespace
}  // namespace muster::net
