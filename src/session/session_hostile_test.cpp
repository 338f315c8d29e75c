#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/hand_made_peer.h"
#include "session/message_lane.h"

namespace muster::session {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

Bytes octets(std::initializer_list<int> values) {
    Bytes out;
    for (const int value : values) out.push_back(static_cast<std::byte>(value));
    return out;
}

Bytes record(RecordKind kind, std::size_t announced, std::size_t present = 0) {
    Bytes out;
    Writer{out}.write_varint(announced << 2 | static_cast<std::uint64_t>(kind));
    out.resize(out.size() + present, std::byte{'x'});
    return out;
}

Bytes stream_header(const Address& address, std::string_view text = {}) {
    Bytes block, out;
    Writer writer{block};
    address.write(writer);
    writer.write(as_bytes(text));
    Writer{out}.write_sized(block);
    return out;
}

template <class Frame>
Bytes body_of(const Frame& frame) {
    Bytes out;
    Writer writer{out};
    frame.write(writer);
    return out;
}

Bytes without_last(Bytes body) {
    body.pop_back();
    return body;
}

Bytes with_more(Bytes body) {
    body.push_back(std::byte{});
    return body;
}

struct Attack {
    const char* name;
    std::function<void(HandMadePeer&)> act;
};

void PrintTo(const Attack& attack, std::ostream* out) { *out << attack.name; }
std::string name_of(const testing::TestParamInfo<Attack>& info) { return info.param.name; }

// By a device that is not a member

const Attack kByStrangers[] = {
    {"UnknownFrame", [](auto& p) { p.send_raw(FrameType{0x7e}, octets({1})); }},
    {"JoinBeforeHello", [](auto& p) { p.send(HandMadeMember::request()); }},
    {"AckBeforeHello", [](auto& p) { p.send(Ack{}); }},
    {"HugeFrame", [](auto& p) { p.write(p.control, octets({2, 0xbf, 0xff, 0xff, 0xff})); }},
    {"FrameJustTooLarge", [](auto& p) { p.send_raw(FrameType::hello, Bytes(kMaxFrameSize + 1)); }},
    {"EmptyHello", [](auto& p) { p.send_raw(FrameType::hello, {}); }},
    {"BackwardHello", [](auto& p) { p.send_raw(FrameType::hello, octets({3, 1})); }},
    {"TwoHellos",
     [](auto& p) {
         p.send(Hello{});
         p.send(Hello{});
     }},
    {"TruncatedJoin",
     [](auto& p) {
         p.send(Hello{});
         p.send_raw(FrameType::join, without_last(body_of(HandMadeMember::request())));
     }},
    {"JoinWithMoreBehind",
     [](auto& p) {
         p.send(Hello{});
         p.send_raw(FrameType::join, with_more(body_of(HandMadeMember::request())));
     }},
    {"TruncatedResume",
     [](auto& p) {
         p.send(Hello{});
         p.send_raw(FrameType::resume, without_last(body_of(Resume{})));
     }},
    {"LaneBeforeWelcome", [](auto& p) { p.open_lane(kControlLane); }},
    {"SecondControlStream",
     [](auto& p) {
         p.send(Hello{});
         p.write(p.port().open_stream(link::Direction::bidirectional).value(), octets({0}));
     }},
    {"EndOfControlStream", [](auto& p) { p.port().finish(p.control); }},
    {"ResetOfControlStream",
     [](auto& p) {
         p.send(Hello{});
         p.port().reset(p.control, 1);
     }},
};

class ByStranger : public testing::TestWithParam<Attack> {};

TEST_P(ByStranger, IsThrownOutAndNobodyElseNotices) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{16 * 1024}}) {
        Rig rig;
        auto& witness = rig.join("witness");
        HandMadeMember stranger{rig, device(9), 7};
        stranger.link.piece = piece;
        GetParam().act(stranger);
        rig.run(10ms);
        EXPECT_EQ(stranger.closed_with(), LinkCode::protocol_violation);
        EXPECT_THAT(rig.log.joined, SizeIs(1));
        ASSERT_TRUE(say(*witness.engine, Recipients::coordinator(), "fine"));
        rig.run(10ms);
        EXPECT_THAT(rig.log.messages, SizeIs(1));
    }
}

INSTANTIATE_TEST_SUITE_P(Session, ByStranger, testing::ValuesIn(kByStrangers), name_of);

struct Refusal {
    const char* name;
    std::function<void(Join&)> change;
    Errc why;
};

TEST(BadRequest, IsRefusedWithAReason) {
    const std::vector<Refusal> refusals = {
        {"control characters", [](Join& j) { j.name = "a\x1b[2J"; }, Errc::bad_name},
        {"no name", [](Join& j) { j.name.clear(); }, Errc::bad_name},
        {"long name", [](Join& j) { j.name.assign(65, 'a'); }, Errc::bad_name},
        {"large context", [](Join& j) { j.context.resize(kMaxContextSize + 1); }, Errc::too_large},
        {"large info", [](Join& j) { j.info = {{"a", std::string(kMaxInfoSize, 'x')}}; }, Errc::too_large},
        {"bad info", [](Join& j) { j.info = {{"a", "\xff"}}; }, Errc::bad_input},
        {"no credit", [](Join& j) { j.limits.message_credit = 1000; }, Errc::bad_input},
        {"no stream credit", [](Join& j) { j.limits.stream_credit = 0; }, Errc::bad_input},
        {"absurd message", [](Join& j) { j.limits.message = kVarintMax; }, Errc::bad_input},
    };
    for (const Refusal& refusal : refusals) {
        Rig rig;
        HandMadeMember stranger{rig, device(9), 7};
        Join join = HandMadeMember::request();
        refusal.change(join);
        stranger.send(Hello{});
        stranger.send(join);
        rig.run(10ms);
        ASSERT_TRUE(stranger.refused) << refusal.name;
        EXPECT_EQ(stranger.refused->why, refusal.why) << refusal.name;
        EXPECT_FALSE(stranger.down) << "the refused one closes the link, so that it hears the reason";
        rig.run(3s);
        EXPECT_TRUE(stranger.down) << "but not for long";
    }
}

TEST(BadRequest, OfAnotherVersionIsToldWhichOnesThereAre) {
    Rig rig;
    HandMadeMember stranger{rig, device(9), 7};
    Hello hello;
    hello.min_version = 2;
    hello.max_version = 9;
    stranger.send(hello);
    rig.run(10ms);
    ASSERT_TRUE(stranger.refused);
    EXPECT_EQ(stranger.refused->why, Errc::version_mismatch);
}

TEST(LaterVersion, MayAddFramesThatCanBeIgnored) {
    Rig rig;
    HandMadeMember member{rig, device(9), 7};
    member.send_raw(FrameType::hello, octets({1, 5, 99, 99}));
    member.send_raw(FrameType{0x7f}, octets({1, 2, 3}));
    member.send(HandMadeMember::request());
    rig.run(10ms);
    member.send_raw(FrameType{0x7f}, octets({1, 2, 3}));
    Bytes frame;
    write_frame(frame, FrameType{0x41}, octets({1}));
    member.write(member.open_lane(kControlLane), frame);
    rig.run(10ms);
    EXPECT_FALSE(member.down);
    EXPECT_THAT(rig.log.joined, SizeIs(1));
}

// By a member

constexpr LaneId kMain = lane_id(LaneKind::ordered, 0);

void send_on(HandMadePeer& p, LaneId lane, Bytes octets_of_lane, bool fin = false) {
    const auto stream = p.open_lane(lane);
    p.write(stream, std::move(octets_of_lane));
    if (fin) p.port().finish(stream);
}

Ack acknowledging(LaneId lane, std::uint64_t received) {
    Ack ack;
    ack.positions.push_back({lane, received, 0});
    return ack;
}

Bytes frame_with(FrameType type, ByteView body) {
    Bytes out;
    write_frame(out, type, body);
    return out;
}

const Attack kByMembers[] = {
    {"UnknownFrame", [](auto& p) { p.send_raw(FrameType{0x7e}, {}); }},
    {"HelloAgain", [](auto& p) { p.send(Hello{}); }},
    {"WelcomeFromAMember", [](auto& p) { p.send(HandMadeCoordinator::greeting()); }},
    {"AckOfUnknownLane", [](auto& p) { p.send(acknowledging(kMain, 5)); }},
    {"AckOfWhatWasNeverSent", [](auto& p) { p.send(acknowledging(kControlLane, 1 << 20)); }},
    {"UnreadableAck", [](auto& p) { p.send_raw(FrameType::ack, octets({0, 0xff})); }},
    {"AckOfMillions", [](auto& p) { p.send_raw(FrameType::ack, octets({0, 0xbf, 0xff, 0xff, 0xff, 0})); }},
    {"UnreadableGoodbye", [](auto& p) { p.send_raw(FrameType::goodbye, octets({1})); }},
    {"AnswerToNoGoodbye", [](auto& p) { p.send_raw(FrameType::goodbye_ack, {}); }},
    {"StreamWithoutLane",
     [](auto& p) { p.port().finish(p.port().open_stream(link::Direction::unidirectional).value()); }},
    {"ControlLaneNumberOne", [](auto& p) { send_on(p, lane_id(LaneKind::control, 1), octets({0})); }},
    {"ChannelOutOfRange", [](auto& p) { send_on(p, lane_id(LaneKind::ordered, 70'000), octets({0})); }},
    {"PoolOutOfRange",
     [](auto& p) { send_on(p, lane_id(LaneKind::unordered, kUnorderedLanes), octets({0})); }},
    {"TooManyChannels",
     [](auto& p) {
         for (std::uint64_t i = 0; i < 100; ++i) send_on(p, lane_id(LaneKind::ordered, i), octets({0}));
     }},
    {"GapInALane", [](auto& p) { p.write(p.open_lane(kMain, 5), octets({0})); }},
    {"EndOfALane", [](auto& p) { send_on(p, kMain, octets({0}), true); }},
    {"UnknownRecord", [](auto& p) { send_on(p, kMain, octets({3})); }},
    {"OversizedMessage", [](auto& p) { send_on(p, kMain, record(RecordKind::message, (1 << 20) + 1)); }},
    {"OversizedAddress", [](auto& p) { send_on(p, kMain, record(RecordKind::address, 1 << 20)); }},
    {"UnreadableAddress", [](auto& p) { send_on(p, kMain, record(RecordKind::address, 4, 4)); }},
    {"AddressOfAnotherChannel",
     [](auto& p) {
         Address address;
         address.channel = ChannelId{3};
         Bytes body = body_of(address), out;
         Writer{out}.write_varint(body.size() << 2 | 1).write(body);
         send_on(p, kMain, out);
     }},
    {"CookieCutOff", [](auto& p) { send_on(p, kMain, octets({1 << 2 | 2, 0xc0})); }},
    {"MoreMessagesThanCredit",
     [](auto& p) {
         for (std::uint64_t i = 0; i < 4; ++i)
             send_on(p, lane_id(LaneKind::ordered, i), record(RecordKind::message, 1 << 20, 10));
     }},
    {"RosterFromAMember", [](auto& p) { send_on(p, kControlLane, encode(RosterUpdate{})); }},
    {"HugeControlLaneFrame",
     [](auto& p) { send_on(p, kControlLane, octets({0x20, 0xbf, 0xff, 0xff, 0xff})); }},
    {"UnreadableStreamReset",
     [](auto& p) { send_on(p, kControlLane, frame_with(FrameType::stream_reset, octets({0}))); }},
    {"StreamNeverOpened", [](auto& p) { send_on(p, lane_id(LaneKind::stream, 1), octets({0})); }},
    {"StreamFarAhead",
     [](auto& p) { send_on(p, lane_id(LaneKind::stream, 2 * 64 * 16 + 2), stream_header({})); }},
    {"StreamNumberOutOfRange",
     [](auto& p) { send_on(p, lane_id(LaneKind::stream, std::uint64_t{1} << 32), octets({0})); }},
    {"GapInAStream", [](auto& p) { p.write(p.open_lane(lane_id(LaneKind::stream, 0), 1), octets({0})); }},
    {"OversizedStreamHeader",
     [](auto& p) { send_on(p, lane_id(LaneKind::stream, 0), octets({0x7f, 0xff, 0})); }},
    {"UnreadableStreamHeader",
     [](auto& p) { send_on(p, lane_id(LaneKind::stream, 0), octets({3, 0, 7, 0})); }},
    {"StreamToEveryone",
     [](auto& p) {
         Address address;
         address.kind = Address::Kind::everyone;
         send_on(p, lane_id(LaneKind::stream, 0), stream_header(address));
     }},
    {"StreamThatEndsInItsHeader",
     [](auto& p) { send_on(p, lane_id(LaneKind::stream, 0), octets({9, 0}), true); }},
    {"MoreOnAStreamThanCredit",
     [](auto& p) {
         Bytes data = stream_header({});
         data.resize(64 * 1024 + 1);
         send_on(p, lane_id(LaneKind::stream, 0), data);
     }},
};

class ByMember : public testing::TestWithParam<Attack> {};

TEST_P(ByMember, EndsItsSessionAndNobodyElses) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1 << 20}}) {
        Rig rig;
        auto& witness = rig.join("witness");
        HandMadeMember member{rig, device(9), 7};
        member.send(Hello{});
        member.send(HandMadeMember::request());
        rig.run(10ms);
        ASSERT_TRUE(member.got(FrameType::welcome));
        rig.log.reads = false;
        member.link.piece = piece;
        GetParam().act(member);
        rig.run(20ms);
        EXPECT_EQ(member.closed_with(), LinkCode::protocol_violation);
        ASSERT_THAT(rig.log.left, SizeIs(1));
        EXPECT_EQ(rig.log.left[0].second.cause().code(), Errc::protocol_violation);
        ASSERT_TRUE(say(*witness.engine, Recipients::coordinator(), "fine"));
        rig.run(10ms);
        EXPECT_EQ(as_text(rig.log.messages.back().payload), "fine");
        EXPECT_THAT(witness.log.left, SizeIs(1));
    }
}

INSTANTIATE_TEST_SUITE_P(Session, ByMember, testing::ValuesIn(kByMembers), name_of);

struct JoinedByHand : testing::Test {
    JoinedByHand() : member(rig, device(9), 7) {
        member.send(Hello{});
        member.send(HandMadeMember::request());
        rig.run(10ms);
    }
    Rig rig;
    HandMadeMember member;
};

TEST_F(JoinedByHand, GarbageDatagramsAreDropped) {
    for (int size = 0; size < 40; ++size)
        member.port().send_datagram(Slice::from(Bytes(static_cast<std::size_t>(size), std::byte{0xff})));
    rig.run(10ms);
    EXPECT_FALSE(member.down);
    EXPECT_THAT(rig.log.messages, IsEmpty());
}

TEST_F(JoinedByHand, SenderCannotBeForged) {
    auto& witness = rig.join("witness");
    // The record says "listed: witness"; from a member that is where the message goes, not
    // where it comes from.
    Address address;
    address.kind = Address::Kind::listed;
    address.ids = {witness.id};
    Bytes body = body_of(address), out;
    Writer{out}.write_varint(body.size() << 2 | 1).write(body);
    const Bytes message = record(RecordKind::message, 3, 3);
    out.insert(out.end(), message.begin(), message.end());
    send_on(member, kMain, out);
    rig.run(10ms);
    ASSERT_THAT(witness.log.messages, SizeIs(1));
    EXPECT_EQ(witness.log.messages[0].from, device(9));
}

TEST_F(JoinedByHand, FloodOfPingsGrowsNothing) {
    member.link.delay = 1us;
    for (int i = 0; i < 10'000; ++i) member.send_raw(FrameType::ping, Bytes(8));
    rig.run(10ms);
    EXPECT_FALSE(member.down);
    EXPECT_TRUE(member.got(FrameType::pong));
}

TEST_F(JoinedByHand, MessagesToNobodyAreReportedUntilTheMemberMustReadTheReports) {
    Address address;
    address.kind = Address::Kind::listed;
    address.ids = {device(77)};
    Bytes body = body_of(address), out;
    Writer{out}.write_varint(body.size() << 2 | 1).write(body);
    for (int i = 0; i < 30'000; ++i) out.push_back(std::byte{0});  // empty messages, within the first credit
    send_on(member, kMain, out);
    rig.run(100ms);
    EXPECT_FALSE(member.down);
    ASSERT_TRUE(member.last_ack);
    EXPECT_LT(member.last_ack->message_credit, 4u << 20) << "no more credit while the reports wait";
}

TEST_F(JoinedByHand, ManyStreamsAreResetNotServed) {
    for (std::uint64_t i = 0; i < 100; ++i)
        send_on(member, lane_id(LaneKind::stream, 2 * i), stream_header({}));
    rig.run(50ms);
    EXPECT_FALSE(member.down);
    EXPECT_THAT(rig.log.streams, SizeIs(64));
}

// Each holds its octets until our application has read and ended it: an opener's end frees nothing.
TEST_F(JoinedByHand, StreamsCountUntilThisEndHasFinishedThemToo) {
    for (std::uint64_t i = 0; i < 100; ++i) {
        send_on(member, lane_id(LaneKind::stream, 2 * i), stream_header({}), true);
        rig.run(1ms);
    }
    EXPECT_FALSE(member.down);
    EXPECT_THAT(rig.log.streams, SizeIs(64));
    for (const auto& [stream, seen] : rig.log.streams) rig.coordinator->finish(stream);
    rig.run(10ms);
    send_on(member, lane_id(LaneKind::stream, 200), stream_header({}), true);
    rig.run(10ms);
    EXPECT_THAT(rig.log.streams, SizeIs(65)) << "room again";
}

TEST_F(JoinedByHand, APeerThatAcknowledgesNoEndRunsOutOfStreams) {
    for (std::uint64_t i = 0; i < 1000; ++i) {
        send_on(member, lane_id(LaneKind::stream, 2 * i), stream_header({}), true);
        rig.run(1ms);
        for (const auto& [stream, seen] : rig.log.streams)
            if (!seen.reset) rig.coordinator->finish(stream);
        rig.run(1ms);
    }
    EXPECT_FALSE(member.down);
    EXPECT_THAT(rig.log.streams, SizeIs(4 * 64));
}

TEST_F(JoinedByHand, AListOfRecipientsCostsAsMuchCreditAsTheWorkItMakes) {
    Address address;
    address.kind = Address::Kind::listed;
    for (int i = 0; i < 64; ++i) address.ids.push_back(device(static_cast<std::uint8_t>(100 + i)));
    Bytes body = body_of(address), out;
    Writer{out}.write_varint(body.size() << 2 | 1).write(body);
    for (int i = 0; i < 30'000; ++i) out.push_back(std::byte{0});
    send_on(member, kMain, out);
    rig.run(100ms);
    EXPECT_EQ(member.closed_with(), LinkCode::protocol_violation) << "two million notices for 32 kB";
}

// The roster and the notices wait on a lane that needs no credit, and this member acknowledges nothing.
TEST_F(JoinedByHand, WhoNeverReadsTheRosterIsGivenUp) {
    MemberOptions options;
    options.info["about"] = std::string(4000, 'x');
    for (int i = 0; i < 10; ++i) rig.join("m" + std::to_string(i), options);
    rig.run(10s);
    EXPECT_FALSE(member.down) << "little waits: it may be slow";
    for (int i = 10; i < 40; ++i) rig.join("m" + std::to_string(i), options);
    rig.run(10s);
    EXPECT_EQ(member.closed_with(), LinkCode::too_slow);
    EXPECT_THAT(rig.log.left, SizeIs(1)) << "nobody else";
}

TEST_F(JoinedByHand, MessageWithoutItsEndWaitsWithoutHarm) {
    send_on(member, kMain, record(RecordKind::message, 1 << 20, 1000));
    rig.run(1min);
    EXPECT_FALSE(member.down) << "liveness is the link's";
    EXPECT_THAT(rig.log.messages, IsEmpty());
    rig.coordinator->close(0, "", 1s, rig.timeline.now());
    rig.run(2s);
    EXPECT_EQ(rig.log.closed, 1);
}

// Each newcomer gets a roster of its own; nobody reads what it gets.
TEST(Crowd, ThatJoinsAndNeverReadsCostsABoundedRoster) {
    Rig rig;
    std::deque<HandMadeMember> crowd;
    Join request = HandMadeMember::request();
    request.info["about"] = std::string(4000, 'x');
    for (std::uint64_t i = 0; i < 240; ++i) {
        DeviceId id = device(9);
        id.bytes[1] = static_cast<std::uint8_t>(i);
        HandMadeMember& member = crowd.emplace_back(rig, id, 7 + i);
        member.send(Hello{});
        member.send(request);
        rig.run(1ms);
    }
    std::size_t sent = 0;
    for (const HandMadeMember& member : crowd)
        for (const auto& [stream, size] : member.lane_octets) sent += size;
    EXPECT_GT(sent, 60u << 20);
    EXPECT_LT(sent, 72u << 20);
    auto& honest = rig.join("honest");
    rig.run(15s);
    EXPECT_TRUE(honest.engine->is_joined());
    EXPECT_EQ(honest.engine->roster(), rig.coordinator->roster());
    EXPECT_THAT(rig.coordinator->roster().peers, SizeIs(testing::Lt(60u))) << "the others were given up";
}

// By a coordinator

const Attack kByCoordinators[] = {
    {"TruncatedWelcome",
     [](auto& p) { p.send_raw(FrameType::welcome, without_last(body_of(HandMadeCoordinator::greeting()))); }},
    {"WelcomeWithControlCharacters",
     [](auto& p) {
         Welcome welcome = HandMadeCoordinator::greeting();
         welcome.name = "a\nb";
         p.send(welcome);
     }},
    {"WelcomeOfAnotherVersion",
     [](auto& p) {
         Welcome welcome = HandMadeCoordinator::greeting();
         welcome.version = 2;
         p.send(welcome);
     }},
    {"WelcomeWithoutCredit",
     [](auto& p) {
         Welcome welcome = HandMadeCoordinator::greeting();
         welcome.limits.message_credit = 0;
         p.send(welcome);
     }},
    {"ResumedUnasked", [](auto& p) { p.send(Resumed{}); }},
    {"AckBeforeWelcome", [](auto& p) { p.send(Ack{}); }},
    {"WelcomeTwice",
     [](auto& p) {
         p.send(HandMadeCoordinator::greeting());
         p.send(HandMadeCoordinator::greeting());
     }},
    {"UnreadableRoster",
     [](auto& p) {
         p.send(HandMadeCoordinator::greeting());
         send_on(p, kControlLane, frame_with(FrameType::roster, octets({9})));
     }},
    {"RosterOutOfTheBlue",
     [](auto& p) {
         p.send(HandMadeCoordinator::greeting());
         RosterUpdate update;
         update.from = 7;
         update.to = 8;
         send_on(p, kControlLane, encode(update));
     }},
    {"RosterWithANameOfControlCharacters",
     [](auto& p) {
         p.send(HandMadeCoordinator::greeting());
         RosterUpdate update;
         update.kind = RosterUpdate::Kind::full;
         update.to = 8;
         update.joined.emplace_back(device(1), "\x07");
         send_on(p, kControlLane, encode(update));
     }},
    {"RosterWithTwins",
     [](auto& p) {
         p.send(HandMadeCoordinator::greeting());
         RosterUpdate update;
         update.kind = RosterUpdate::Kind::full;
         update.to = 8;
         update.joined.emplace_back(device(1), "a");
         update.joined.emplace_back(device(1), "b");
         send_on(p, kControlLane, encode(update));
     }},
    {"MessageFromEveryone",
     [](auto& p) {
         p.send(HandMadeCoordinator::greeting());
         send_on(p, kMain, octets({2 << 2 | 1, 0, 1, 0}));
     }},
};

class ByCoordinator : public testing::TestWithParam<Attack> {};

TEST_P(ByCoordinator, EndsTheSessionWithTheCause) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1 << 20}}) {
        Rig rig;
        auto& ann = rig.add("ann");
        HandMadeCoordinator coordinator{rig, ann, 7};
        rig.run(10ms);
        coordinator.link.piece = piece;
        GetParam().act(coordinator);
        rig.run(10ms);
        EXPECT_EQ(coordinator.closed_with(), LinkCode::protocol_violation);
        ASSERT_THAT(ann.log.ended, SizeIs(1));
        EXPECT_EQ(ann.log.ended[0].cause().code(), Errc::protocol_violation);
    }
}

INSTANTIATE_TEST_SUITE_P(Session, ByCoordinator, testing::ValuesIn(kByCoordinators), name_of);

TEST(ByCoordinatorToo, WhoNeverSaysWhoIsThereIsGivenUp) {
    Rig rig;
    auto& ann = rig.add("ann");
    HandMadeCoordinator coordinator{rig, ann, 7};
    rig.run(10ms);
    coordinator.send(HandMadeCoordinator::greeting());
    rig.run(MemberOptions{}.join_deadline - 20ms);
    EXPECT_THAT(ann.log.ended, IsEmpty());
    rig.run(20ms);
    EXPECT_EQ(coordinator.closed_with(), LinkCode::timed_out);
    ASSERT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_EQ(ann.log.ended[0].cause().code(), Errc::timed_out);
}

TEST(ByCoordinatorToo, LanesWithoutWelcomeAreBounded) {
    Rig rig;
    auto& ann = rig.add("ann");
    HandMadeCoordinator coordinator{rig, ann, 7};
    const auto stream = coordinator.open_lane(kMain);
    for (int i = 0; i < 5; ++i) coordinator.write(stream, Bytes(1 << 20));
    rig.run(10ms);
    EXPECT_EQ(coordinator.closed_with(), LinkCode::protocol_violation);
    EXPECT_THAT(ann.log.ended, SizeIs(1));
}

}  // namespace
}  // namespace muster::session
