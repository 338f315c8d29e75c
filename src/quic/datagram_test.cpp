#include <gtest/gtest.h>

#include "quic/test_world.h"

namespace muster::quic::test {
namespace {

TEST(QuicDatagrams, ArriveWhole) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    EXPECT_TRUE(client.connection->send_datagram(slice("one")));
    EXPECT_TRUE(client.connection->send_datagram(slice("two")));
    EXPECT_TRUE(server.connection->send_datagram(slice("three")));
    ASSERT_TRUE(
        world.run_until([&] { return server.datagrams.size() == 2 && client.datagrams.size() == 1; }));
    EXPECT_EQ(server.datagrams[0], "one");
    EXPECT_EQ(server.datagrams[1], "two");
    EXPECT_EQ(client.datagrams[0], "three");
}

TEST(QuicDatagrams, AreNeverEmpty) {
    World world;
    world.start();
    Recorder client;
    world.connected(client);
    EXPECT_FALSE(client.connection->send_datagram(Slice{}));
}

TEST(QuicDatagrams, TravelUpToTheStatedSizeAndNoFurther) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    for (int round = 0; round < 3; ++round) {  // before and after path MTU discovery
        const std::size_t most = client.connection->stats().max_datagram;
        ASSERT_GE(most, 1100u);
        EXPECT_TRUE(client.connection->send_datagram(slice(pattern(most))));
        EXPECT_FALSE(client.connection->send_datagram(slice(pattern(most + 1))));
        const std::size_t expected = server.datagrams.size() + 1;
        ASSERT_TRUE(world.run_until([&] { return server.datagrams.size() == expected; }));
        EXPECT_EQ(server.datagrams.back().size(), most);
        world.run(2s);
    }
    EXPECT_GE(client.connection->stats().max_datagram, 1400u);
}

TEST(QuicDatagrams, SharePackets) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    world.run(2s);
    const std::size_t before = world.sent_by_client;
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(client.connection->send_datagram(slice(pattern(100))));
    world.flush();
    EXPECT_LE(world.sent_by_client - before, 9u);
    EXPECT_TRUE(world.run_until([&] { return server.datagrams.size() == 100; }));
}

TEST(QuicDatagrams, AreRefusedWhenTooManyWait) {
    World world;
    world.client_config.max_queued_datagrams = 10;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    int taken = 0;
    for (int i = 0; i < 50; ++i) taken += client.connection->send_datagram(slice("x")) ? 1 : 0;
    EXPECT_EQ(taken, 10);
    world.run(100ms);
    EXPECT_EQ(server.datagrams.size(), 10u);
    EXPECT_TRUE(client.connection->send_datagram(slice("x")));
}

TEST(QuicDatagrams, DoNotStarveStreamsNorTheReverse) {
    World world;
    world.links[0].delay = 5ms;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->write(id, slice(pattern(3'000'000)));
    client.connection->finish(id);
    std::size_t offered = 0;
    const auto flood = [&] {
        while (client.connection->send_datagram(slice(pattern(500)))) ++offered;
        return server.finished[id];
    };
    ASSERT_TRUE(world.run_until(flood));
    EXPECT_GE(server.datagrams.size() * 500, 1'000'000u);
    EXPECT_EQ(server.octets, 3'000'000u);
}

TEST(QuicDatagrams, AreLostWithTheirPackets) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    world.run(2s);
    bool lose = true;
    world.swallow = [&](End from, std::size_t, ByteView) { return lose && from == End::client; };
    EXPECT_TRUE(client.connection->send_datagram(slice("lost")));
    world.flush();
    lose = false;
    EXPECT_TRUE(client.connection->send_datagram(slice("found")));
    world.run(5s);
    ASSERT_EQ(server.datagrams.size(), 1u) << "QUIC does not repeat them";
    EXPECT_EQ(server.datagrams[0], "found");
}

TEST(QuicDatagrams, ThatNoLongerFitThePathAreDropped) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    world.run(3s);
    ASSERT_GE(client.connection->stats().max_datagram, 1400u);
    EXPECT_TRUE(client.connection->send_datagram(slice(pattern(1400))));
    EXPECT_TRUE(client.connection->send_datagram(slice("small")));
    ASSERT_TRUE(world.migrate(client, 1));  // the new path starts at 1200
    ASSERT_TRUE(world.run_until([&] { return !server.datagrams.empty(); }));
    EXPECT_EQ(server.datagrams[0], "small");
}

}  // namespace
}  // namespace muster::quic::test
