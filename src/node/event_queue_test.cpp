#include "node/event_queue.h"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace muster::node {
namespace {

namespace asio = boost::asio;

DeviceId device(std::uint32_t number) {
    DeviceId id;
    for (std::size_t i = 0; i < 4; ++i) id.bytes[i] = static_cast<std::uint8_t>(number >> (8 * i));
    return id;
}

Message message(std::uint32_t from, Delivery how, std::size_t size, std::uint16_t mark = 0) {
    return {device(from), ChannelId{mark}, how, Bytes(size)};
}

class EventQueueTest : public testing::Test {
protected:
    template <class Kind>
    std::vector<Kind> take_all() {
        std::vector<Kind> all;
        while (auto event = queue.try_pop())
            if (auto* wanted = std::get_if<Kind>(&*event)) all.push_back(std::move(*wanted));
        return all;
    }
    void join(std::uint32_t number) { queue.push(PeerJoined{PeerInfo{device(number), "peer"}}); }
    void leave(std::uint32_t number) {
        queue.push(PeerLeft{PeerInfo{device(number), "peer"}, Departure{Closed{Closed::By::peer, 0, ""}}});
    }

    void interrupt(std::uint32_t number) {
        queue.push(PeerInterrupted{PeerInfo{device(number), "peer"}, Error{Errc::lost, "gone"}});
    }
    void resume(std::uint32_t number) { queue.push(PeerResumed{PeerInfo{device(number), "peer"}, {}}); }

    asio::io_context io;
    std::size_t credited = 0;  // octets
    EventQueue queue{io.get_executor(), [this](const Message& taken) { credited += taken.payload.size(); }};
};

TEST_F(EventQueueTest, AllKindsComeInTheOrderInWhichTheyHappened) {
    join(1);
    queue.push(message(1, Delivery::ordered, 10));
    queue.push(message(1, Delivery::unreliable, 20));
    queue.push(Undelivered{});
    interrupt(1);
    queue.push(FaultFound{});
    resume(1);
    queue.push(message(1, Delivery::unordered, 30));
    leave(1);
    queue.push(SessionEnded{Departure{Closed{}}});
    std::vector<std::size_t> kinds;
    while (auto event = queue.try_pop()) kinds.push_back(event->index());
    EXPECT_EQ(kinds, (std::vector<std::size_t>{1, 0, 0, 10, 3, 6, 4, 0, 2, 13}));
    EXPECT_EQ(credited, 40u) << "unreliable messages are owed no credit";
}

TEST_F(EventQueueTest, AFloodOfDatagramsDropsTheOldestOfItsSender) {
    queue.push(message(2, Delivery::unreliable, 100, 7));
    for (std::uint16_t i = 0; i < 60'000; ++i) queue.push(message(1, Delivery::unreliable, 1000, i));
    const auto dropped = queue.dropped().unreliable;
    const auto kept = take_all<Message>();
    EXPECT_LE((kept.size() - 1) * (1000 + kEventOverhead), UnreliableLane::kMaxOctets);
    EXPECT_EQ(kept.size() + dropped, 60'001u);
    EXPECT_EQ(kept.front().from, device(2)) << "the flood displaces itself";
    EXPECT_EQ(kept.back().channel, ChannelId{59'999}) << "the newest are kept";
    EXPECT_EQ(kept[1].channel, ChannelId{static_cast<std::uint16_t>(dropped)}) << "in one piece";
}

TEST_F(EventQueueTest, EmptyDatagramsOfManySendersMeetTheLimitToo) {
    for (std::uint32_t i = 0; i < 100'000; ++i) queue.push(message(i, Delivery::unreliable, 0));
    const auto dropped = queue.dropped().unreliable;
    const auto kept = take_all<Message>();
    EXPECT_EQ(kept.size(), UnreliableLane::kMaxOctets / kEventOverhead);
    EXPECT_EQ(kept.size() + dropped, 100'000u);
    EXPECT_EQ(kept.back().from, device(99'999));
}

TEST_F(EventQueueTest, FewArrivalsAndDeparturesAreAllTold) {
    for (std::uint32_t i = 0; i < 500; ++i) {
        join(1);
        leave(1);
    }
    EXPECT_EQ(queue.dropped(), EventsDropped{});
    EXPECT_EQ(take_all<PeerLeft>().size(), 500u);
}

TEST_F(EventQueueTest, MembersThatComeAndGoWithoutEndAreFolded) {
    join(1);
    EXPECT_TRUE(queue.try_pop());  // the application knows that 1 is there
    constexpr std::uint32_t kMany = 100'000;
    for (std::uint32_t i = 0; i < kMany; ++i) {
        leave(1);
        join(1);
        join(i + 2);
        leave(i + 2);
    }
    leave(1);
    join(42);
    const auto dropped = queue.dropped().peer_news;
    std::size_t told = 0;
    std::map<DeviceId, int> present{{device(1), 1}};
    while (auto event = queue.try_pop()) {
        ++told;
        if (auto* joined = std::get_if<PeerJoined>(&*event)) EXPECT_EQ(++present[joined->peer.id], 1);
        if (auto* left = std::get_if<PeerLeft>(&*event)) EXPECT_EQ(--present[left->peer.id], 0);
    }
    EXPECT_LE(told, PeerNewsLane::kMaxTold + 3);
    EXPECT_EQ(told + dropped, 4u * kMany + 2);
    std::erase_if(present, [](const auto& entry) { return entry.second == 0; });
    EXPECT_EQ(present.size(), 1u) << "whoever reads all knows who is there";
    EXPECT_TRUE(present.contains(device(42)));
}

TEST_F(EventQueueTest, ChangesOfAPathAreFoldedWhenNobodyReads) {
    const PeerInfo ann{device(1), "ann"}, ben{device(2), "ben"};
    for (int i = 0; i < 5000; ++i) queue.push(PathChanged{i % 2 == 0 ? ann : ben, {}, {}, std::to_string(i)});
    const auto changes = take_all<PathChanged>();
    EXPECT_LE(changes.size(), 1026u);
    ASSERT_GE(changes.size(), 2u);
    EXPECT_EQ(changes.back().why, "4999") << "the last of each is told";
    EXPECT_EQ(queue.dropped().peer_news, 5000 - changes.size());
}

TEST_F(EventQueueTest, FaultsThatAreFoundAreFoldedWhenNobodyReads) {
    const PeerInfo ann{device(1), "ann"};
    for (int i = 0; i < 5000; ++i) queue.push(FaultFound{ann, Error{Errc::lost, std::to_string(i)}});
    const auto found = take_all<FaultFound>();
    EXPECT_LE(found.size(), 1026u);
    ASSERT_GE(found.size(), 1u);
    EXPECT_EQ(found.back().why.message(), "4999");
    EXPECT_EQ(queue.dropped().peer_news, 5000 - found.size());
}

TEST_F(EventQueueTest, InterruptionsWithoutEndAreFolded) {
    join(1);
    interrupt(1);
    EXPECT_TRUE(queue.try_pop() && queue.try_pop());  // the application knows of the first interruption
    constexpr std::uint32_t kMany = 100'000;
    for (std::uint32_t i = 0; i < kMany; ++i) {
        resume(1);
        interrupt(1);
        join(2);
        interrupt(2);
        if (i % 2 == 0) resume(2);
        leave(2);
    }
    leave(1);
    const auto dropped = queue.dropped().peer_news;
    std::size_t told = 0;
    int here = 1, interrupted = 1;
    while (auto event = queue.try_pop()) {
        ++told;
        const auto* cut = std::get_if<PeerInterrupted>(&*event);
        const auto* back = std::get_if<PeerResumed>(&*event);
        const auto* left = std::get_if<PeerLeft>(&*event);
        if (cut && cut->peer.id == device(1)) EXPECT_EQ(++interrupted, 1);
        if (back && back->peer.id == device(1)) EXPECT_EQ(--interrupted, 0);
        if (left && left->peer.id == device(1)) --here;
    }
    EXPECT_LE(told, PeerNewsLane::kMaxTold + 4);
    EXPECT_EQ(told + dropped, 5u * kMany + kMany / 2 + 1);
    EXPECT_EQ(here, 0);
}

TEST_F(EventQueueTest, WhatAMemberLeftBehindGivesNoCreditToItsNextSession) {
    queue.push(message(1, Delivery::ordered, 10));
    queue.on_left_behind(device(1));
    queue.push(message(1, Delivery::ordered, 20));
    EXPECT_EQ(take_all<Message>().size(), 2u);
    EXPECT_EQ(credited, 20u);
}

TEST_F(EventQueueTest, AMemberThatReturnsAgainAndAgainCannotFillTheMemory) {
    queue.push(message(2, Delivery::ordered, 5));
    constexpr std::size_t kSession = 2 << 20;  // what the flow control lets a member leave unread
    for (int session = 0; session < 100; ++session) {
        queue.push(message(1, Delivery::ordered, kSession));
        queue.on_left_behind(device(1));
    }
    const auto dropped = queue.dropped().left_behind;
    const auto kept = take_all<Message>();
    EXPECT_LE(kept.size() * kSession, EventQueue::kMaxLeftBehind + kSession);
    EXPECT_EQ(kept.size() + dropped, 101u);
    EXPECT_EQ(kept.front().from, device(2));
    EXPECT_EQ(credited, 5u);
}

TEST_F(EventQueueTest, TheNewestUndeliveredAreKept) {
    for (std::uint64_t i = 0; i < 10'000; ++i) {
        Undelivered what;
        what.cookie = i;
        queue.push(what);
    }
    EXPECT_EQ(queue.dropped().undelivered, 10'000 - EventQueue::kMaxUndelivered);
    const auto kept = take_all<Undelivered>();
    EXPECT_EQ(kept.size(), EventQueue::kMaxUndelivered);
    EXPECT_EQ(kept.back().cookie, 9'999u);
}

TEST_F(EventQueueTest, JoinRequestsBeyondTheLimitAreNotTaken) {
    for (std::size_t i = 0; i < EventQueue::kMaxJoinRequests; ++i) EXPECT_TRUE(queue.push(JoinRequest{}));
    EXPECT_FALSE(queue.push(JoinRequest{}));
    EXPECT_TRUE(queue.try_pop());
    EXPECT_TRUE(queue.push(JoinRequest{}));
    EXPECT_FALSE(queue.push(JoinRequest{}));
    EXPECT_EQ(take_all<JoinRequest>().size(), EventQueue::kMaxJoinRequests);
}

TEST_F(EventQueueTest, AContestIsToldOnceUntilItIsRead) {
    GroupContested rival;
    rival.name = "the other";
    for (int i = 0; i < 1000; ++i) queue.push(rival);
    EXPECT_EQ(take_all<GroupContested>().size(), 1u);
    queue.push(rival);
    EXPECT_EQ(take_all<GroupContested>().size(), 1u);
}

// A handle without a node stands for a stream here: the queue only keeps it.
TEST_F(EventQueueTest, OfStreamsThatEndedUnheardTheNewestAreKept) {
    const auto open = [this](std::uint64_t number) {
        queue.push_opening(StreamOpened{ByteStream{nullptr}}, StreamHandle{number});
    };
    for (std::uint64_t i = 0; i < 10; ++i) open(i);  // these live on
    for (std::uint64_t i = 10; i < 1000; ++i) {
        open(i);
        queue.on_stream_ended(StreamHandle{i});
        queue.on_stream_ended(StreamHandle{i});  // twice is harmless
    }
    EXPECT_EQ(queue.dropped().openings, 990 - OpeningLane::kMaxEnded);
    EXPECT_EQ(take_all<StreamOpened>().size(), 10 + OpeningLane::kMaxEnded);
    for (std::uint64_t i = 0; i < 10; ++i) queue.on_stream_ended(StreamHandle{i});  // heard of: nothing to do
    EXPECT_EQ(queue.dropped().openings, 990 - OpeningLane::kMaxEnded);
}

TEST_F(EventQueueTest, TheEndComesAfterAllThatHappened) {
    std::vector<std::optional<Errc>> told;
    const auto note = [&told](const Result<Event>& event) {
        told.push_back(event ? std::nullopt : std::optional{event.error().code()});
    };
    queue.push(message(1, Delivery::ordered, 1));
    queue.finish();
    for (int i = 0; i < 2; ++i) {
        queue.wait(fresh_wait(), Session::EventHandler{note});
        EXPECT_EQ(told.size(), static_cast<std::size_t>(i)) << "never from inside the call";
        io.restart();
        io.poll();
    }
    EXPECT_EQ(told, (std::vector<std::optional<Errc>>{std::nullopt, Errc::closed}));
}

}  // namespace
}  // namespace muster::node
