#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/hand_made_peer.h"
#include "session/session_rig.h"

namespace muster::session {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

CoordinatorOptions patient() {
    CoordinatorOptions options;
    options.grace = 60s;
    return options;
}

MemberOptions patient_member() {
    MemberOptions options;
    options.grace = 60s;
    return options;
}

std::string pattern(std::size_t size) {
    std::string out(size, ' ');
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>('!' + (i * 7 + i / 251) % 90);
    return out;
}

TEST(Resume, SessionOutlivesItsLink) {
    Rig rig{patient()};
    auto& ann = rig.join("ann", patient_member());
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "before"));
    rig.run(50ms);
    ann.link->cut();
    rig.run(1s);
    EXPECT_THAT(ann.log.interrupted, SizeIs(1));
    EXPECT_THAT(rig.log.interrupted, SizeIs(1));
    EXPECT_TRUE(ann.engine->is_joined());
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "meanwhile"));
    ASSERT_TRUE(say(*rig.coordinator, Recipients::everyone(), "meanwhile too"));
    rig.connect(ann);
    rig.run(3ms);
    EXPECT_TRUE(ann.link->is_let_in());
    EXPECT_EQ(ann.log.resumed, 1);
    EXPECT_EQ(rig.log.resumed, 1);
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "after"));
    rig.run(50ms);
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("before", "meanwhile", "after"));
    EXPECT_THAT(texts(ann.log.messages), ElementsAre("meanwhile too"));
    EXPECT_THAT(rig.log.left, IsEmpty());
    EXPECT_THAT(rig.log.joined, SizeIs(1));
}

TEST(Resume, EndsLostWithItsCauseWhenTheGraceIsOver) {
    Rig rig{patient()};
    MemberOptions hasty;
    hasty.grace = 10s;
    auto& ann = rig.join("ann", hasty);
    ann.link->cut();
    rig.run(9s);
    EXPECT_THAT(ann.log.ended, IsEmpty());
    EXPECT_THAT(rig.log.left, IsEmpty());
    rig.run(2s);
    ASSERT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_EQ(ann.log.ended[0].cause().message(), "the link was cut");
    ASSERT_THAT(rig.log.left, SizeIs(1)) << "the shorter of both ends' graces counts at both";
    EXPECT_EQ(rig.log.left[0].second.cause().code(), Errc::lost);
}

TEST(Resume, WithoutGraceAtEitherEndALostLinkEndsTheSession) {
    for (const bool coordinator_has_it : {false, true}) {
        Rig rig{coordinator_has_it ? patient() : CoordinatorOptions{}};
        auto& ann = rig.join("ann", coordinator_has_it ? MemberOptions{} : patient_member());
        ann.link->cut();
        rig.run(10ms);
        EXPECT_THAT(ann.log.interrupted, IsEmpty());
        EXPECT_THAT(rig.log.interrupted, IsEmpty());
        EXPECT_THAT(ann.log.ended, SizeIs(1));
        EXPECT_THAT(rig.log.left, SizeIs(1));
    }
}

TEST(Resume, AGraceWithoutEndIsNoOverflow) {
    CoordinatorOptions host;
    host.grace = Duration::max();
    MemberOptions member;
    member.grace = Duration::max();
    Rig rig{host};
    auto& ann = rig.join("ann", member);
    ann.link->cut();
    rig.run(1h);
    EXPECT_THAT(ann.log.ended, IsEmpty());
    EXPECT_THAT(rig.log.left, IsEmpty());
}

TEST(Resume, WhoClosesAndIsCutOffForTheWholeGraceHasClosed) {
    Rig rig{patient()};
    MemberOptions hasty;
    hasty.grace = 1s;
    auto& ann = rig.join("ann", hasty);
    ann.link->cut();
    rig.run(10ms);
    ann.engine->close(6, "gone", 5s, rig.timeline.now());
    rig.run(2s);
    EXPECT_THAT(ann.log.ended, ElementsAre(Departure(Closed(Closed::By::this_end, 6, "gone"))));
    ASSERT_TRUE(ann.engine->shortfall());
    EXPECT_EQ(ann.engine->shortfall()->code(), Errc::lost);
}

TEST(Resume, TakesOverFromALinkThatStillHangs) {
    Rig rig{patient()};
    auto& ann = rig.join("ann", patient_member());
    MemoryLink& old = *ann.link;
    old.freeze();
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "into the void"));
    rig.run(100ms);
    rig.connect(ann);
    rig.run(100ms);
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("into the void"));
    EXPECT_THAT(ann.log.interrupted, IsEmpty()) << "there was always a link";
    EXPECT_FALSE(old.is_up());
}

TEST(Resume, BesideALinkThatWorksLosesAndDoublesNothing) {
    Rig rig{patient()};
    SeededRandomness late{11};
    auto& ann = rig.add("ann", patient_member());
    const auto prepare = [&](MemoryLink& link) {
        link.jitter = &late;
        link.piece = 64;
    };
    rig.connect(ann, prepare);
    rig.run(20ms);
    std::vector<std::string> up, down;
    for (int i = 0; i < 3000; ++i) {
        up.push_back("up " + std::to_string(i));
        down.push_back("down " + std::to_string(i));
        const auto sent = say(*ann.engine, Recipients::coordinator(), up.back());
        ASSERT_TRUE(sent) << i << ": " << sent.error().message()
                          << (ann.log.ended.empty() ? "" : ann.log.ended[0].cause().message());
        ASSERT_TRUE(say(*rig.coordinator, Recipients::everyone(), down.back()));
        if (i % 4 == 0) rig.run(300us);
        if (i % 50 == 49) rig.connect(ann, prepare);
    }
    rig.run(1s);
    EXPECT_EQ(texts(rig.log.messages), up);
    EXPECT_EQ(texts(ann.log.messages), down);
    EXPECT_THAT(ann.log.ended, IsEmpty());
}

TEST(Resume, OfAnAttemptThatFailsLeavesTheOldLinkInPlace) {
    Rig rig{patient()};
    auto& ann = rig.join("ann", patient_member());
    MemoryLink& first = *ann.link;
    rig.connect(ann).freeze();  // the second one never works
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "on the first"));
    rig.run(10s);
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("on the first"));
    EXPECT_TRUE(first.is_up());
    first.cut();
    rig.run(1s);
    EXPECT_THAT(ann.log.interrupted, SizeIs(1));
    rig.connect(ann);
    rig.run(100ms);
    EXPECT_EQ(ann.log.resumed, 1);
}

TEST(Resume, LossOfTheOldLinkDuringAnAttemptIsNoInterruption) {
    Rig rig{patient()};
    auto& ann = rig.join("ann", patient_member());
    MemoryLink& first = *ann.link;
    rig.connect(ann);
    first.cut();
    rig.run(100ms);
    EXPECT_THAT(ann.log.interrupted, IsEmpty());
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "fine"));
    rig.run(10ms);
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("fine"));
    MemoryLink& second = *ann.link;
    rig.connect(ann).freeze();
    second.cut();
    rig.run(1s);
    EXPECT_THAT(ann.log.interrupted, IsEmpty()) << "the attempt still runs";
    rig.run(5s);
    EXPECT_THAT(ann.log.interrupted, SizeIs(1)) << "it came to nothing";
}

TEST(Resume, OfASessionThatIsGoneEndsIt) {
    Rig rig{patient()};
    auto& ann = rig.join("ann", patient_member());
    ann.link->cut();
    ASSERT_TRUE(rig.coordinator->close_member(ann.id, 1, "removed meanwhile", 100ms, rig.timeline.now()));
    rig.run(1s);
    EXPECT_THAT(rig.log.left, SizeIs(1));
    rig.connect(ann);
    rig.run(100ms);
    ASSERT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_EQ(ann.log.ended[0].cause().code(), Errc::lost);
}

TEST(Resume, CloseDuringAnInterruptionIsSaidOnTheNextLink) {
    Rig rig{patient()};
    auto& ann = rig.join("ann", patient_member());
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "last words"));
    ann.link->cut();
    rig.run(10ms);
    ann.engine->close(6, "gone", 5s, rig.timeline.now());
    rig.run(1s);
    EXPECT_THAT(ann.log.ended, IsEmpty());
    rig.connect(ann);
    rig.run(100ms);
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("last words"));
    ASSERT_THAT(rig.log.left, SizeIs(1));
    EXPECT_EQ(rig.log.left[0].second, Departure(Closed(Closed::By::peer, 6, "gone")));
    EXPECT_THAT(ann.log.ended, SizeIs(1));
}

TEST(Resume, QueueThatFilledDuringALongInterruptionIsNoReasonToDropTheMember) {
    Rig rig{patient()};
    auto& ann = rig.join("ann", patient_member());
    const std::string large(100'000, 'x');
    ann.link->freeze();
    std::size_t sent = 0;
    while (say(*rig.coordinator, Recipients::one(ann.id), large)) ++sent;
    rig.run(1s);
    ann.link->cut();
    rig.run(30s);
    rig.connect(ann);
    rig.run(1s);
    EXPECT_EQ(ann.log.messages.size(), sent);
    EXPECT_THAT(rig.log.left, IsEmpty());
    EXPECT_THAT(rig.log.writable, SizeIs(2)) << "when nobody waits for it any more, and when it has room";
}

TEST(Resume, CloseInsteadOfAnAnswerEndsTheSessionThoughTheOldLinkHangs) {
    Rig rig{patient()};
    auto& ann = rig.join("ann", patient_member());
    ann.link->freeze();
    ASSERT_TRUE(rig.coordinator->close_member(ann.id, 3, "out", 10ms, rig.timeline.now()));
    rig.run(8ms);
    MemoryLink& fresh = rig.connect(ann);
    bool asked = false;  // the request arrives; what answers it does not, but for the link's own goodbye
    fresh.before_delivery = [&] { return !std::exchange(asked, true); };
    rig.run(100ms);
    ASSERT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_EQ(ann.log.ended[0], Departure(Closed(Closed::By::peer, 3, "out")));
}

TEST(Resume, GoodbyeUnderWayIsSaidAgainOnTheNextLink) {
    Rig rig{patient()};
    auto& ann = rig.join("ann", patient_member());
    const std::string large(20'000, 'x');
    ann.link->piece = 100;
    SeededRandomness late{1};
    ann.link->jitter = &late;  // the goodbye overtakes what it ends
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), large));
    ann.engine->close(6, "gone", 5s, rig.timeline.now());
    rig.run(1500us);
    rig.connect(ann);
    rig.run(100ms);
    EXPECT_THAT(rig.log.messages, SizeIs(20));
    ASSERT_THAT(rig.log.left, SizeIs(1));
    EXPECT_EQ(rig.log.left[0].second, Departure(Closed(Closed::By::peer, 6, "gone")));
    ASSERT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_TRUE(ann.log.ended[0].is_closed());
}

TEST(Resume, FreshJoinOfAnInterruptedMemberReplacesItAtOnce) {
    Rig rig{patient()};
    auto& ann = rig.join("ann", patient_member());
    ann.link->cut();
    rig.run(10ms);
    auto& again = rig.add("ann");
    again.id = ann.id;
    rig.connect(again);
    rig.run(20ms);
    EXPECT_TRUE(again.engine->is_joined());
    EXPECT_THAT(rig.log.left, SizeIs(1));
}

// Forged and stale tokens: a device of our own speaks the protocol by hand.

Sha256Digest proof_for(const link::LinkPort& port, const Welcome& welcome, std::uint64_t attempt) {
    Bytes text;
    Writer{text}
        .write(std::uint8_t{'m'})
        .write(welcome.session)
        .write(attempt)
        .write(port.export_key("EXPORTER-muster-resume", 32));
    return hmac_sha256(std::as_bytes(std::span{welcome.secret}), text);
}

struct Resumption : testing::Test {
    Resumption() : rig(patient()), first(rig, device(5), 1) {
        Join join;
        join.name = "by hand";
        join.limits = {1 << 20, 2 << 20, 64 * 1024, 64, 32};
        join.grace_ms = 60'000;
        first.send(Hello{});
        first.send(join);
        rig.run(10ms);
        EXPECT_THAT(rig.log.joined, SizeIs(1));
    }
    /// Tries to resume from `who`; true if it worked.
    bool resume(HandMadeMember& who, std::uint64_t attempt, const Sha256Digest& proof) {
        Resume frame;
        frame.session = first.welcome.session;
        frame.attempt = attempt;
        frame.proof = proof;
        who.send(Hello{});
        who.send(frame);
        rig.run(10ms);
        return std::ranges::count(who.types, FrameType::resumed) == 1;
    }
    Sha256Digest proof(HandMadeMember& who, std::uint64_t attempt) {
        return proof_for(who.link.port(MemoryLink::Side::member), first.welcome, attempt);
    }

    Rig rig;
    HandMadeMember first;
};

TEST_F(Resumption, WithTheRightProofWorks) {
    HandMadeMember next{rig, device(5), 2};
    EXPECT_TRUE(resume(next, 1, proof(next, 1)));
    ASSERT_TRUE(first.down);
    EXPECT_EQ(std::get<LinkClosed>(*first.down).code, static_cast<std::uint64_t>(LinkCode::superseded));
}

TEST_F(Resumption, WithAForgedProofIsRefusedAndDisturbsNobody) {
    HandMadeMember next{rig, device(5), 2};
    Sha256Digest forged = proof(next, 1);
    forged[0] ^= 1;
    EXPECT_FALSE(resume(next, 1, forged));
    ASSERT_TRUE(next.refused);
    EXPECT_EQ(next.refused->why, Errc::refused);
    EXPECT_FALSE(first.down);
    EXPECT_THAT(rig.log.left, IsEmpty());
}

TEST_F(Resumption, WithAProofMadeForAnotherLinkIsRefused) {
    HandMadeMember heard{rig, device(5), 2}, replayed{rig, device(5), 3};
    EXPECT_FALSE(resume(replayed, 1, proof(heard, 1)));
    EXPECT_FALSE(first.down);
}

TEST_F(Resumption, ByAnotherDeviceIsRefused) {
    HandMadeMember thief{rig, device(6), 2};
    EXPECT_FALSE(resume(thief, 1, proof(thief, 1)));
    EXPECT_FALSE(first.down);
}

TEST_F(Resumption, WithAStaleAttemptIsRefused) {
    HandMadeMember second{rig, device(5), 2}, third{rig, device(5), 3}, fourth{rig, device(5), 4};
    EXPECT_TRUE(resume(second, 5, proof(second, 5)));
    EXPECT_FALSE(resume(third, 4, proof(third, 4)));
    EXPECT_FALSE(second.down) << "the newer attempt keeps the session";
    EXPECT_TRUE(resume(fourth, 6, proof(fourth, 6)));
}

TEST_F(Resumption, AgainAndAgainIsNoProgress) {
    auto& ann = rig.join("ann");
    auto& eve = rig.join("eve");
    const std::string text(10'000, 'x');
    std::vector<std::unique_ptr<HandMadeMember>> links;
    for (std::uint64_t i = 1; i <= 30; ++i) {
        auto& next = *links.emplace_back(std::make_unique<HandMadeMember>(rig, device(5), 10 + i));
        ASSERT_TRUE(resume(next, i, proof(next, i)));
        for (int k = 0; k < 19; ++k) {
            (void)say(*ann.engine, Recipients::one(device(5)), text);
            if (i > 15) (void)say(*ann.engine, Recipients::one(eve.id), "hello");
            rig.run(10ms);
        }
    }
    EXPECT_GT(eve.log.messages.size(), 200);
}

TEST_F(Resumption, FromBeyondWhatWasSentEndsTheSession) {
    HandMadeMember next{rig, device(5), 2};
    Resume frame;
    frame.session = first.welcome.session;
    frame.attempt = 1;
    frame.proof = proof(next, 1);
    frame.state.positions.push_back({kControlLane, 1 << 20, 0});
    next.send(Hello{});
    next.send(frame);
    rig.run(10ms);
    ASSERT_THAT(rig.log.left, SizeIs(1));
    EXPECT_EQ(rig.log.left[0].second.cause().code(), Errc::protocol_violation);
}

// A cut at every step

struct Exchange {
    std::vector<std::string> up, down, across, unordered;
    std::string file = pattern(150'000);
};

void expect_all_of(const Exchange& said, Rig& rig, Rig::MemberNode& ann, Rig::MemberNode& bob,
                   StreamHandle stream) {
    std::vector<std::string> down, across, unordered;
    for (const Message& message : ann.log.messages)
        (message.channel == ChannelId{2} ? across : down).emplace_back(as_text(message.payload));
    for (const Message& message : bob.log.messages) unordered.emplace_back(as_text(message.payload));
    EXPECT_EQ(texts(rig.log.messages), said.up);
    EXPECT_EQ(down, said.down);
    EXPECT_EQ(across, said.across);
    EXPECT_THAT(unordered, testing::UnorderedElementsAreArray(said.unordered));
    EXPECT_EQ(bob.log.streams.size(), 1u);
    if (bob.log.streams.size() == 1) {
        EXPECT_EQ(bob.log.streams.begin()->second.data, said.file);
        EXPECT_TRUE(bob.log.streams.begin()->second.fin);
    }
    EXPECT_TRUE(ann.log.streams[stream].delivered);
    EXPECT_THAT(rig.log.left, IsEmpty());
    EXPECT_EQ(ann.engine->roster(), rig.coordinator->roster());
}

/// Runs a conversation that is cut at delivery number `cut_at` of the first link; returns false once it was
/// over before that.
bool converse(int cut_at, Duration member_learns, Duration coordinator_learns) {
    Rig rig{patient()};
    SeededRandomness late{static_cast<std::uint64_t>(cut_at)};
    auto& ann = rig.add("ann", patient_member());
    auto& bob = rig.join("bob", patient_member());
    int deliveries = 0;
    bool cut = false;
    rig.connect(ann, [&](MemoryLink& link) {
        link.jitter = &late;
        link.piece = 3000;
        link.before_delivery = [&] {
            if (!ann.engine->is_joined() || ++deliveries != cut_at) return true;
            cut = true;
            link.cut(member_learns, coordinator_learns);
            return false;
        };
    });
    rig.run(10ms);
    bool reconnected = cut;
    if (cut) rig.connect(ann);
    rig.run(10ms);
    Exchange said;
    const auto stream = ann.engine->open_stream(bob.id, as_bytes("file")).value();
    std::string_view rest = said.file;
    for (int i = 0; i < 40; ++i) {
        said.up.push_back("up " + std::to_string(i) + std::string(i % 5 == 0 ? 5000 : 5, '.'));
        said.down.push_back("down " + std::to_string(i));
        said.across.push_back("across " + std::to_string(i));
        said.unordered.push_back("any " + std::to_string(i));
        EXPECT_TRUE(say(*ann.engine, Recipients::coordinator(), said.up.back()));
        EXPECT_TRUE(say(*rig.coordinator, Recipients::one(ann.id), said.down.back()));
        EXPECT_TRUE(say(*bob.engine, Recipients::one(ann.id), said.across.back(), SendOptions{ChannelId{2}}));
        EXPECT_TRUE(say(*ann.engine, Recipients::one(bob.id), said.unordered.back(),
                        SendOptions{Delivery::unordered}));
        const std::string_view piece = rest.substr(0, 5000);
        if (ann.engine->write(stream, Slice::copy_of(as_bytes(piece)))) rest.remove_prefix(piece.size());
        rig.run(700us);
        if (cut && !reconnected && i % 3 == 0) {
            reconnected = true;
            rig.connect(ann);
        }
    }
    while (!rest.empty()) {
        const std::string_view piece = rest.substr(0, 5000);
        if (ann.engine->write(stream, Slice::copy_of(as_bytes(piece)))) rest.remove_prefix(piece.size());
        rig.run(1ms);
    }
    ann.engine->finish(stream);
    rig.run(10ms);
    if (cut && !reconnected) rig.connect(ann);
    rig.run(200ms);
    SCOPED_TRACE("cut at " + std::to_string(cut_at));
    expect_all_of(said, rig, ann, bob, stream);
    return cut;
}

TEST(Resume, ExactlyOnceInOrderWhereverTheLinkIsCut) {
    int cut_at = 1;
    while (converse(cut_at, 0ms, 0ms) && !HasFailure()) ++cut_at;
    EXPECT_GT(cut_at, 150) << "the conversation had that many steps to be cut at";
}

TEST(Resume, ExactlyOnceWhenOneSideLearnsOfTheCutLater) {
    for (int cut_at = 1; cut_at < 200 && !HasFailure(); cut_at += 3) converse(cut_at, 0ms, 1h);
    for (int cut_at = 2; cut_at < 200 && !HasFailure(); cut_at += 3) converse(cut_at, 1h, 0ms);
}

TEST(Resume, ManyCutsInARowLoseNothing) {
    Rig rig{patient()};
    SeededRandomness random{42};
    auto& ann = rig.add("ann", patient_member());
    const auto prepare = [&](MemoryLink& link) { link.jitter = &random; };
    rig.connect(ann, prepare);
    rig.run(20ms);
    std::vector<std::string> up, down;
    for (int i = 0; i < 2000; ++i) {
        const std::string text = std::to_string(i) + std::string(uniform(random, 300), '.');
        ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), text));
        ASSERT_TRUE(say(*rig.coordinator, Recipients::everyone(), text));
        up.push_back(text);
        down.push_back(text);
        rig.run(uniform(random, Duration{}, Duration{600us}));
        if (uniform(random, 20) == 0) {
            ann.link->cut(uniform(random, Duration{}, Duration{2ms}),
                          uniform(random, Duration{}, Duration{50ms}));
            rig.run(uniform(random, Duration{}, Duration{5ms}));
            rig.connect(ann, prepare);
        }
    }
    rig.connect(ann, prepare);
    rig.run(1s);
    EXPECT_EQ(texts(rig.log.messages), up);
    EXPECT_EQ(texts(ann.log.messages), down);
    EXPECT_THAT(ann.log.ended, IsEmpty());
}

}  // namespace
}  // namespace muster::session
