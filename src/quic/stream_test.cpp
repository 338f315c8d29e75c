#include <gtest/gtest.h>

#include "quic/test_world.h"

namespace muster::quic::test {
namespace {

void send_all(Recorder& from, StreamId id, std::string_view text, std::size_t piece) {
    for (std::size_t at = 0; at < text.size(); at += piece)
        from.connection->write(id, slice(text.substr(at, piece)));
    from.connection->finish(id);
}

TEST(QuicStreams, CarryBothWays) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    const StreamId id = client.connection->open_stream(Direction::bidirectional).value();
    client.connection->write(id, slice("hello"));
    client.connection->finish(id);
    ASSERT_TRUE(world.run_until([&] { return server.finished[id]; }));
    EXPECT_EQ(server.received[id], "hello");
    server.connection->write(id, slice("good day"));
    server.connection->finish(id);
    ASSERT_TRUE(world.run_until([&] { return client.closed_streams == 1 && server.closed_streams == 1; }));
    EXPECT_EQ(client.received[id], "good day");
}

TEST(QuicStreams, CarryAnEmptyStream) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->finish(id);
    ASSERT_TRUE(world.run_until([&] { return server.finished[id]; }));
    EXPECT_TRUE(server.received[id].empty());
}

TEST(QuicStreams, KeepOrderThroughLossReorderingAndDuplication) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        World world{seed};
        world.links[0] = {.delay = 5ms, .jitter = 10ms, .loss = 0.1, .duplication = 0.1};
        world.start();
        Recorder client;
        Recorder& server = world.connected(client);
        const std::string up = pattern(300'000, seed), down = pattern(200'000, seed + 100);
        const StreamId a = client.connection->open_stream(Direction::bidirectional).value();
        const StreamId b = server.connection->open_stream(Direction::unidirectional).value();
        send_all(client, a, up, 1 + 97 * seed);
        send_all(server, b, down, 5000);
        ASSERT_TRUE(world.run_until([&] { return server.finished[a] && client.finished[b]; }, 120s))
            << "seed " << seed;
        EXPECT_TRUE(server.received[a] == up) << "seed " << seed;
        EXPECT_TRUE(client.received[b] == down) << "seed " << seed;
    }
}

TEST(QuicStreams, HoldThePeerBackUntilTheDataIsConsumed) {
    World world;
    world.client_config.stream_window = world.server_config.stream_window = 64 * 1024;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    server.consumes = false;
    const StreamId id = client.connection->open_stream(Direction::bidirectional).value();
    const std::string text = pattern(500'000);
    send_all(client, id, text, 10'000);
    world.run(5s);
    const std::size_t window = 64 * 1024 - 1;  // one octet told the kind of the stream
    EXPECT_EQ(server.octets, window);
    EXPECT_EQ(client.connection->unsent(id), text.size() - window);
    server.connection->consume(id, 40'000);
    world.run(5s);
    EXPECT_EQ(server.octets, window + 40'001);
    server.consumes = true;
    server.connection->consume(id, 64 * 1024);
    ASSERT_TRUE(world.run_until([&] { return server.finished[id]; }));
    EXPECT_TRUE(server.received[id] == text);
}

TEST(QuicStreams, HoldThePeerBackAcrossStreams) {
    World world;
    world.server_config.connection_window = 100'000;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    server.consumes = false;
    std::vector<StreamId> ids;
    for (int i = 0; i < 5; ++i) {
        ids.push_back(client.connection->open_stream(Direction::unidirectional).value());
        send_all(client, ids.back(), pattern(50'000), 10'000);
    }
    world.run(5s);
    EXPECT_LE(server.octets, 100'000u);
    EXPECT_GE(server.octets, 100'000u - 5);  // one octet of each stream tells its kind
    // Two streams are complete and closed; their octets still count until they are consumed.
    server.consumes = true;
    for (const StreamId id : ids) server.connection->consume(id, server.received[id].size());
    ASSERT_TRUE(world.run_until([&] { return server.octets == 250'000; }));
    EXPECT_EQ(server.closed_streams, 5);
}

TEST(QuicStreams, GiveNoMoreCreditThanWasReceived) {
    World world;
    world.server_config.stream_window = 10'000;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    server.consumes = false;
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->write(id, slice(pattern(50'000)));
    world.run(1s);
    server.connection->consume(id, 1'000'000);
    world.run(1s);
    EXPECT_EQ(server.octets, 19'999u);  // and one octet that told the kind of the stream
}

TEST(QuicStreams, OpenOneAfterTheOtherByTheThousand) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    constexpr int kStreams = 3000;
    int opened = 0;
    const auto open_more = [&] {
        while (opened < kStreams) {
            const auto id = client.connection->open_stream(Direction::unidirectional);
            if (!id) return;
            ++opened;
            client.connection->write(*id, slice("x"));
            client.connection->finish(*id);
        }
    };
    client.when_available = open_more;
    open_more();
    EXPECT_EQ(opened, 256) << "what the server grants at first, both kinds together";
    ASSERT_TRUE(world.run_until([&] { return server.closed_streams == kStreams; }, 120s));
    EXPECT_EQ(server.octets, static_cast<std::size_t>(kStreams));
    EXPECT_TRUE(world.run_until([&] { return client.closed_streams == kStreams; }));
}

TEST(QuicStreams, TakeTurns) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    const StreamId bulk = client.connection->open_stream(Direction::unidirectional).value();
    const StreamId small = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->write(bulk, slice(pattern(900'000)));
    client.connection->write(small, slice("urgent"));
    ASSERT_TRUE(world.run_until([&] { return server.received[small] == "urgent"; }));
    EXPECT_LT(server.received[bulk].size(), 20'000u);
}

TEST(QuicStreams, ShareOnePacketWhenTheyAreSmall) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    world.run(1s);
    for (int i = 0; i < 10; ++i) {
        const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
        client.connection->write(id, slice("tiny"));
        client.connection->finish(id);
    }
    ASSERT_TRUE(client.connection->send_datagram(slice("and a datagram")));
    const std::size_t before = world.sent_by_client;
    world.flush();
    EXPECT_EQ(world.sent_by_client - before, 1u);
    world.run(1s);
    EXPECT_EQ(server.closed_streams, 10);
    EXPECT_EQ(server.datagrams.size(), 1u);
}

TEST(QuicStreams, PackSmallMessagesIntoFullPackets) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    world.run(1s);
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    const std::string text = pattern(10'000);
    const std::size_t before = world.sent_by_client;
    for (std::size_t at = 0; at < text.size(); at += 100)
        client.connection->write(id, slice(text.substr(at, 100)));
    world.flush();
    EXPECT_LE(world.sent_by_client - before, 8u);
    ASSERT_TRUE(world.run_until([&] { return server.octets == text.size(); }));
    EXPECT_TRUE(server.received[id] == text);
}

TEST(QuicStreams, SayWhenThereIsRoomAgain) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->write(id, slice(pattern(1000)));
    ASSERT_TRUE(world.run_until([&] { return server.octets == 1000; }));
    EXPECT_EQ(client.writable, 0) << "it was never above the mark";
    client.connection->write(id, slice(pattern(200'000)));
    ASSERT_TRUE(world.run_until([&] { return server.octets == 201'000; }));
    EXPECT_EQ(client.writable, 1);
}

TEST(QuicStreams, WriteMoreFromWithinWritable) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    int rounds = 0;
    client.when_writable = [&](StreamId stream) {
        if (++rounds < 50)
            client.connection->write(stream, slice(pattern(100'000)));
        else
            client.connection->finish(stream);
    };
    client.connection->write(id, slice(pattern(100'000)));
    ASSERT_TRUE(world.run_until([&] { return server.finished[id]; }, 60s));
    EXPECT_EQ(server.octets, 50u * 100'000);
}

TEST(QuicStreams, ResetReachesThePeerAndEndsTheStream) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->write(id, slice("begun"));
    world.run(100ms);
    client.connection->write(id, slice(pattern(100'000)));
    client.connection->reset(id, 77);
    EXPECT_EQ(client.connection->unsent(id), 0u);
    ASSERT_TRUE(world.run_until([&] { return client.closed_streams == 1 && server.closed_streams == 1; }));
    EXPECT_EQ(server.resets[id], 77u);
    EXPECT_EQ(server.received[id], "begun");
    EXPECT_TRUE(client.stops.empty());
}

TEST(QuicStreams, ResetBeforeAnythingWasSentEndsTheStreamToo) {
    for (const auto direction : {Direction::unidirectional, Direction::bidirectional}) {
        World world;
        world.start();
        Recorder client;
        Recorder& server = world.connected(client);
        const StreamId untouched = client.connection->open_stream(direction).value();
        const StreamId written = client.connection->open_stream(direction).value();
        client.connection->write(written, slice(pattern(5000)));
        for (const StreamId id : {untouched, written}) client.connection->reset(id, 5);
        ASSERT_TRUE(world.run_until([&] { return server.resets.size() == 2; }));
        EXPECT_EQ(server.octets, 0u);
        for (const StreamId id : {untouched, written}) server.connection->finish(id);
        EXPECT_TRUE(
            world.run_until([&] { return client.closed_streams == 2 && server.closed_streams == 2; }));
    }
}

TEST(QuicStreams, StopSendingEndsAOneWayStreamWithItsCode) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    server.when_data = [&](StreamId id, ByteView, bool) { server.connection->stop_sending(id, 99); };
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->write(id, slice(pattern(3'000'000)));
    ASSERT_TRUE(world.run_until([&] { return client.closed_streams == 1; }));
    EXPECT_EQ(client.stops[id], 99u);
    EXPECT_TRUE(world.run_until([&] { return server.closed_streams == 1; }));
    client.connection->write(id, slice("into the void"));
    client.connection->finish(id);
    world.run(100ms);
    EXPECT_TRUE(client.closes.empty());
}

TEST(QuicStreams, StopSendingLeavesTheOtherDirectionAlone) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    server.when_data = [&](StreamId id, ByteView, bool) { server.connection->stop_sending(id, 99); };
    const StreamId id = client.connection->open_stream(Direction::bidirectional).value();
    client.connection->write(id, slice(pattern(3'000'000)));
    ASSERT_TRUE(world.run_until([&] { return client.stops.contains(id); }));
    EXPECT_EQ(client.connection->unsent(id), 0u);
    server.connection->write(id, slice("still here"));
    server.connection->finish(id);
    ASSERT_TRUE(world.run_until([&] { return client.closed_streams == 1; }));
    EXPECT_EQ(client.received[id], "still here");
}

TEST(QuicStreams, IgnoreWhatMakesNoSense) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->stop_sending(id, 1);
    client.connection->write(4711, slice("no such stream"));
    client.connection->finish(4711);
    client.connection->reset(4711, 1);
    client.connection->consume(4711, 1000);
    client.connection->write(id, slice("data"));
    client.connection->finish(id);
    client.connection->write(id, slice("after the end"));
    client.connection->finish(id);
    ASSERT_TRUE(world.run_until([&] { return server.finished[id]; }));
    server.connection->write(id, slice("wrong way"));
    server.connection->reset(id, 1);
    server.connection->finish(id);
    world.run(1s);
    EXPECT_EQ(server.received[id], "data");
    EXPECT_TRUE(client.closes.empty() && server.closes.empty());
}

TEST(QuicStreams, ManyAtOnceAllArrive) {
    World world{3};
    world.links[0] = {.delay = 2ms, .jitter = 2ms, .loss = 0.02};
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    std::map<StreamId, std::string> texts;
    for (int i = 0; i < 100; ++i) {
        const StreamId id = client.connection->open_stream(Direction::bidirectional).value();
        texts[id] = pattern(static_cast<std::size_t>(1 + i * 300), static_cast<std::uint64_t>(i));
        send_all(client, id, texts[id], 700);
    }
    ASSERT_TRUE(world.run_until([&] { return server.finished.size() == 100; }, 60s));
    for (const auto& [id, text] : texts) EXPECT_TRUE(server.received[id] == text) << id;
}

TEST(QuicStreams, PacedTransfersArriveToo) {
    World world;
    world.client_config.paced = true;
    world.links[0].delay = 10ms;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    const std::string text = pattern(2'000'000);
    client.connection->write(id, slice(text));
    client.connection->finish(id);
    ASSERT_TRUE(world.run_until([&] { return server.finished[id]; }));
    EXPECT_TRUE(server.received[id] == text);
}

TEST(QuicStreams, OneFlushDoesABoundedAmountOfWork) {
    World world;
    world.client_config.stream_window = world.server_config.stream_window = 64 << 20;
    world.server_config.connection_window = 64 << 20;
    world.links[0].delay = 200ms;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->write(id, slice(pattern(30'000'000)));
    client.connection->finish(id);
    ASSERT_TRUE(
        world.run_until([&] { return client.connection->stats().congestion_window > 3'000'000; }, 60s));
    struct Counter : Wire {
        void send(const Transmit& batch) override { octets += batch.octets.size(); }
        std::size_t octets = 0;
    } counter;
    world.client->flush(world.now, counter);
    EXPECT_LE(counter.octets, 1'000'000u);
    ASSERT_TRUE(world.run_until([&] { return server.finished[id]; }, 300s));
}

}  // namespace
}  // namespace muster::quic::test
