#include <gtest/gtest.h>

#include "quic/test_world.h"

namespace muster::quic::test {
namespace {

constexpr std::uint64_t kWindow = 64 * 1024;

/// A server that judges its peers after the handshake.
class QuicStranger : public testing::Test {
protected:
    QuicStranger() {
        world.server_config.stranger_window = kWindow;
        world.server_config.stranger_streams = 4;
        world.server_config.max_strangers_per_source = 3;
        world.links.resize(3);
        world.start();
    }
    StreamId write(Recorder& client, std::size_t octets) {
        const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
        client.connection->write(id, slice(pattern(octets)));
        return id;
    }

    World world;
};

TEST_F(QuicStranger, FillsNoMoreThanASmallWindow) {
    world.host.prepare = [](Recorder& server) { server.consumes = false; };
    Recorder client;
    Recorder& server = world.connected(client);
    for (int i = 0; i < 4; ++i) write(client, 500'000);
    world.run(1s);
    EXPECT_LE(server.octets, kWindow);
    server.connection->let_in();
    world.run(1s);
    EXPECT_EQ(server.octets, 2'000'000u) << "the window of a member takes all of it";
}

TEST_F(QuicStranger, OpensFewStreams) {
    Recorder client;
    Recorder& server = world.connected(client);
    for (int i = 0; i < 4; ++i) write(client, 10);
    EXPECT_FALSE(client.connection->open_stream(Direction::bidirectional));
    server.connection->let_in();
    world.run(100ms);
    EXPECT_GE(client.available, 1);
    for (int i = 0; i < 252; ++i) write(client, 10);
    EXPECT_FALSE(client.connection->open_stream(Direction::bidirectional));
    world.run(100ms);
    EXPECT_EQ(server.received.size(), 256u);
}

TEST_F(QuicStranger, MayBeLetInTwice) {
    Recorder client;
    Recorder& server = world.connected(client);
    server.connection->let_in();
    server.connection->let_in();
    write(client, 1000);
    EXPECT_TRUE(world.run_until([&] { return server.octets == 1000; }, 1s));
}

TEST_F(QuicStranger, LeavesNoRoomForMoreOfItsAddress) {
    std::vector<std::unique_ptr<Recorder>> clients;
    const auto join = [&](std::size_t link) -> Recorder& {
        clients.push_back(std::make_unique<Recorder>());
        world.connect(*clients.back(), link);
        world.run(10ms);
        return *clients.back();
    };
    for (int i = 0; i < 3; ++i) EXPECT_EQ(join(0).established, 1);
    Recorder& refused = join(0);
    ASSERT_TRUE(refused.is_closed());
    EXPECT_EQ(refused.closes[0].code, kConnectionRefused);
    EXPECT_EQ(join(1).established, 1) << "another address";
    world.host.recorders[0]->connection->let_in();
    EXPECT_EQ(join(0).established, 1) << "one of them is a stranger no more";
    world.host.recorders[1]->connection->close(1, "go away");
    world.run(10ms);
    EXPECT_EQ(join(0).established, 1) << "one of them has gone";
    EXPECT_TRUE(join(0).is_closed());
}

}  // namespace
}  // namespace muster::quic::test
