#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/session_rig.h"

namespace muster::session {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Join, MemberAndCoordinatorMeetAndExchange) {
    Rig rig;
    auto& ann = rig.join("ann");
    ASSERT_THAT(ann.log.coordinator, SizeIs(1));
    EXPECT_EQ(ann.log.coordinator[0].name, "coordinator");
    EXPECT_EQ(ann.log.coordinator[0].id, rig.id);
    ASSERT_THAT(rig.log.joined, SizeIs(1));
    EXPECT_EQ(rig.log.joined[0].name, "ann");
    EXPECT_TRUE(say(*ann.engine, Recipients::coordinator(), "hello"));
    EXPECT_TRUE(say(*rig.coordinator, Recipients::everyone(), "welcome"));
    rig.run(10ms);
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("hello"));
    EXPECT_EQ(rig.log.messages[0].from, ann.id);
    EXPECT_THAT(texts(ann.log.messages), ElementsAre("welcome"));
    EXPECT_EQ(ann.log.messages[0].from, rig.id);
}

TEST(Join, FirstMessageNeedsNoSecondRoundTripAfterTheWelcome) {
    Rig rig;
    auto& ann = rig.add("ann");
    rig.log.when_joined = [&](const PeerInfo&) {
        EXPECT_TRUE(say(*rig.coordinator, Recipients::everyone(), "at once"));
    };
    rig.connect(ann);
    rig.run(2ms);  // request there, welcome and message back
    EXPECT_THAT(texts(ann.log.messages), ElementsAre("at once"));
}

TEST(Join, RequestCarriesNameInfoAndContextToTheDecision) {
    CoordinatorOptions options;
    options.admission = CoordinatorOptions::Admission::ask;
    Rig rig{std::move(options)};
    MemberOptions wish;
    wish.info = {{"role", "light"}};
    wish.context = to_bytes(std::string_view{"token"});
    auto& ann = rig.join("ann", std::move(wish));
    ASSERT_THAT(rig.log.requests, SizeIs(1));
    EXPECT_EQ(rig.log.requests[0].name, "ann");
    EXPECT_EQ(rig.log.requests[0].info.at("role"), "light");
    EXPECT_EQ(as_text(rig.log.requests[0].context), "token");
    EXPECT_FALSE(ann.engine->is_joined());
    EXPECT_FALSE(ann.link->is_let_in()) << "a stranger until then";
    rig.coordinator->accept(rig.log.requests[0].ticket);
    rig.run(10ms);
    EXPECT_TRUE(ann.engine->is_joined());
    EXPECT_TRUE(ann.link->is_let_in());
}

TEST(Join, RefusalReachesTheMemberWithItsReason) {
    CoordinatorOptions options;
    options.admission = CoordinatorOptions::Admission::ask;
    Rig rig{std::move(options)};
    rig.log.decide = [&](const JoinRequest& request) {
        rig.coordinator->refuse(request.ticket, Errc::refused, "rehearsal is over");
    };
    auto& ann = rig.join("ann");
    ASSERT_THAT(ann.log.ended, SizeIs(1));
    ASSERT_TRUE(ann.log.ended[0].is_lost());
    EXPECT_EQ(ann.log.ended[0].cause().code(), Errc::refused);
    EXPECT_EQ(ann.log.ended[0].cause().message(), "the coordinator refused: rehearsal is over");
    EXPECT_THAT(rig.log.joined, IsEmpty());
}

TEST(Join, UndecidedRequestIsRefusedInTime) {
    CoordinatorOptions options;
    options.admission = CoordinatorOptions::Admission::ask;
    Rig rig{std::move(options)};
    auto& ann = rig.join("ann");
    rig.run(26s);
    ASSERT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_EQ(ann.log.ended[0].cause().code(), Errc::timed_out);
    rig.coordinator->accept(rig.log.requests[0].ticket);  // too late: nothing happens
    rig.run(1s);
    EXPECT_THAT(rig.log.joined, IsEmpty());
}

TEST(Join, AllowListRefusesStrangers) {
    CoordinatorOptions options;
    options.trust = TrustPolicy::allow({device(77)});
    Rig rig{std::move(options)};
    auto& ann = rig.join("ann");
    ASSERT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_EQ(ann.log.ended[0].cause().code(), Errc::refused);
    EXPECT_THAT(ann.log.ended[0].cause().message(), testing::HasSubstr("allow list"));
}

TEST(Join, FullCoordinatorSaysSo) {
    CoordinatorOptions options;
    options.limits.members = 1;
    Rig rig{std::move(options)};
    rig.join("ann");
    auto& bob = rig.join("bob");
    ASSERT_THAT(bob.log.ended, SizeIs(1));
    EXPECT_EQ(bob.log.ended[0].cause().code(), Errc::full);
}

TEST(Join, NamesMayRepeatUnlessTheCoordinatorSaysOtherwise) {
    Rig lenient;
    lenient.join("ann");
    EXPECT_TRUE(lenient.join("ann").engine->is_joined());
    CoordinatorOptions options;
    options.names = CoordinatorOptions::Names::must_differ;
    Rig strict{std::move(options)};
    strict.join("ann");
    auto& second = strict.join("ann");
    ASSERT_THAT(second.log.ended, SizeIs(1));
    EXPECT_EQ(second.log.ended[0].cause().code(), Errc::name_in_use);
}

TEST(Join, SilentStrangerIsSentAwayAfterFiveSeconds) {
    Rig rig;
    MemoryLink link{rig.timeline, device(9), rig.id, 99};
    std::vector<LinkEnd> ends;
    link.on_down(MemoryLink::Side::member, [&](link::LinkPort&, const LinkEnd& how) { ends.push_back(how); });
    link.set_handler(
        MemoryLink::Side::coordinator,
        rig.coordinator->on_link_up(link.port(MemoryLink::Side::coordinator), rig.timeline.now()));
    rig.run(4900ms);
    EXPECT_THAT(ends, IsEmpty());
    rig.run(200ms);
    ASSERT_THAT(ends, SizeIs(1));
    EXPECT_EQ(std::get<LinkClosed>(ends[0]).code, static_cast<std::uint64_t>(LinkCode::timed_out));
}

TEST(Join, CoordinatorThatNeverAnswersIsGivenUp) {
    Rig rig;
    auto& ann = rig.add("ann");
    rig.connect(ann).freeze();
    rig.run(29s);
    EXPECT_THAT(ann.log.ended, IsEmpty());
    rig.run(2s);
    ASSERT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_EQ(ann.log.ended[0].cause().code(), Errc::timed_out);
}

TEST(Join, LostLinkBeforeTheAnswerEndsTheAttempt) {
    Rig rig;
    auto& ann = rig.add("ann");
    rig.connect(ann).cut();
    rig.run(10ms);
    ASSERT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_EQ(ann.log.ended[0].cause().code(), Errc::lost);
    EXPECT_THAT(rig.log.joined, IsEmpty());
}

TEST(Join, NamesWithControlCharactersAreRefusedOnTheSideThatMadeThem) {
    MemberLog log;
    for (const char* name : {"", "tab\there", "esc\x1b[31m", "\xff\xfe", "right\xe2\x80\xaeleft"}) {
        MemberOptions options;
        options.name = name;
        const auto made = MemberEngine::create(std::move(options), device(1), log);
        ASSERT_FALSE(made);
        EXPECT_EQ(made.error().code(), Errc::bad_name) << name;
    }
    MemberOptions options;
    options.name = std::string(65, 'a');
    EXPECT_EQ(MemberEngine::create(options, device(1), log).error().code(), Errc::bad_name);
    options.name = "Bühne 1 – links";
    EXPECT_TRUE(MemberEngine::create(options, device(1), log));
    options.context.resize(kMaxContextSize + 1);
    EXPECT_EQ(MemberEngine::create(options, device(1), log).error().code(), Errc::too_large);
    options.context.clear();
    options.info["k"] = std::string(kMaxInfoSize, 'x');
    EXPECT_EQ(MemberEngine::create(options, device(1), log).error().code(), Errc::too_large);
}

TEST(Join, LimitsThatCannotWorkAreRefused) {
    MemberLog log;
    MemberOptions options;
    options.name = "ann";
    options.limits.receive_queue = options.limits.message;
    EXPECT_EQ(MemberEngine::create(options, device(1), log).error().code(), Errc::bad_input);
    options.limits = {};
    options.limits.streams = 200;
    EXPECT_EQ(MemberEngine::create(options, device(1), log).error().code(), Errc::bad_input);
    options.limits = {};
    options.limits.stream_buffer = 100;
    EXPECT_EQ(MemberEngine::create(options, device(1), log).error().code(), Errc::bad_input);
}

TEST(Join, DeviceWhoseLinkGoesWithItsWelcomeIsLetInAtOnce) {
    Rig rig;
    auto& ann = rig.add("ann");
    rig.connect(ann, [&](MemoryLink& link) {
        link.before_delivery = [&rig] { return rig.log.joined.empty(); };  // nothing arrives once it is in
    });
    rig.run(20ms);
    ASSERT_EQ(rig.log.joined.size(), 1u);
    ASSERT_FALSE(ann.engine->is_joined());
    MemberOptions how;
    how.name = "ann";
    ann.engine = MemberEngine::create(how, ann.id, ann.log).value();
    ann.log.engine = ann.engine.get();
    rig.connect(ann);
    rig.run(20ms);
    EXPECT_TRUE(ann.engine->is_joined()) << "nobody lives behind the link that hangs";
}

TEST(Join, DeviceThatIsAliveKeepsItsPlaceAgainstASecondOne) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& copy = rig.add("ann again");
    copy.id = ann.id;
    rig.connect(copy);
    rig.run(1s);
    ASSERT_THAT(copy.log.ended, SizeIs(1));
    EXPECT_EQ(copy.log.ended[0].cause().code(), Errc::name_in_use);
    EXPECT_TRUE(ann.engine->is_joined());
    EXPECT_THAT(rig.log.joined, SizeIs(1));
}

TEST(Join, DeviceThatStartedAfreshReplacesItsSilentPast) {
    Rig rig;
    auto& ann = rig.join("ann");
    ann.link->freeze();  // the process was killed: nothing says so
    auto& again = rig.add("ann");
    again.id = ann.id;
    rig.connect(again);
    rig.run(1s);
    EXPECT_TRUE(again.engine->is_joined());
    ASSERT_THAT(rig.log.left, SizeIs(1));
    EXPECT_TRUE(rig.log.left[0].second.is_lost());
    EXPECT_THAT(rig.log.joined, SizeIs(2));
    EXPECT_THAT(rig.coordinator->roster().peers, SizeIs(2));
}

TEST(Join, RosterRevisionsGrowAndAllCopiesAgree) {
    Rig rig;
    for (int i = 0; i < 20; ++i) rig.join("m" + std::to_string(i));
    rig.members[3]->engine->close(0, "done", 1s, rig.timeline.now());
    rig.run(1s);
    rig.members[7]->link->cut();
    rig.run(1s);
    for (auto& node : rig.members) {
        if (node->engine->has_ended()) continue;
        EXPECT_EQ(node->engine->roster(), rig.coordinator->roster());
        EXPECT_TRUE(std::ranges::is_sorted(node->log.revisions, std::less_equal<>{})) << "strictly growing";
        EXPECT_THAT(node->log.left, SizeIs(2));
    }
    EXPECT_THAT(rig.coordinator->roster().peers, SizeIs(19));
    const auto& [first, how] = rig.members[0]->log.left[0];
    EXPECT_EQ(first.name, "m3");
    ASSERT_TRUE(how.is_closed());
    EXPECT_EQ(how.closed().by, Closed::By::peer);
    EXPECT_EQ(how.closed().reason, "done");
    EXPECT_TRUE(rig.members[0]->log.left[1].second.is_lost());
}

TEST(Join, ManyAtOnceAllGetIn) {
    Rig rig;
    for (int i = 0; i < 100; ++i) rig.connect(rig.add("m" + std::to_string(i)));
    rig.run(50ms);
    EXPECT_THAT(rig.log.joined, SizeIs(100));
    for (auto& node : rig.members) EXPECT_EQ(node->engine->roster(), rig.coordinator->roster());
}

TEST(Join, LongRosterComesInPieces) {
    Rig rig;
    MemberOptions options;
    options.info["about"] = std::string(4000, 'x');
    for (int i = 0; i < 60; ++i) rig.join("m" + std::to_string(i), options);
    EXPECT_EQ(rig.members.back()->engine->roster(), rig.coordinator->roster());
    EXPECT_THAT(rig.members.back()->log.joined, SizeIs(59));
}

}  // namespace
}  // namespace muster::session
