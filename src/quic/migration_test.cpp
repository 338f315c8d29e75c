#include <gtest/gtest.h>

#include "quic/test_world.h"

namespace muster::quic::test {
namespace {

/// A client with a stream to the server, on link 0 of several.
class QuicMigration : public testing::Test {
protected:
    void begin() {
        world.links.resize(4);
        world.start();
        server = &world.connected(client);
        stream = client.connection->open_stream(Direction::bidirectional).value();
        client.connection->write(stream, slice("hello"));
        world.run(2s);
    }

    PathId move_to(std::size_t link) {
        EXPECT_TRUE(world.migrate(client, link));
        return client.connection->path();
    }

    /// One message each way; the time that took.
    Duration exchange(Duration patience = 30s) {
        const TimePoint start = world.now;
        const std::size_t up = server->octets + 5, down = client.octets + 5;
        client.connection->write(stream, slice("12345"));
        server->connection->write(stream, slice("54321"));
        EXPECT_TRUE(world.run_until([&] { return server->octets >= up && client.octets >= down; }, patience));
        return world.now - start;
    }

    World world;
    Recorder client;
    Recorder* server = nullptr;
    StreamId stream = 0;
};

TEST_F(QuicMigration, MovesTheConnectionAndTheServerFollows) {
    begin();
    exchange();
    const PathId fresh = move_to(1);
    EXPECT_EQ(client.connection->path(), fresh);
    world.links[0].dead = true;
    EXPECT_LE(exchange(), 60ms);
    ASSERT_FALSE(server->paths.empty());
    EXPECT_EQ(server->paths.back(), World::server_path(1));
    EXPECT_EQ(server->connection->path(), World::server_path(1));
    world.run(1s);
    ASSERT_EQ(client.paths.size(), 1u) << "reported once it is validated";
    EXPECT_EQ(client.paths[0], fresh);
    EXPECT_TRUE(client.closes.empty());
}

TEST_F(QuicMigration, GoesThereAndBackAgain) {
    begin();
    for (int i = 0; i < 20; ++i) {
        move_to(i % 2 == 0 ? 1 : 0);
        EXPECT_LE(exchange(), 100ms) << i;
        world.run(200ms);
        EXPECT_EQ(server->connection->path(), World::server_path(i % 2 == 0 ? 1 : 0));
    }
    EXPECT_TRUE(client.closes.empty() && server->closes.empty());
}

// With no_pmtud set, ngtcp2 0.12 aborts the server here.
TEST_F(QuicMigration, ComesBackWhileTheMoveIsStillBeingValidated) {
    begin();
    for (int i = 0; i < 10; ++i) {
        move_to(1);
        world.run(1500us);  // the server has seen the move, nobody has validated it
        move_to(0);
        EXPECT_LE(exchange(), 300ms) << i;
        world.run(500ms);
    }
    EXPECT_TRUE(client.closes.empty() && server->closes.empty());
}

class QuicMigrationAfterSilence : public QuicMigration, public testing::WithParamInterface<Duration> {};

TEST_P(QuicMigrationAfterSilence, TalksAtOnceOnTheNewPath) {
    begin();
    exchange();
    world.links[0].dead = true;
    client.connection->write(stream, slice("12345"));
    server->connection->write(stream, slice("54321"));
    world.run(GetParam());
    move_to(1);
    EXPECT_LE(exchange(), 120ms);
    EXPECT_EQ(server->octets, 20u);
    EXPECT_EQ(client.octets, 15u);
}

TEST_P(QuicMigrationAfterSilence, TalksAtOnceOnTheSameLinkThatHasHealed) {
    begin();
    exchange();
    world.links[0].dead = true;
    client.connection->write(stream, slice("12345"));
    world.run(GetParam());
    world.links[0].dead = false;
    move_to(0);
    EXPECT_LE(exchange(), 120ms);
}

INSTANTIATE_TEST_SUITE_P(Dead, QuicMigrationAfterSilence, testing::Values(Duration{3s}, Duration{10s}));

TEST_F(QuicMigration, IsRefusedWhenNoConnectionIdIsLeft) {
    begin();
    for (auto& link : world.links) link.dead = true;
    int moves = 0;
    while (moves < 100 && world.migrate(client, 1)) {
        ++moves;
        world.run(10ms);
    }
    EXPECT_EQ(moves, 7) << "eight connection ids, one of them in use";
    EXPECT_FALSE(client.is_closed());
    // Once a path works again, new ids arrive and moving is possible again.
    for (auto& link : world.links) link.dead = false;
    world.run(5s);
    EXPECT_TRUE(world.migrate(client, 2));
    EXPECT_LE(exchange(), 5s);
}

TEST_F(QuicMigration, IsRefusedToTheServerAndDuringTheHandshake) {
    world.links.resize(4);
    world.start();
    Connection& connection = world.connect(client);
    EXPECT_FALSE(connection.migrate(world.client_path(1), world.now));
    world.run(1s);
    Recorder second;
    Recorder& other = world.connected(second);
    world.run(1s);
    EXPECT_FALSE(other.connection->migrate(PathId{5}, world.now));
}

TEST_F(QuicMigration, CanBeOrderedFromWithinAnEvent) {
    begin();
    bool ordered = false;
    const PathId before = client.connection->path();
    client.when_data = [&](StreamId, ByteView, bool) {
        if (std::exchange(ordered, true)) return;
        EXPECT_TRUE(world.migrate(client, 1));
    };
    exchange();
    ASSERT_TRUE(ordered);
    EXPECT_NE(client.connection->path(), before);
    world.links[0].dead = true;
    EXPECT_LE(exchange(), 300ms);
}

TEST_F(QuicMigration, LosesNothingInTheMiddleOfABulkTransfer) {
    begin();
    const std::string up = pattern(4'000'000, 1), down = pattern(4'000'000, 2);
    client.connection->write(stream, slice(up));
    server->connection->write(stream, slice(down));
    for (std::size_t i = 1; i <= 12; ++i) {
        world.run(15ms);
        world.links[(i - 1) % 4].dead = true;  // fails silently; noticed 30 ms later
        world.run(30ms);
        world.links[i % 4].dead = false;
        move_to(i % 4);
    }
    ASSERT_TRUE(world.run_until(
        [&] { return server->octets == up.size() + 5 && client.octets == down.size(); }, 60s));
    EXPECT_TRUE(server->received[stream] == "hello" + up);
    EXPECT_TRUE(client.received[stream] == down);
}

// Links go dead and heal at random; each move goes to a link that works, as the link layer's probes see to.
TEST_F(QuicMigration, LivesThroughAStormOfMovesToWorkingLinks) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        World storm{seed};
        storm.links.resize(4);
        for (auto& link : storm.links) link.delay = 2ms;
        storm.start();
        Recorder here;
        Recorder& there = storm.connected(here);
        storm.run(1s);
        const StreamId id = here.connection->open_stream(Direction::bidirectional).value();
        std::string sent;
        std::size_t current = 0;
        int moves = 0, blocked = 0;
        for (int round = 0; round < 100; ++round) {
            const std::string text = pattern(200, static_cast<std::uint64_t>(round));
            sent += text;
            here.connection->write(id, slice(text));
            for (auto& link : storm.links) link.dead = uniform(storm.random, 10) < 3;
            const bool was_dead = storm.links[current].dead;
            storm.run(30ms);
            if (!was_dead && round % 5 != 0) continue;
            for (std::size_t i = 1; i <= 4; ++i) {
                const std::size_t candidate = (current + i) % 4;
                if (storm.links[candidate].dead) continue;
                current = candidate;
                storm.migrate(here, candidate) ? ++moves : ++blocked;
                break;
            }
            storm.run(20ms);
        }
        for (auto& link : storm.links) link.dead = false;
        storm.run(5s);
        EXPECT_GT(moves, 20);
        EXPECT_EQ(blocked, 0) << "seed " << seed;
        ASSERT_TRUE(storm.run_until([&] { return there.octets == sent.size(); })) << "seed " << seed;
        EXPECT_TRUE(there.received[id] == sent);
        EXPECT_TRUE(here.closes.empty() && there.closes.empty()) << "seed " << seed;
    }
}

TEST_F(QuicMigration, ServerFollowsARebindingOfTheClientsAddress) {
    begin();
    exchange();
    world.adopt(client.connection->path(),
                1);  // the client knows nothing of it: its packets come out elsewhere
    client.connection->write(stream, slice("rebound"));
    world.run(10ms);
    EXPECT_EQ(server->received[stream], "hello12345rebound");
    EXPECT_EQ(server->connection->path(), World::server_path(1));
}

TEST(QuicPathMtu, GrowsToWhatThePathCarries) {
    for (const std::size_t mtu : {1452u, 1444u, 1420u, 1300u, 1200u}) {
        World world;
        world.links[0].mtu = mtu;
        world.start();
        Recorder client;
        Recorder& server = world.connected(client);
        const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
        world.run(3s);
        const std::string text = pattern(500'000);
        client.connection->write(id, slice(text));
        client.connection->finish(id);
        ASSERT_TRUE(world.run_until([&] { return server.finished[id]; })) << mtu;
        EXPECT_TRUE(server.received[id] == text);
        const std::size_t carried = client.connection->stats().max_datagram + 32;
        EXPECT_LE(carried, mtu);
        EXPECT_GE(carried, mtu >= 1444 ? 1444u : mtu >= 1406 ? 1406u : 1200u) << mtu;
    }
}

}  // namespace
}  // namespace muster::quic::test
