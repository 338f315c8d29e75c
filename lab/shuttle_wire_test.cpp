// What the shuttle does to frames, in virtual time; lab/shuttle.py measures it on real interfaces.
#include "shuttle_wire.h"

#include <gtest/gtest.h>

namespace muster::lab {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart = TimePoint{} + 1h;
constexpr int kMany = 20'000;

Frame udp_v4(std::uint8_t last_of_source, std::uint16_t port) {
    Frame frame(14 + 20 + 8 + 4);
    frame[12] = 0x08;
    frame[14] = 0x45;
    frame[14 + 9] = 17;
    const std::uint8_t addresses[] = {192, 0, 2, last_of_source, 192, 0, 2, 1};
    std::copy(std::begin(addresses), std::end(addresses), frame.begin() + 14 + 12);
    frame[34] = static_cast<std::uint8_t>(port >> 8);
    frame[35] = static_cast<std::uint8_t>(port & 0xff);
    frame[36] = 4711 >> 8;
    frame[37] = 4711 & 0xff;
    return frame;
}

class ShuttleWireTest : public testing::Test {
protected:
    void order(std::string_view line) {
        const auto refused = wire.order(line);
        EXPECT_FALSE(refused) << *refused;
    }
    /// What comes out towards the network until the end of time, with when.
    std::vector<std::pair<Duration, Frame>> all_out() {
        std::vector<std::pair<Duration, Frame>> found;
        for (TimePoint now = wire.next_due(); now != kNever; now = wire.next_due())
            while (auto frame = wire.take(Way::out, now)) found.emplace_back(now - kStart, std::move(*frame));
        return found;
    }
    void enter_many(int count, Duration apart = 1ms) {
        for (int i = 0; i < count; ++i) {
            wire.enter(Way::out, Frame{static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8)},
                       kStart + apart * i);
            if (wire.under_way(Way::out) > 1000) seen += all_out().size();
        }
        seen += all_out().size();
    }
    double share_seen() const { return static_cast<double>(seen) / kMany; }

    ShuttleWire wire{7, 0};
    std::size_t seen = 0;
};

TEST_F(ShuttleWireTest, WithoutOrdersItIsABareWire) {
    enter_many(kMany);
    EXPECT_EQ(seen, std::size_t{kMany});
    EXPECT_EQ(wire.counters(Way::out).left, std::uint64_t{kMany});
    EXPECT_EQ(wire.counters(Way::in).entered, 0u);
}

TEST_F(ShuttleWireTest, LosesTheShareThatWasOrdered) {
    order("loss 5%");
    enter_many(kMany);
    EXPECT_NEAR(share_seen(), 0.95, 0.01);
    EXPECT_EQ(wire.counters(Way::out).lost, kMany - seen);
}

TEST_F(ShuttleWireTest, OrdersForOneWayLeaveTheOther) {
    order("in loss 1.0");
    enter_many(kMany);
    EXPECT_EQ(seen, std::size_t{kMany});
    wire.enter(Way::in, Frame(60), kStart);
    EXPECT_FALSE(wire.take(Way::in, kStart));
}

TEST_F(ShuttleWireTest, OneWayPassesThatWayAlone) {
    order("one-way out");
    wire.enter(Way::in, Frame(60), kStart);
    wire.enter(Way::out, Frame(60), kStart);
    EXPECT_FALSE(wire.take(Way::in, kStart));
    EXPECT_TRUE(wire.take(Way::out, kStart));
    order("pass");
    wire.enter(Way::in, Frame(60), kStart);
    EXPECT_TRUE(wire.take(Way::in, kStart));
}

TEST_F(ShuttleWireTest, DoublesTheShareThatWasOrdered) {
    order("duplicate 10%");
    enter_many(kMany);
    EXPECT_NEAR(share_seen(), 1.10, 0.01);
}

TEST_F(ShuttleWireTest, DelaysWithinTheJitterAndKeepsTheOrder) {
    order("delay 20ms jitter 10ms");
    for (int i = 0; i < 1000; ++i)
        wire.enter(Way::out, Frame{static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8)}, kStart);
    const auto out = all_out();
    ASSERT_EQ(out.size(), 1000u);
    for (std::size_t i = 0; i < out.size(); ++i) {
        EXPECT_GE(out[i].first, 20ms);
        EXPECT_LE(out[i].first, 30ms);
        EXPECT_EQ(out[i].second[0] + 256 * out[i].second[1], static_cast<int>(i));
    }
}

TEST_F(ShuttleWireTest, ReordersWhatWasOrderedAndNothingElse) {
    order("reorder 10% by 5ms");
    for (int i = 0; i < 1000; ++i)
        wire.enter(Way::out, Frame{static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8)},
                   kStart + 1ms * i);
    std::size_t late = 0;
    int highest = -1;
    for (const auto& [when, frame] : all_out()) {
        const int number = frame[0] + 256 * frame[1];
        late += number < highest ? 1u : 0u;
        highest = std::max(highest, number);
    }
    EXPECT_NEAR(static_cast<double>(late), 100, 30);
    EXPECT_EQ(wire.counters(Way::out).lost, 0u);
}

TEST_F(ShuttleWireTest, KeepsTheRateAndDropsWhatWouldWaitTooLong) {
    order("rate 1M");
    for (int i = 0; i < 1000; ++i) wire.enter(Way::out, Frame(1250), kStart);  // 10 ms each
    const auto out = all_out();
    EXPECT_EQ(out.size(), 6u) << "50 ms of waiting, and the one that is being sent";
    EXPECT_EQ(out.back().first, 60ms);
    EXPECT_EQ(wire.counters(Way::out).queue_full, 994u);
}

TEST_F(ShuttleWireTest, MemoryIsBounded) {
    order("delay 1s");
    order("duplicate 100%");
    for (int i = 0; i < 10'000; ++i) wire.enter(Way::out, Frame(60), kStart);
    EXPECT_EQ(wire.under_way(Way::out), ShuttleWire::kMostUnderWay);
    EXPECT_EQ(wire.counters(Way::out).queue_full, 20'000 - ShuttleWire::kMostUnderWay);
}

TEST_F(ShuttleWireTest, SwallowsLargePackets) {
    order("mtu 1000");
    wire.enter(Way::out, Frame(14 + 1001), kStart);
    EXPECT_FALSE(wire.take(Way::out, kStart));
    wire.enter(Way::out, Frame(14 + 1000), kStart);
    EXPECT_TRUE(wire.take(Way::out, kStart));
}

TEST_F(ShuttleWireTest, DropsOneFlowBothWays) {
    order("drop-flow 192.0.2.1:4711 192.0.2.7:1000");
    for (const auto& [source, port, passes] :
         {std::tuple{7, 1000, false}, {7, 1001, true}, {8, 1000, true}}) {
        const Frame frame = udp_v4(static_cast<std::uint8_t>(source), static_cast<std::uint16_t>(port));
        wire.enter(Way::out, frame, kStart);
        EXPECT_EQ(wire.take(Way::out, kStart).has_value(), passes) << source << ' ' << port;
    }
    EXPECT_EQ(wire.counters(Way::out).flow_dropped, 1u);
    order("drop-flow 192.0.2.1:4711");
    wire.enter(Way::in, udp_v4(9, 1), kStart);
    EXPECT_FALSE(wire.take(Way::in, kStart));
}

TEST_F(ShuttleWireTest, ReadsFlowsOfBothFamilies) {
    EXPECT_EQ(flow_of(udp_v4(7, 1000), 0).source, "192.0.2.7:1000");
    EXPECT_EQ(flow_of(udp_v4(7, 1000), 0).destination, "192.0.2.1:4711");
    Frame v6(14 + 40 + 8);
    v6[12] = 0x86;
    v6[13] = 0xdd;
    v6[20] = 17;
    v6[22] = 0xfe;
    v6[23] = 0x80;
    v6[37] = 0x0a;
    v6[39 + 14] = 1;
    v6[54] = 0x12;
    v6[55] = 0x67;
    EXPECT_EQ(flow_of(v6, 0).source, "[fe80::a]:4711");
    EXPECT_EQ(flow_of(v6, 0).destination, "[::1]:0");
    EXPECT_EQ(flow_of(Frame(20), 0).source, "");
}

TEST_F(ShuttleWireTest, WhatIsNotUnderstoodChangesNothing) {
    for (const char* line :
         {"", "in", "delay", "delay 20", "delay 20ms jitter", "loss 101%", "loss x", "rate 1G", "one-way",
          "drop now", "drop-flow", "dilay 20ms", "delay 2000s", "mtu -1"})
        EXPECT_TRUE(wire.order(line)) << line;
    enter_many(kMany);
    EXPECT_EQ(seen, std::size_t{kMany});
}

TEST_F(ShuttleWireTest, TheSameSeedLosesTheSameFrames) {
    const auto lost = [](std::uint64_t seed) {
        ShuttleWire one{seed, 0};
        EXPECT_FALSE(one.order("loss 50%"));
        std::vector<bool> passed;
        for (int i = 0; i < 100; ++i) {
            one.enter(Way::out, Frame(60), kStart);
            passed.push_back(one.take(Way::out, kStart).has_value());
        }
        return passed;
    };
    EXPECT_EQ(lost(3), lost(3));
    EXPECT_NE(lost(3), lost(4));
}

}  // namespace
}  // namespace muster::lab
