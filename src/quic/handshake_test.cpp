#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quic/test_world.h"

namespace muster::quic::test {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kAccessDenied = 0x100 + 49;  // RFC 9001 section 4.8: TLS alert 49
constexpr std::uint64_t kNoAlpn = 0x100 + 120;

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

TEST(QuicHandshake, TakesOneRoundTripAndAHalf) {
    World world;
    world.links[0].delay = 10ms;
    world.start();
    Recorder client;
    const TimePoint start = world.now;
    world.connect(client);
    ASSERT_TRUE(world.run_until([&] { return client.established == 1; }));
    EXPECT_EQ(world.now - start, 20ms);
    ASSERT_TRUE(world.run_until([&] { return world.host.last().established == 1; }));
    EXPECT_EQ(world.now - start, 30ms);
}

TEST(QuicHandshake, WorksBetweenTwoEndpointsOfOneKey) {
    World world;
    world.server_config = Config{key_of(1)};
    world.start();
    Recorder client;
    EXPECT_EQ(world.connected(client).admitted, client.admitted);
}

TEST(QuicHandshake, ClientRefusesAWrongServer) {
    World world;
    world.start();
    Recorder client;
    client.admits = false;
    world.connect(client);
    ASSERT_TRUE(world.run_until([&] {
        return client.is_closed() && !world.host.recorders.empty() && world.host.last().is_closed();
    }));
    EXPECT_EQ(client.established, 0);
    EXPECT_EQ(client.closes[0].kind, CloseInfo::Kind::refused_identity);
    EXPECT_EQ(client.closes[0].code, kAccessDenied);
    EXPECT_THAT(client.closes[0].reason, HasSubstr(key_of(2).id().to_string()));
    const Recorder& server = world.host.last();
    EXPECT_EQ(server.established, 0);
    EXPECT_EQ(server.closes[0].kind, CloseInfo::Kind::peer_transport);
    EXPECT_EQ(server.closes[0].code, kAccessDenied);
    EXPECT_THAT(server.closes[0].reason, HasSubstr("identity refused"));
}

TEST(QuicHandshake, ServerRefusesAWrongClient) {
    World world;
    world.host.admits = false;
    world.start();
    Recorder client;
    world.connect(client);
    ASSERT_TRUE(world.run_until([&] { return client.is_closed(); }));
    EXPECT_EQ(client.closes[0].kind, CloseInfo::Kind::peer_transport);
    EXPECT_EQ(client.closes[0].code, kAccessDenied);
    EXPECT_THAT(client.closes[0].reason, HasSubstr("identity refused"));
    const Recorder& server = world.host.last();
    EXPECT_EQ(server.established, 0);
    ASSERT_EQ(server.closes.size(), 1u);
    EXPECT_EQ(server.closes[0].kind, CloseInfo::Kind::refused_identity);
    EXPECT_EQ(server.admitted, key_of(1).id());
}

TEST(QuicHandshake, FailsWithoutACommonApplicationProtocol) {
    World world;
    world.client_config.alpn = "something/else";
    world.start();
    Recorder client;
    world.connect(client);
    ASSERT_TRUE(world.run_until([&] { return client.is_closed(); }));
    EXPECT_EQ(client.closes[0].kind, CloseInfo::Kind::peer_transport);
    EXPECT_EQ(client.closes[0].code, kNoAlpn);
    ASSERT_EQ(world.host.incoming, 0) << "the application is not bothered with what TLS refused";
    EXPECT_EQ(client.established, 0);
}

TEST(QuicHandshake, GivesUpOnSilenceAfterTheTimeout) {
    World world;
    world.links[0].dead = true;
    world.start();
    Recorder client;
    const TimePoint start = world.now;
    world.connect(client);
    ASSERT_TRUE(world.run_until([&] { return client.is_closed(); }, 60s));
    EXPECT_EQ(world.now - start, 10s);
    EXPECT_EQ(client.closes[0].kind, CloseInfo::Kind::handshake_failed);
    EXPECT_THAT(client.closes[0].reason, HasSubstr("timed out"));
}

TEST(QuicHandshake, ServerForgetsAClientThatFallsSilentInBetween) {
    World world;
    world.start();
    Recorder client;
    world.swallow = [](End from, std::size_t number, ByteView) { return from == End::client && number > 0; };
    world.connect(client);
    ASSERT_TRUE(
        world.run_until([&] { return !world.host.recorders.empty() && world.host.last().is_closed(); }, 60s));
    EXPECT_EQ(world.host.last().closes[0].kind, CloseInfo::Kind::handshake_failed);
    EXPECT_LE(world.sent_by_server, 12u) << "three times what the client sent, until its address is proven";
}

TEST(QuicHandshake, ExportsTheSameKeyOnBothSides) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    const Bytes key = client.connection->export_key("EXPORTER-muster-test", as_bytes("context"), 32);
    ASSERT_EQ(key.size(), 32u);
    EXPECT_EQ(key, server.connection->export_key("EXPORTER-muster-test", as_bytes("context"), 32));
    EXPECT_NE(key, server.connection->export_key("EXPORTER-muster-test", as_bytes("other"), 32));
    EXPECT_NE(key, server.connection->export_key("EXPORTER-muster-else", as_bytes("context"), 32));
}

// As GnuTLS's own exporter has it (gnutls_prf_rfc5705 gave the same octets before TLS is let go of).
TEST(QuicHandshake, ExportsAsManyOctetsAsAskedFor) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    for (const std::size_t size : {1u, 20u, 32u, 48u, 64u, 200u}) {
        const Bytes key = client.connection->export_key("EXPORTER-muster-test", {}, size);
        EXPECT_EQ(key.size(), size);
        EXPECT_EQ(key, server.connection->export_key("EXPORTER-muster-test", {}, size));
    }
}

TEST(QuicHandshake, ExportsNothingBeforeItIsDone) {
    World world;
    world.start();
    Recorder client;
    Connection& connection = world.connect(client);
    EXPECT_TRUE(connection.export_key("label", {}, 32).empty());
    EXPECT_EQ(connection.peer(), nullptr);
    EXPECT_FALSE(connection.open_stream(Direction::bidirectional));
    EXPECT_FALSE(connection.send_datagram(slice("too early")));
    EXPECT_EQ(connection.stats().max_datagram, 0u);
}

struct Outcome {
    bool complete = false;
    std::size_t packets = 0;
};

Outcome shake_hands_and_talk(const std::function<bool(std::size_t)>& is_lost) {
    World world;
    world.start();
    world.swallow = [&](End, std::size_t number, ByteView) { return is_lost(number); };
    Recorder client;
    client.when_established = [&] {
        const StreamId id = client.connection->open_stream(Direction::bidirectional).value();
        client.connection->write(id, slice("hello"));
        client.connection->finish(id);
    };
    world.host.prepare = [](Recorder& server) {
        server.when_data = [&server](StreamId id, ByteView, bool fin) {
            if (!fin) return;
            server.connection->write(id, slice("good day"));
            server.connection->finish(id);
        };
    };
    world.connect(client);
    Outcome outcome;
    outcome.complete = world.run_until([&] { return client.closed_streams == 1; }, 9s);
    outcome.complete = outcome.complete && client.received[0] == "good day" && client.closes.empty();
    outcome.packets = world.sent;
    return outcome;
}

TEST(QuicHandshake, SurvivesTheLossOfAnyOnePacket) {
    const std::size_t packets = shake_hands_and_talk([](std::size_t) { return false; }).packets;
    ASSERT_GE(packets, 5u);
    for (std::size_t lost = 0; lost < packets + 2; ++lost)
        EXPECT_TRUE(shake_hands_and_talk([&](std::size_t number) { return number == lost; }).complete)
            << "packet " << lost;
}

TEST(QuicHandshake, SurvivesTheLossOfAnyTwoPackets) {
    const std::size_t packets = shake_hands_and_talk([](std::size_t) { return false; }).packets;
    for (std::size_t first = 0; first < packets + 2; ++first) {
        for (std::size_t second = first + 1; second < packets + 3; ++second) {
            const auto is_lost = [&](std::size_t number) { return number == first || number == second; };
            EXPECT_TRUE(shake_hands_and_talk(is_lost).complete) << "packets " << first << " and " << second;
        }
    }
}

TEST(QuicHandshake, SurvivesAnyOneDamagedPacket) {
    const std::size_t packets = shake_hands_and_talk([](std::size_t) { return false; }).packets;
    for (std::size_t damaged = 0; damaged < packets; ++damaged) {
        World world;
        world.start();
        world.swallow = [&](End from, std::size_t number, ByteView packet) {
            if (number != damaged) return false;
            Bytes copy = to_bytes(packet);
            copy[copy.size() / 2] ^= std::byte{0x10};
            if (from == End::client) world.server->on_datagram(World::server_path(0), copy, 0, world.now);
            return true;
        };
        Recorder client;
        world.connect(client);
        EXPECT_TRUE(world.run_until([&] { return client.established == 1; }, 9s)) << "packet " << damaged;
    }
}

TEST(QuicHandshake, IsRefusedWhereNobodyAccepts) {
    World world;
    world.start();
    world.server = Endpoint::create(world.server_config, world.random, nullptr);
    Recorder client;
    world.connect(client);
    ASSERT_TRUE(world.run_until([&] { return client.is_closed(); }));
    EXPECT_EQ(client.closes[0].kind, CloseInfo::Kind::peer_transport);
    EXPECT_EQ(client.closes[0].code, kConnectionRefused);
    EXPECT_THAT(client.closes[0].reason, HasSubstr("accepts no connections"));
    EXPECT_EQ(world.server->connections(), 0u);
}

TEST(QuicHandshake, IsRefusedWhenTheAcceptorHasNoHandler) {
    World world;
    world.host.accepts = false;
    world.start();
    Recorder client;
    world.connect(client);
    ASSERT_TRUE(world.run_until([&] { return client.is_closed(); }));
    EXPECT_EQ(client.closes[0].code, kConnectionRefused);
    EXPECT_EQ(world.host.incoming, 1);
    EXPECT_EQ(world.server->connections(), 0u) << "nobody else would free it";
}

TEST(QuicHandshake, IsRefusedAboveTheLimitOfConnections) {
    World world;
    world.server_config.max_connections = 2;
    world.start();
    Recorder first, second, third;
    world.connected(first);
    world.connect(second);
    ASSERT_TRUE(world.run_until([&] { return second.established == 1; }));
    world.connect(third);
    ASSERT_TRUE(world.run_until([&] { return third.is_closed(); }));
    EXPECT_EQ(third.closes[0].code, kConnectionRefused);
    EXPECT_THAT(third.closes[0].reason, HasSubstr("too many"));
    EXPECT_EQ(world.server->connections(), 2u);
    world.server->forget(*world.host.last().connection);
    Recorder fourth;
    world.connect(fourth);
    EXPECT_TRUE(world.run_until([&] { return fourth.established == 1; }));
}

TEST(QuicHandshake, DemandsProofOfAddressWhenTooManyAreHalfOpen) {
    World world;
    world.server_config.retry_above = 4;
    world.start();
    world.links[1].dead = true;  // clients that never answer the server: their second packets are lost
    std::vector<std::unique_ptr<Recorder>> floods;
    world.swallow = [&](End from, std::size_t, ByteView packet) {
        return from == End::server && packet.size() >= 1000 && floods.size() < 100;
    };
    for (int i = 0; i < 50; ++i) {
        floods.push_back(std::make_unique<Recorder>());
        world.connect(*floods.back());
    }
    world.run(2ms);
    EXPECT_EQ(world.host.incoming, 4);
    EXPECT_EQ(world.server->connections(), 4u);
    // Those that did get a Retry prove their address with their next packet, and then are let in.
    ASSERT_TRUE(world.run_until([&] { return world.host.incoming == 50; }));
    floods.resize(50);
    world.swallow = nullptr;
    EXPECT_TRUE(world.run_until([&] {
        int established = 0;
        for (const auto& flood : floods) established += flood->established;
        return established == 50;
    }));
}

TEST(QuicHandshake, LetsHonestClientsInDuringAFlood) {
    World world;
    world.server_config.retry_above = 4;
    world.links[1].dead = true;
    world.start();
    std::vector<std::unique_ptr<Recorder>> flood;
    for (int i = 0; i < 500; ++i) {  // of first packets; who sent them never answers
        flood.push_back(std::make_unique<Recorder>());
        const auto take = [&](End from, std::size_t, ByteView packet) {
            if (from == End::client) world.server->on_datagram(World::server_path(1), packet, 0, world.now);
            return from == End::client;
        };
        world.swallow = take;
        Connection& sender = world.connect(*flood.back());
        world.client->forget(sender);
        world.swallow = nullptr;
        world.flush();
    }
    EXPECT_EQ(world.server->connections(), 4u);
    Recorder honest;
    world.connect(honest);
    EXPECT_TRUE(world.run_until([&] { return honest.established == 1; }, 20ms));
}

TEST(QuicHandshake, ForgesNoTokenForAnotherPath) {
    World world;
    world.server_config.retry_above = 0;
    world.start();
    Recorder client;
    Bytes with_token;
    world.swallow = [&](End from, std::size_t number, ByteView packet) {
        if (from == End::client && number == 2) with_token = to_bytes(packet);
        return false;
    };
    world.connect(client);
    ASSERT_TRUE(world.run_until([&] { return client.established == 1; }))
        << "a Retry costs a round trip only";
    ASSERT_FALSE(with_token.empty());
    const int before = world.host.incoming;
    world.restart_server();
    world.server->on_datagram(World::server_path(1), with_token, 0, world.now);
    EXPECT_EQ(world.host.incoming, before);
}

// The numbers of paths that nobody uses are taken away by whoever sends a packet: a Retry outlives that.
TEST(QuicHandshake, ProvesTheAddressAndNotTheNumberOfThePath) {
    World world;
    world.server_config.retry_above = 0;
    world.links.resize(3);
    world.start();
    world.host.addresses[World::server_path(2)] = world.host.address_of(World::server_path(0));
    Recorder client;
    world.swallow = [&](End from, std::size_t number, ByteView packet) {
        if (from != End::client || number != 2) return false;
        world.server->on_datagram(World::server_path(2), packet, 0, world.now);
        return true;
    };
    world.connect(client);
    world.run_until([&] { return world.host.incoming == 1; }, 20ms);
    EXPECT_EQ(world.host.incoming, 1);
}

TEST(QuicHandshake, TellsAClientWhoseProofIsWorthlessAtOnce) {
    World world;
    world.server_config.retry_above = 0;
    world.start();
    Recorder client;
    world.swallow = [&](End from, std::size_t number, ByteView) {
        if (from == End::client && number == 2) world.restart_server();  // which forgets its secret
        return false;
    };
    world.connect(client);
    ASSERT_TRUE(world.run_until([&] { return client.is_closed(); }, 1s));
    EXPECT_EQ(client.closes[0].kind, CloseInfo::Kind::peer_transport);
    EXPECT_EQ(client.closes[0].code, kInvalidToken);
}

TEST(QuicHandshake, AnswersNobodyOnAPathThatIsForgotten) {
    World world;
    world.start();
    world.host.addresses[World::server_path(0)] = std::nullopt;
    Recorder client;
    world.connect(client);
    world.run(1s);
    EXPECT_EQ(world.host.incoming, 0);
    EXPECT_EQ(world.sent_by_server, 0u);
}

TEST(QuicHandshake, AnswersUnknownVersionsWithItsOwn) {
    World world;
    world.start();
    Bytes packet(1200);
    packet[0] = std::byte{0xc0};
    packet[1] = packet[2] = packet[3] = packet[4] = std::byte{0x1a};
    packet[5] = std::byte{8};
    packet[14] = std::byte{8};
    world.server->on_datagram(World::server_path(0), packet, 0, world.now);
    world.flush();
    EXPECT_EQ(world.sent_by_server, 1u);
    EXPECT_LT(world.largest, 64u);
    packet.resize(1199);  // too short to be a client's first: an answer would amplify
    world.server->on_datagram(World::server_path(0), packet, 0, world.now);
    world.flush();
    EXPECT_EQ(world.sent_by_server, 1u);
}

}  // namespace
}  // namespace muster::quic::test
