#include <gtest/gtest.h>

#include "quic/test_world.h"

namespace muster::quic::test {
namespace {

TEST(QuicClose, TellsThePeerCodeAndReason) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    world.run(100ms);
    client.connection->close(4711, "gone fishing");
    client.connection->close(1, "again");
    ASSERT_TRUE(world.run_until([&] { return client.is_closed() && server.is_closed(); }));
    EXPECT_EQ(client.closes[0].kind, CloseInfo::Kind::local);
    EXPECT_EQ(client.closes[0].code, 4711u);
    EXPECT_EQ(server.closes[0].kind, CloseInfo::Kind::peer_application);
    EXPECT_EQ(server.closes[0].code, 4711u);
    EXPECT_EQ(server.closes[0].reason, "gone fishing");
    EXPECT_EQ(client.closes.size(), 1u);
    EXPECT_TRUE(client.connection->is_closed());
}

// A handler throws below ngtcp2's frames, which are C: its connection ends, and nothing else does.
TEST(QuicClose, AHandlerThatThrowsEndsItsOwnConnectionOnly) {
    World world;
    world.start();
    Recorder client, other;
    Recorder& server = world.connected(client);
    Recorder& neighbour = world.connected(other);
    world.run(100ms);
    server.when_data = [](StreamId, ByteView, bool) { throw std::runtime_error("out of ideas"); };
    const auto stream = client.connection->open_stream(Direction::unidirectional);
    ASSERT_TRUE(stream);
    (void)client.connection->write(*stream, Slice::copy_of(to_bytes("hello")));
    client.connection->finish(*stream);
    EXPECT_NO_THROW(world.run_until([&] { return client.is_closed() && server.is_closed(); }));
    ASSERT_TRUE(client.is_closed() && server.is_closed());
    EXPECT_EQ(server.closes[0].kind, CloseInfo::Kind::internal);
    EXPECT_EQ(client.closes[0].kind, CloseInfo::Kind::peer_transport);
    EXPECT_FALSE(neighbour.is_closed() || other.is_closed());
}

TEST(QuicClose, CutsALongReason) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    world.run(100ms);
    server.connection->close(1, std::string(5000, 'x'));
    ASSERT_TRUE(world.run_until([&] { return client.is_closed(); }));
    EXPECT_EQ(client.closes[0].reason, std::string(200, 'x'));
}

TEST(QuicClose, IsRepeatedWhenItsPacketWasLost) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    world.run(100ms);
    bool lose = true;
    world.swallow = [&](End from, std::size_t, ByteView) { return lose && from == End::server; };
    server.connection->close(7, "the end");
    world.run(10ms);
    EXPECT_TRUE(server.is_closed());
    EXPECT_FALSE(client.is_closed());
    lose = false;
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->write(id, slice("anyone there?"));
    ASSERT_TRUE(world.run_until([&] { return client.is_closed(); }));
    EXPECT_EQ(client.closes[0].kind, CloseInfo::Kind::peer_application);
    EXPECT_EQ(client.closes[0].code, 7u);
}

TEST(QuicClose, FromBothSidesAtOnceFallsSilent) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    world.run(100ms);
    const std::size_t before = world.sent;
    client.connection->close(1, "client");
    server.connection->close(2, "server");
    world.run(10s);
    EXPECT_EQ(client.closes[0].kind, CloseInfo::Kind::local);
    EXPECT_EQ(server.closes[0].kind, CloseInfo::Kind::local);
    EXPECT_LE(world.sent - before, 8u);
    EXPECT_EQ(world.next_event(), kNever) << "nothing is kept";
}

TEST(QuicClose, DuringTheHandshakeReachesTheServer) {
    World world;
    world.start();
    Recorder client;
    world.connect(client);
    client.connection->close(5, "changed my mind");
    ASSERT_TRUE(world.run_until([&] { return client.is_closed(); }));
    EXPECT_EQ(client.closes[0].kind, CloseInfo::Kind::local);
    ASSERT_TRUE(
        world.run_until([&] { return !world.host.recorders.empty() && world.host.last().is_closed(); }));
    EXPECT_EQ(world.host.last().closes[0].kind, CloseInfo::Kind::peer_transport);
}

TEST(QuicClose, BeforeTheFirstFlushSaysNothing) {
    World world;
    world.start();
    Recorder client;
    Connection* connection = world.client->connect(world.client_path(0), client, world.now).value();
    connection->close(5, "never mind");
    world.flush();
    EXPECT_EQ(client.closes.size(), 1u);
    EXPECT_EQ(world.sent, 0u);
}

TEST(QuicClose, HappensAfterTheIdleTimeout) {
    World world;
    world.client_config.idle_timeout = world.server_config.idle_timeout = 20s;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    world.run(15s);
    EXPECT_FALSE(client.is_closed());
    world.run(30s);
    ASSERT_TRUE(client.is_closed() && server.is_closed());
    EXPECT_EQ(client.closes[0].kind, CloseInfo::Kind::idle);
    EXPECT_EQ(server.closes[0].kind, CloseInfo::Kind::idle);
}

TEST(QuicClose, LeavesAnIdleConnectionAloneForAnHourAtMost) {
    World world;
    world.start();
    Recorder client;
    world.connected(client);
    world.run(59min);
    EXPECT_FALSE(client.is_closed());
    const std::size_t sent = world.sent;
    EXPECT_LT(sent, 40u) << "QUIC itself keeps nothing alive";
}

TEST(QuicClose, EverythingIsIgnoredAfterwards) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    const StreamId id = client.connection->open_stream(Direction::bidirectional).value();
    client.connection->close(0, "");
    world.run(100ms);
    client.connection->write(id, slice("x"));
    client.connection->finish(id);
    client.connection->reset(id, 1);
    client.connection->stop_sending(id, 1);
    client.connection->consume(id, 10);
    EXPECT_FALSE(client.connection->send_datagram(slice("x")));
    EXPECT_FALSE(client.connection->open_stream(Direction::bidirectional));
    EXPECT_FALSE(world.migrate(client, 1));
    EXPECT_TRUE(client.connection->export_key("label", {}, 16).empty());
    EXPECT_GT(client.connection->stats().packets_sent, 0u);
    EXPECT_NE(client.connection->peer(), nullptr);
    world.run(100ms);
    EXPECT_EQ(client.closes.size(), 1u);
    EXPECT_EQ(server.closes.size(), 1u);
}

TEST(QuicClose, NoEventFollowsTheOrderToClose) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    int chunks = 0;
    server.when_data = [&](StreamId, ByteView, bool) {
        ++chunks;
        server.connection->close(1, "enough");
    };
    const StreamId id = client.connection->open_stream(Direction::bidirectional).value();
    client.connection->write(id, slice(pattern(100'000)));
    ASSERT_TRUE(world.run_until([&] { return server.is_closed() && client.is_closed(); }));
    EXPECT_EQ(chunks, 1);
}

// Forgets the connection from within the n-th event, whichever that is: nothing may be touched afterwards.
TEST(QuicForget, IsSafeWithinEveryEvent) {
    for (const bool in_server : {false, true}) {
        for (int at = 0;; ++at) {
            World world;
            world.start();
            Recorder client;
            Recorder* server = nullptr;
            int events = 0;
            bool done = false;
            const auto arm = [&](Recorder& recorder, Endpoint& endpoint) {
                const auto maybe = [&] {
                    if (events++ != at || done) return;
                    done = true;
                    Connection& victim = *std::exchange(recorder.connection, nullptr);
                    endpoint.forget(victim);
                    endpoint.forget(victim);  // twice does no harm within one event
                };
                recorder.when_established = recorder.when_available = recorder.when_datagram =
                    recorder.when_closed = maybe;
                recorder.when_data = [maybe](StreamId, ByteView, bool) { maybe(); };
                recorder.when_stream_closed = recorder.when_writable = [maybe](StreamId) { maybe(); };
            };
            world.host.prepare = [&](Recorder& recorder) {
                server = &recorder;
                if (in_server) arm(recorder, *world.server);
            };
            if (!in_server) arm(client, *world.client);
            world.connect(client);
            const auto talk = [&](Recorder& recorder) {
                if (recorder.connection == nullptr) return;
                recorder.connection->send_datagram(slice("datagram"));
                const auto id = recorder.connection->open_stream(Direction::unidirectional);
                if (!id) return;
                recorder.connection->write(*id, slice(pattern(100'000)));
                recorder.connection->finish(*id);
            };
            world.run(50ms);
            talk(client);
            if (server != nullptr) talk(*server);
            world.run(500ms);
            if (client.connection != nullptr) client.connection->close(0, "");
            world.run(100ms);
            if (!done) {
                EXPECT_GE(at, 5);
                break;
            }
            EXPECT_EQ((in_server ? world.server : world.client)->connections(), 0u) << at;
        }
    }
}

TEST(QuicForget, BeforeTheEndSendsNothingAndTellsNobody) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    world.run(100ms);
    const std::size_t before = world.sent;
    world.server->forget(*server.connection);
    world.flush();
    EXPECT_EQ(world.sent, before);
    EXPECT_TRUE(server.closes.empty());
    EXPECT_EQ(world.server->connections(), 0u);
    // The client learns of it as soon as it says something: a stateless reset.
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->write(id, slice(pattern(100)));
    ASSERT_TRUE(world.run_until([&] { return client.is_closed(); }));
    EXPECT_EQ(client.closes[0].kind, CloseInfo::Kind::reset);
}

TEST(QuicReset, TellsClientsOfARestartedServer) {
    World world;
    world.start();
    Recorder client;
    world.connected(client);
    world.run(1s);
    world.restart_server();
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->write(id, slice("are you there?"));
    const TimePoint start = world.now;
    ASSERT_TRUE(world.run_until([&] { return client.is_closed(); }));
    EXPECT_EQ(client.closes[0].kind, CloseInfo::Kind::reset);
    EXPECT_LE(world.now - start, 2ms) << "one round trip";
}

TEST(QuicReset, IsNotBelievedFromAnotherKey) {
    World world;
    world.start();
    Recorder client;
    world.connected(client);
    world.run(1s);
    world.server_config = Config{key_of(3)};
    world.restart_server();
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->write(id, slice("are you there?"));
    world.run(5s);
    EXPECT_FALSE(client.is_closed());
}

// Whoever sees a connection id on the wire could have its reset said by another coordinator of the device.
TEST(QuicReset, IsNotSaidByAnotherEndpointOfTheSameKey) {
    World world;
    world.server_config.reset_scope = to_bytes(as_bytes("stage"));
    world.start();
    Recorder client;
    world.connected(client);
    world.run(1s);
    world.server_config.reset_scope = to_bytes(as_bytes("orchestra"));
    world.restart_server();
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->write(id, slice("are you there?"));
    world.run(5s);
    EXPECT_FALSE(client.is_closed());
    world.server_config.reset_scope = to_bytes(as_bytes("stage"));
    world.restart_server();
    client.connection->write(id, slice("are you there?"));
    EXPECT_TRUE(world.run_until([&] { return client.is_closed(); })) << "the same one after a restart";
}

TEST(QuicReset, IsRationed) {
    World world;
    world.start();
    Bytes packet(100, std::byte{0x55});
    for (int i = 0; i < 10'000; ++i) {
        packet[1] = static_cast<std::byte>(i);
        packet[2] = static_cast<std::byte>(i >> 8);
        world.server->on_datagram(World::server_path(0), packet, 0, world.now);
        if (i % 100 == 0) world.flush();
    }
    world.flush();
    EXPECT_LE(world.sent_by_server, 1024u);
    EXPECT_GE(world.sent_by_server, 1000u) << "the members of a coordinator that was started anew";
    EXPECT_LT(world.largest, 100u) << "smaller than what it answers";
}

TEST(QuicGarbage, DisturbsNobody) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    SeededRandomness noise{5};
    for (int i = 0; i < 20'000; ++i) {
        Bytes packet(uniform(noise, 1500));
        noise.fill(packet);
        world.server->on_datagram(World::server_path(i % 2 == 0 ? 0 : 1), packet,
                                  static_cast<std::uint8_t>(i & 3), world.now);
        world.client->on_datagram(PathId{1}, packet, 0, world.now);
        if (i % 100 == 0) world.flush();
    }
    EXPECT_EQ(world.server->connections(), 1u);
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->write(id, slice("still here"));
    client.connection->finish(id);
    ASSERT_TRUE(world.run_until([&] { return server.finished[id]; }));
}

TEST(QuicGarbage, ThatLooksLikeAFirstPacketFoundsNothing) {
    World world;
    world.start();
    SeededRandomness noise{6};
    for (int i = 0; i < 1000; ++i) {
        Bytes packet(1200);
        noise.fill(packet);
        packet[0] = std::byte{0xc3};
        packet[1] = packet[2] = packet[3] = std::byte{0};
        packet[4] = std::byte{1};
        packet[5] = packet[14] = std::byte{8};
        packet[23] = std::byte{0};
        packet[24] = std::byte{0x44};
        packet[25] = std::byte{0x96};
        world.server->on_datagram(World::server_path(0), packet, 0, world.now);
        world.flush();
    }
    EXPECT_EQ(world.server->connections(), 0u);
    EXPECT_EQ(world.host.incoming, 0);
}

}  // namespace
}  // namespace muster::quic::test
