#include "session/coordinator_roster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "session/member_roster.h"

namespace muster::session {
namespace {

using namespace std::chrono_literals;

PeerInfo peer(std::uint8_t number) {
    PeerInfo info;
    info.id.bytes.fill(number);
    info.name = "peer " + std::to_string(number);
    return info;
}

struct Quiet : RosterEvents {
    void on_peer_joined(const PeerInfo&) override {}
    void on_peer_left(const PeerInfo&, const Departure&) override {}
};

RosterUpdate parse(const Bytes& frame) {
    FrameSplitter splitter;
    ByteView octets = frame;
    EXPECT_EQ(splitter.next(octets), FrameSplitter::Outcome::frame);
    return RosterUpdate::parse(splitter.body()).value();
}

/// A member's copy.
struct Copy {
    MemberRoster roster{DeviceId{}, 10'000};
    std::uint64_t revision = 0;

    void apply(const std::vector<Bytes>& frames) {
        Quiet nobody;
        for (const Bytes& frame : frames)
            EXPECT_NE(roster.apply(parse(frame), nobody), MemberRoster::Applied::refused);
    }
};

TEST(CoordinatorRoster, NothingIsDueUntilSomethingChanged) {
    CoordinatorRoster roster{peer(0)};
    EXPECT_FALSE(roster.commit());
    EXPECT_EQ(roster.due(), kNever);
    roster.add(peer(1));
    EXPECT_TRUE(roster.commit());
    EXPECT_LE(roster.due(), TimePoint{}) << "the first change after a quiet time is told at once";
}

TEST(CoordinatorRoster, ChangesInAStormAreToldInBatches) {
    CoordinatorRoster roster{peer(0)};
    roster.add(peer(1));
    roster.commit();
    roster.told(TimePoint{1s}, 1000, 0);
    roster.add(peer(2));
    roster.commit();
    EXPECT_GT(roster.due(), TimePoint{1s + 50ms});
    EXPECT_LT(roster.due(), TimePoint{1s + 200ms});
}

TEST(CoordinatorRoster, LargeNewsAreToldLessOften) {
    CoordinatorRoster roster{peer(0)};
    roster.add(peer(1));
    roster.commit();
    roster.told(TimePoint{1s}, 10, 16 << 20);
    roster.add(peer(2));
    roster.commit();
    EXPECT_GE(roster.due(), TimePoint{3s}) << "8 MiB a second, for all members together";
}

TEST(CoordinatorRoster, WhoCameAndWentInBetweenIsNotMentioned) {
    CoordinatorRoster roster{peer(0)};
    const std::uint64_t before = roster.revision();
    roster.add(peer(1));
    roster.commit();
    roster.remove(peer(1).id, Closed{});
    roster.commit();
    const RosterUpdate update = parse(roster.delta(before).front());
    EXPECT_TRUE(update.joined.empty());
    EXPECT_TRUE(update.left.empty());
    EXPECT_EQ(update.to, roster.revision());
}

// Members at all the revisions that the coordinator has not told everyone yet.
TEST(CoordinatorRoster, EveryCopyEndsTheSame) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        SeededRandomness random{seed};
        CoordinatorRoster roster{peer(0)};
        std::vector<bool> there(40);
        std::vector<Copy> copies;
        for (int step = 0; step < 300; ++step) {
            const auto who = static_cast<std::uint8_t>(1 + uniform(random, 39));
            if (there[who])
                roster.remove(peer(who).id, Closed{});
            else
                roster.add(peer(who));
            there[who] = !there[who];
            if (uniform(random, 3) > 0) continue;
            roster.commit();
            copies.emplace_back().apply(roster.full());
            copies.back().revision = roster.revision();
            if (uniform(random, 5) > 0) continue;
            for (Copy& copy : copies) {
                ASSERT_TRUE(roster.covers(copy.revision));
                if (copy.revision != roster.revision()) copy.apply(roster.delta(copy.revision));
                copy.revision = roster.revision();
                ASSERT_THAT(copy.roster.roster().peers,
                            testing::UnorderedElementsAreArray(roster.roster().peers));
            }
            roster.told(TimePoint{}, copies.size(), 0);
        }
    }
}

TEST(CoordinatorRoster, ACopyFromBeforeTheLastBatchIsNotCovered) {
    CoordinatorRoster roster{peer(0)};
    const std::uint64_t before = roster.revision();
    roster.add(peer(1));
    roster.commit();
    roster.told(TimePoint{}, 1, 0);
    EXPECT_FALSE(roster.covers(before));
    EXPECT_TRUE(roster.covers(roster.revision()));
}

}  // namespace
}  // namespace muster::session
