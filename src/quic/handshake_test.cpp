#include <gtest/gtest.h>

#include "quic/test_world.h"

namespace muster::quic::test {
namespace {

TEST(QuicHandshake, TellsEachSideWhoTheOtherIs) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    ASSERT_EQ(client.established, 1);
    ASSERT_EQ(server.established, 1);
    EXPECT_EQ(client.admitted, key_of(2).id());
    EXPECT_EQ(server.admitted, key_of(1).id());
    EXPECT_EQ(*client.connection->peer(), key_of(2).id());
    EXPECT_EQ(*server.connection->peer(), key_of(1).id());
    EXPECT_TRUE(client.connection->is_established());
}

TEST(QuicHandshake, CarriesOneStreamBothWays) {
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

}  // namespace
}  // namespace muster::quic::test
