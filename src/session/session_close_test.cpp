#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/session_rig.h"

namespace muster::session {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::optional<Errc> shortfall_of(const Rig::MemberNode& node) {
    const auto missed = node.engine->shortfall();
    return missed ? std::optional{missed->code()} : std::nullopt;
}

TEST(Close, FlushesWhatWasAcceptedAndTellsCodeAndReason) {
    Rig rig;
    auto& ann = rig.join("ann");
    const std::string large(900'000, 'x');
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), large));
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "last words",
                    SendOptions{ChannelId{3}, Delivery::unordered}));
    ann.engine->close(7, "going home", 1s, rig.timeline.now());
    rig.run(100ms);
    EXPECT_THAT(rig.log.messages, SizeIs(5));
    ASSERT_THAT(rig.log.left, SizeIs(1));
    EXPECT_EQ(rig.log.left[0].second, Departure(Closed(Closed::By::peer, 7, "going home")));
    EXPECT_THAT(ann.log.ended, ElementsAre(Departure(Closed(Closed::By::this_end, 7, "going home"))));
    EXPECT_EQ(ann.engine->shortfall(), std::nullopt);
    EXPECT_FALSE(ann.link->is_up());
}

TEST(Close, IsHeardWithinTwoTripsThoughNobodySleeps) {
    Rig rig;
    auto& ann = rig.join("ann");
    ann.engine->close(0, "", 1s, rig.timeline.now());
    rig.run(3ms);  // one trip for the goodbye, one for the answer
    EXPECT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_THAT(rig.log.left, SizeIs(1));
}

TEST(Close, IsIdempotentAndSafeInsideHandlers) {
    Rig rig;
    auto& ann = rig.join("ann");
    ann.log.when_message = [&](const MessageView&) {
        ann.engine->close(1, "first", 1s, rig.timeline.now());
        ann.engine->close(2, "second", 1s, rig.timeline.now());
    };
    rig.log.when_left = [&](const PeerInfo&) {
        rig.coordinator->close(3, "all gone", 1s, rig.timeline.now());
    };
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(say(*rig.coordinator, Recipients::everyone(), "go"));
    rig.run(100ms);
    EXPECT_THAT(ann.log.messages, SizeIs(1)) << "nothing is delivered after close";
    EXPECT_THAT(ann.log.ended, ElementsAre(Departure(Closed(Closed::By::this_end, 1, "first"))));
    EXPECT_EQ(rig.log.closed, 1);
}

TEST(Close, OfTheCoordinatorReachesEveryMemberAndPendingRequests) {
    CoordinatorOptions options;
    options.admission = CoordinatorOptions::Admission::ask;
    Rig rig{std::move(options)};
    rig.log.decide = [&](const JoinRequest& request) {
        if (request.name != "pending") rig.coordinator->accept(request.ticket);
    };
    for (int i = 0; i < 8; ++i) rig.join("m" + std::to_string(i));
    auto& pending = rig.join("pending");
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(say(*rig.coordinator, Recipients::everyone(), "x"));
    rig.coordinator->close(9, "stop", 1s, rig.timeline.now());
    auto& late = rig.add("late");
    rig.connect(late);
    rig.run(100ms);
    EXPECT_EQ(rig.log.closed, 1);
    EXPECT_EQ(rig.coordinator->shortfall(), std::nullopt);
    for (int i = 0; i < 8; ++i) {
        auto& log = rig.members[static_cast<std::size_t>(i)]->log;
        EXPECT_THAT(log.messages, SizeIs(100));
        EXPECT_THAT(log.ended, ElementsAre(Departure(Closed(Closed::By::peer, 9, "stop"))));
    }
    ASSERT_THAT(pending.log.ended, SizeIs(1));
    EXPECT_EQ(pending.log.ended[0].cause().code(), Errc::closed);
    ASSERT_THAT(late.log.ended, SizeIs(1));
    EXPECT_EQ(late.log.ended[0].cause().code(), Errc::closed);
}

TEST(Close, OfOneMemberByTheCoordinator) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    ASSERT_TRUE(rig.coordinator->close_member(ann.id, 5, "too loud", 1s, rig.timeline.now()));
    EXPECT_FALSE(rig.coordinator->close_member(device(99), 5, "", 1s, rig.timeline.now()));
    rig.run(50ms);
    EXPECT_THAT(ann.log.ended, ElementsAre(Departure(Closed(Closed::By::peer, 5, "too loud"))));
    ASSERT_THAT(bob.log.left, SizeIs(1));
    EXPECT_EQ(bob.log.left[0].second, Departure(Closed(Closed::By::this_end, 5, "too loud"))) << "removed";
}

TEST(Close, OfTheCoordinatorNamesTheMembersThatDidNotConfirm) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    auto& eve = rig.join("eve");
    for (auto* dead : {&ann, &eve}) dead->link->freeze();
    ASSERT_TRUE(say(*rig.coordinator, Recipients::everyone(), "last orders"));
    rig.coordinator->close(0, "closing time", 300ms, rig.timeline.now());
    rig.run(310ms);
    EXPECT_EQ(rig.log.closed, 1);
    EXPECT_THAT(texts(bob.log.messages), ElementsAre("last orders"));
    const auto missed = rig.coordinator->shortfall();
    ASSERT_TRUE(missed);
    EXPECT_EQ(missed->code(), Errc::timed_out);
    EXPECT_THAT(missed->evidence(), SizeIs(2));
    EXPECT_THAT(missed->explain(), AllOf(HasSubstr("ann"), HasSubstr("eve"), Not(HasSubstr("bob"))));
}

TEST(Close, WaitsNoLongerThanItsDeadlineForAPeerThatDoesNotRead) {
    Rig rig;
    auto& ann = rig.join("ann");
    rig.log.reads = false;
    const std::string text(100'000, 'x');
    while (say(*ann.engine, Recipients::coordinator(), text)) {
    }
    rig.run(100ms);
    ann.engine->close(4, "cannot wait", 500ms, rig.timeline.now());
    rig.run(490ms);
    EXPECT_THAT(ann.log.ended, IsEmpty());
    rig.run(20ms);
    EXPECT_THAT(ann.log.ended, ElementsAre(Departure(Closed(Closed::By::this_end, 4, "cannot wait"))));
    ASSERT_THAT(rig.log.left, SizeIs(1));
    EXPECT_EQ(rig.log.left[0].second, Departure(Closed(Closed::By::peer, 4, "cannot wait")))
        << "closed, not lost";
    EXPECT_EQ(shortfall_of(ann), Errc::timed_out);
    EXPECT_THAT(ann.engine->shortfall()->explain(), HasSubstr("octets of messages"));
}

TEST(Close, SaysHowMuchIsNotKnownToHaveArrived) {
    Rig rig;
    auto& ann = rig.join("ann");
    ann.link->freeze();
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), std::string(1000, 'x')));
    const auto stream = ann.engine->open_stream(rig.id, as_bytes("s")).value();
    ASSERT_TRUE(ann.engine->write(stream, Slice::copy_of(as_bytes(std::string(500, 'y')))));
    ann.engine->close(0, "bye", 300ms, rig.timeline.now());
    EXPECT_EQ(ann.engine->shortfall(), std::nullopt) << "the deadline is not over yet";
    rig.run(310ms);
    ASSERT_EQ(shortfall_of(ann), Errc::timed_out);
    const auto evidence = ann.engine->shortfall()->evidence();
    ASSERT_THAT(evidence, SizeIs(1));
    EXPECT_THAT(evidence[0].finding, ContainsRegex("10[0-9][0-9] octets of messages, 50[0-9] of streams"));
}

TEST(Close, WithADeadPeerSaysWhyThoughNothingWasLeftToSend) {
    Rig rig;
    auto& ann = rig.join("ann");
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "arrives"));
    rig.run(100ms);
    ann.link->freeze();
    ann.engine->close(0, "bye", 300ms, rig.timeline.now());
    rig.run(310ms);
    ASSERT_EQ(shortfall_of(ann), Errc::timed_out);
    EXPECT_THAT(ann.engine->shortfall()->explain(), HasSubstr("it has all that was sent"));
}

TEST(Close, TellsTheCauseWhenTheLinkDiesWhileItFlushes) {
    Rig rig;
    auto& ann = rig.join("ann");
    rig.log.reads = false;
    const std::string text(100'000, 'x');
    while (say(*ann.engine, Recipients::coordinator(), text)) {
    }
    rig.run(100ms);
    ann.engine->close(4, "in vain", 5s, rig.timeline.now());
    rig.run(100ms);
    EXPECT_THAT(ann.log.ended, IsEmpty());
    ann.link->cut();
    rig.run(10ms);
    EXPECT_THAT(ann.log.ended, ElementsAre(Departure(Closed(Closed::By::this_end, 4, "in vain"))))
        << "this end wanted to go, and is gone";
    EXPECT_EQ(shortfall_of(ann), Errc::lost);
    EXPECT_THAT(ann.engine->shortfall()->explain(), HasSubstr("octets of messages"));
}

TEST(Close, AfterAnInterruptionThatDoesNotEndInTimeNamesIt) {
    CoordinatorOptions host;
    host.grace = 10s;
    Rig rig{host};
    MemberOptions options;
    options.grace = 10s;
    auto& ann = rig.join("ann", options);
    ann.link->cut();
    rig.run(10ms);
    ann.engine->close(0, "", 300ms, rig.timeline.now());
    rig.run(310ms);
    ASSERT_EQ(shortfall_of(ann), Errc::timed_out);
    EXPECT_THAT(ann.engine->shortfall()->evidence(), SizeIs(2));
}

TEST(Close, OfThePeerWithNothingOnTheWayIsNoShortfall) {
    Rig rig;
    auto& ann = rig.join("ann");
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "arrives"));
    rig.run(5ms);  // received, and not acknowledged yet: the goodbye brings that too
    rig.coordinator->close(2, "over", 1s, rig.timeline.now());
    rig.run(50ms);
    EXPECT_THAT(rig.log.messages, SizeIs(1));
    EXPECT_THAT(ann.log.ended, ElementsAre(Departure(Closed(Closed::By::peer, 2, "over"))));
    EXPECT_EQ(ann.engine->shortfall(), std::nullopt);
}

TEST(Close, OfBothEndsDoesNotHideWhatCameTooLate) {
    Rig rig;
    auto& ann = rig.join("ann");
    rig.coordinator->close(2, "over", 1s, rig.timeline.now());
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "nobody will read this"));
    ann.engine->close(1, "mine", 1s, rig.timeline.now());
    rig.run(100ms);
    EXPECT_THAT(rig.log.messages, IsEmpty());
    EXPECT_EQ(shortfall_of(ann), Errc::closed);
}

TEST(Close, OnALinkThatIsDeadEndsAtItsDeadline) {
    Rig rig;
    auto& ann = rig.join("ann");
    ann.link->freeze();
    ann.engine->close(0, "bye", 300ms, rig.timeline.now());
    rig.run(310ms);
    EXPECT_THAT(ann.log.ended, ElementsAre(Departure(Closed(Closed::By::this_end, 0, "bye"))));
    EXPECT_EQ(ann.engine->next_wakeup(), kNever);
}

TEST(Close, FromBothEndsAtOnceEndsBoth) {
    Rig rig;
    auto& ann = rig.join("ann");
    ann.engine->close(1, "mine", 1s, rig.timeline.now());
    rig.coordinator->close(2, "yours", 1s, rig.timeline.now());
    rig.run(100ms);
    EXPECT_THAT(ann.log.ended, ElementsAre(Departure(Closed(Closed::By::this_end, 1, "mine"))));
    ASSERT_THAT(rig.log.left, SizeIs(1));
    EXPECT_EQ(rig.log.left[0].second, Departure(Closed(Closed::By::this_end, 2, "yours")));
    EXPECT_EQ(rig.log.closed, 1);
    rig.run(3s);  // neither waits for the other to close the link for longer than that
    EXPECT_FALSE(ann.link->is_up());
}

TEST(Close, WhileJoiningOrBeforeAnyLink) {
    Rig rig;
    auto& ann = rig.add("ann");
    rig.connect(ann);
    ann.engine->close(1, "no", 1s, rig.timeline.now());
    rig.run(100ms);
    EXPECT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_TRUE(ann.log.ended[0].is_closed());
    EXPECT_EQ(rig.log.left.size(), rig.log.joined.size());
    for (const auto& [who, how] : rig.log.left) EXPECT_EQ(how, Departure(Closed(Closed::By::peer, 1, "no")));
    auto& bob = rig.add("bob");
    bob.engine->close(1, "no", 1s, rig.timeline.now());
    rig.run(1ms);
    EXPECT_THAT(bob.log.ended, SizeIs(1));
    rig.connect(bob);  // too late: the link is closed again
    rig.run(10ms);
    EXPECT_FALSE(bob.link->is_up());
}

TEST(Abort, IsSeenAsLostNeverAsClosed) {
    Rig rig;
    auto& ann = rig.join("ann");
    ann.engine->abort(rig.timeline.now());
    rig.run(10ms);
    ASSERT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_EQ(ann.log.ended[0].cause().code(), Errc::cancelled);
    EXPECT_EQ(shortfall_of(ann), Errc::cancelled);
    ASSERT_THAT(rig.log.left, SizeIs(1));
    EXPECT_TRUE(rig.log.left[0].second.is_lost());
    auto& bob = rig.join("bob");
    rig.coordinator->abort(rig.timeline.now());
    rig.run(10ms);
    EXPECT_EQ(rig.log.closed, 1);
    ASSERT_THAT(bob.log.ended, SizeIs(1));
    EXPECT_TRUE(bob.log.ended[0].is_lost());
}

TEST(Close, NegativeControlACutLinkIsLost) {
    Rig rig;
    auto& ann = rig.join("ann");
    ann.link->cut();
    rig.run(10ms);
    ASSERT_THAT(rig.log.left, SizeIs(1));
    EXPECT_TRUE(rig.log.left[0].second.is_lost());
    ASSERT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_TRUE(ann.log.ended[0].is_lost());
}

TEST(Close, HalfOfALinkThatNeverEndsIsClosedFromThisEnd) {
    Rig rig;
    auto& ann = rig.join("ann");
    rig.coordinator->close(0, "done", 1s, rig.timeline.now());
    rig.run(1500us);     // the goodbye has arrived and been answered
    ann.link->freeze();  // the coordinator will never hear it
    rig.run(5s);
    EXPECT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_EQ(rig.log.closed, 1);
    EXPECT_EQ(ann.engine->next_wakeup(), kNever);
    EXPECT_EQ(rig.coordinator->next_wakeup(), kNever);
}

/// Some device closes at some moment while all talk to all. Everyone else must see `closed` with the reason,
/// and whatever was accepted must have arrived.
void close_under_traffic(std::uint64_t seed) {
    Rig rig;
    SeededRandomness random{seed};
    std::vector<Rig::MemberNode*> nodes;
    for (int i = 0; i < 7; ++i) {
        auto& node = rig.add("m" + std::to_string(i));
        rig.connect(node, [&](MemoryLink& link) { link.jitter = &random; });
        nodes.push_back(&node);
    }
    rig.run(50ms);
    const std::size_t victim = uniform(random, 8);  // 7 is the coordinator
    const int when = static_cast<int>(uniform(random, 30));
    std::map<std::string, int> accepted;  // by sender, for the coordinator
    for (int tick = 0; tick < 30; ++tick) {
        for (auto* node : nodes)
            for (std::uint64_t i = uniform(random, 5); i > 0; --i) {
                const auto to = uniform(random, 2) == 0 ? Recipients::everyone() : Recipients::coordinator();
                const Bytes text(uniform(random, uniform(random, 4) == 0 ? 50'000 : 200));
                if (node->engine->send(to, {}, text)) ++accepted[node->id.to_string()];
            }
        (void)say(*rig.coordinator, Recipients::everyone(), "from the coordinator");
        if (tick == when && victim < 7)
            nodes[victim]->engine->close(3, "random stop", 1s, rig.timeline.now());
        if (tick == when && victim == 7) rig.coordinator->close(3, "random stop", 1s, rig.timeline.now());
        rig.run(uniform(random, Duration{}, Duration{3ms}));
    }
    rig.run(200ms);
    const Departure by_peer = Closed(Closed::By::peer, 3, "random stop");
    std::map<std::string, int> got;
    for (const Message& message : rig.log.messages) ++got[message.from.to_string()];
    if (victim == 7) {
        EXPECT_EQ(rig.log.closed, 1) << "seed " << seed;
        for (auto* node : nodes) EXPECT_THAT(node->log.ended, ElementsAre(by_peer)) << "seed " << seed;
        return;
    }
    EXPECT_EQ(got, accepted) << "seed " << seed;
    EXPECT_EQ(nodes[victim]->engine->shortfall(), std::nullopt) << "seed " << seed;
    ASSERT_THAT(rig.log.left, SizeIs(1)) << "seed " << seed;
    EXPECT_EQ(rig.log.left[0].second, by_peer) << "seed " << seed;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (i == victim) continue;
        ASSERT_THAT(nodes[i]->log.left, SizeIs(1)) << "seed " << seed;
        EXPECT_EQ(nodes[i]->log.left[0].second, by_peer) << "seed " << seed;
    }
}

TEST(Close, FiveHundredRandomClosesUnderTrafficAreAllHeardAsClosed) {
    for (std::uint64_t seed = 1; seed <= 500 && !testing::Test::HasFailure(); ++seed)
        close_under_traffic(seed);
}

}  // namespace
}  // namespace muster::session
