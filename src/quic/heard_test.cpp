// What proves that a peer lives: its newest packets, not their copies.
#include <gtest/gtest.h>

#include "quic/newest_packet.h"
#include "quic/test_world.h"

namespace muster::quic::test {
namespace {

/// The header of a 1-RTT packet with the last `size` octets of its number.
Bytes header(std::uint64_t number, std::size_t size) {
    Bytes octets(1 + 18, std::byte{0x5a});
    octets[0] = static_cast<std::byte>(0x40 | (size - 1));
    for (std::size_t i = size; i > 0; --i) octets.push_back(static_cast<std::byte>(number >> 8 * (i - 1)));
    return octets;
}

TEST(NewestPacket, TakesEachNumberOnceAndOnlyUpwards) {
    NewestPacket newest;
    EXPECT_TRUE(newest.take(header(0, 1)));
    EXPECT_FALSE(newest.take(header(0, 1)));
    EXPECT_TRUE(newest.take(header(1, 1)));
    EXPECT_TRUE(newest.take(header(9, 2)));
    EXPECT_FALSE(newest.take(header(8, 2))) << "late, but no newer proof than the one there was";
    EXPECT_FALSE(newest.take(header(9, 4)));
}

TEST(NewestPacket, CompletesNumbersOfEveryLength) {
    for (std::size_t size = 1; size <= 4; ++size) {
        NewestPacket newest;
        const std::uint64_t step = (std::uint64_t{1} << (8 * size - 1)) - 1;  // as far as one may skip
        std::uint64_t number = 0;
        for (int i = 0; i < 2000; ++i, number += step) {
            ASSERT_TRUE(newest.take(header(number, size))) << size << " octets, number " << number;
            ASSERT_FALSE(newest.take(header(number, size))) << size << " octets, number " << number;
            if (number > 0) ASSERT_FALSE(newest.take(header(number - 1, size)));
        }
    }
}

TEST(NewestPacket, LeavesHandshakePacketsAndStumpsAlone) {
    NewestPacket newest;
    Bytes handshake = header(5, 1);
    handshake[0] |= std::byte{0x80};
    EXPECT_FALSE(newest.take(handshake));
    EXPECT_FALSE(newest.take({}));
    EXPECT_FALSE(newest.take(ByteView{handshake}.first(1)));
    EXPECT_TRUE(newest.take(header(0, 1))) << "it has a number space of its own";
}

TEST(QuicHeard, AcknowledgementsAloneProveThatThePeerLives) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    world.run(100ms);
    const int before = client.heard;
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    for (int i = 0; i < 20; ++i) {
        client.connection->write(id, slice(pattern(50'000)));
        world.run(50ms);
    }
    EXPECT_EQ(server.octets, 1'000'000u);
    EXPECT_EQ(client.octets, 0u);
    EXPECT_GE(client.heard, before + 20);
    EXPECT_GT(server.heard, 500);
}

TEST(QuicHeard, WhatAnEavesdropperKeptProvesNothing) {
    World world;
    world.start();
    std::vector<std::pair<End, Bytes>> kept;
    world.swallow = [&](End from, std::size_t, ByteView packet) {
        kept.emplace_back(from, to_bytes(packet));
        return false;
    };
    Recorder client;
    Recorder& server = world.connected(client);
    const StreamId id = client.connection->open_stream(Direction::bidirectional).value();
    client.connection->write(id, slice(pattern(100'000)));
    world.run(5s);
    ASSERT_GT(kept.size(), 50u);
    const int client_before = client.heard, server_before = server.heard;
    EXPECT_GT(client_before, 0);
    const auto copies = std::exchange(kept, {});
    for (const auto& [from, packet] : copies)
        world.inject(from == End::client ? End::server : End::client, packet);
    EXPECT_EQ(client.heard, client_before);
    EXPECT_EQ(server.heard, server_before);
}

TEST(QuicHeard, EveryPacketOfALossyPathCountsAtMostOnce) {
    World world;
    world.links[0] = {.delay = 1ms, .jitter = 3ms, .loss = 0.1, .duplication = 0.2};
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    const StreamId id = client.connection->open_stream(Direction::unidirectional).value();
    client.connection->write(id, slice(pattern(500'000)));
    ASSERT_TRUE(world.run_until([&] { return server.octets == 500'000; }));
    EXPECT_GT(server.heard, 20);
    EXPECT_LE(static_cast<std::size_t>(server.heard), world.sent_by_client);
}

}  // namespace
}  // namespace muster::quic::test
