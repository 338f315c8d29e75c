#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quic/test_world.h"
#include "quic/waiting_room.h"

namespace muster::quic::test {
namespace {

using testing::HasSubstr;

/// Clients of many addresses; some of them only begin.
class Flood : public testing::Test {
protected:
    Flood() {
        world.links.resize(40);
        world.server_config.retry_above = 0;
    }

    /// So many clients that prove their address and then never hear the server again, each by its own fault.
    void flood(std::size_t link, int count) {
        silent.insert(World::server_path(link));
        for (int i = 0; i < count; ++i) begin(link);
        world.run(5ms);
    }
    Recorder& begin(std::size_t link) {
        clients.push_back(std::make_unique<Recorder>());
        world.connect(*clients.back(), link);
        return *clients.back();
    }
    void start() {
        world.swallow_on_path = [this](End from, PathId path, ByteView packet) {
            return from == End::server && packet.size() >= 1000 && silent.contains(path);
        };
        world.start();
    }
    int established() const {
        return static_cast<int>(
            std::ranges::count_if(clients, [](const auto& client) { return client->established > 0; }));
    }
    /// Handshakes that the server has begun and not ended.
    int half_open() const {
        return static_cast<int>(std::ranges::count_if(world.host.recorders, [](const auto& server) {
            return server->established == 0 && !server->is_closed();
        }));
    }

    World world;
    std::set<PathId> silent;
    std::vector<std::unique_ptr<Recorder>> clients;
};

TEST_F(Flood, TakesNoMoreThanItsPlaces) {
    world.server_config.max_half_open = 40;
    world.server_config.max_half_open_per_source = 8;
    start();
    flood(1, 30);
    EXPECT_EQ(half_open(), 8) << "one address";
    for (std::size_t link = 2; link < 12; ++link) flood(link, 30);
    EXPECT_EQ(half_open(), 40) << "all";
}

TEST_F(Flood, LetsAnotherAddressInAtOnce) {
    world.server_config.max_half_open = 40;
    world.server_config.max_half_open_per_source = 8;
    start();
    for (std::size_t link = 1; link < 12; ++link) flood(link, 30);
    for (std::size_t link = 20; link < 30; ++link) begin(link);
    world.run(10ms);
    EXPECT_EQ(established(), 10);
}

TEST_F(Flood, TakesThePlaceOfTheOldestOfTheSourceThatHasMost) {
    world.server_config.max_half_open = 5;
    start();
    flood(1, 1);
    flood(2, 3);
    flood(3, 1);
    Recorder& newcomer = begin(4);
    world.run(10ms);
    EXPECT_EQ(newcomer.established, 1);
    const auto& servers = world.host.recorders;
    for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(servers[i]->is_closed(), i == 1) << i;
    EXPECT_EQ(servers[1]->closes[0].kind, CloseInfo::Kind::handshake_failed);
    ASSERT_TRUE(clients[1]->is_closed()) << "it may come again";
    EXPECT_EQ(clients[1]->closes[0].kind, CloseInfo::Kind::peer_transport);
    EXPECT_EQ(clients[1]->closes[0].code, kConnectionRefused);
}

// A NAT, or a test bench: nobody is refused, and nobody waits for the repetition of a packet.
TEST_F(Flood, LetsACrowdBehindOneAddressInWithoutLosingTime) {
    world.server_config.max_half_open_per_source = 8;
    start();
    for (int i = 0; i < 250; ++i) begin(0);
    world.run_until([&] { return established() == 250; }, 70ms);
    EXPECT_EQ(established(), 250);
    for (const auto& client : clients) EXPECT_TRUE(client->closes.empty());
}

TEST_F(Flood, LetsACrowdInThatLosesPackets) {
    world.server_config.max_half_open_per_source = 8;
    world.links[0].loss = 0.05;
    start();
    for (int i = 0; i < 200; ++i) begin(0);
    world.run_until([&] { return established() == 200; }, 5s);
    EXPECT_EQ(established(), 200);
}

TEST_F(Flood, InTheNameOfSomebodyElseDoesNotKeepThemOut) {
    world.server_config.retry_above = 128;
    world.server_config.max_half_open_per_source = 8;
    start();
    for (int i = 0; i < 100; ++i) {  // first packets; who sent them never hears the answers
        Recorder forged;
        world.swallow = [&](End from, std::size_t, ByteView packet) {
            if (from == End::client) world.server->on_datagram(World::server_path(0), packet, 0, world.now);
            return true;
        };
        world.client->forget(world.connect(forged));
        world.flush();
    }
    world.swallow = nullptr;
    EXPECT_EQ(world.host.incoming, 16);
    for (int i = 0; i < 8; ++i) begin(0);
    world.run(10ms);
    EXPECT_EQ(established(), 8);
}

TEST_F(Flood, ShortensHandshakesOnlyWhileThereIsACrowd) {
    world.server_config.max_half_open = 8;
    start();
    flood(1, 2);
    flood(2, 2);
    world.run(4s);
    EXPECT_EQ(half_open(), 4) << "no more than half of the places";
    flood(3, 1);
    EXPECT_EQ(half_open(), 4) << "the oldest had its time";
    world.run(10s);
    EXPECT_EQ(half_open(), 0);
    EXPECT_EQ(world.server->next_wakeup(), kNever) << "nothing is kept";
}

// Honest devices on a machine that is busy with a thousand of them.
TEST_F(Flood, HurriesNobodyBecauseOthersOfItsAddressWait) {
    world.server_config.max_half_open_per_source = 8;
    start();
    flood(1, 30);
    world.run(4s);
    EXPECT_EQ(half_open(), 8);
    for (const auto& client : clients) EXPECT_FALSE(client->is_closed());
    silent.clear();
    world.run_until([&] { return established() == 30; }, 5s);
    EXPECT_EQ(established(), 30);
}

TEST_F(Flood, GivesThePlacesOfSilentClientsToThoseThatWait) {
    world.server_config.max_half_open_per_source = 8;
    start();
    flood(1, 8);
    world.host.addresses[World::server_path(2)] = world.host.address_of(World::server_path(1));
    world.run(5s);
    Recorder& honest = begin(2);
    world.run(4900ms);
    EXPECT_EQ(honest.established, 0);
    world.run(200ms);
    EXPECT_EQ(honest.established, 1);
}

TEST_F(Flood, TellsWhomItCannotEvenLetWait) {
    world.server_config.max_half_open_per_source = 4;
    start();
    for (int i = 0; i < 5; ++i) flood(1, 206);
    Recorder& late = begin(1);
    world.run(5ms);
    ASSERT_TRUE(late.is_closed());
    EXPECT_EQ(late.closes[0].code, kConnectionRefused);
    EXPECT_THAT(late.closes[0].reason, HasSubstr("too many"));
    EXPECT_EQ(half_open(), 4);
    Recorder& elsewhere = begin(2);
    world.run(10ms);
    EXPECT_EQ(elsewhere.established, 1);
}

Source source(std::string_view address, std::uint32_t interface = 0) {
    return source_of({*IpAddress::parse(address), 4711, InterfaceIndex{interface}});
}

TEST(QuicSource, IsWhatOneOwnerCanHave) {
    EXPECT_EQ(source("192.0.2.1", 1), source("192.0.2.1", 2)) << "an address";
    EXPECT_NE(source("192.0.2.1"), source("192.0.2.2"));
    EXPECT_EQ(source("2001:db8:0:1::1"), source("2001:db8:0:1:ffff::2")) << "a network of 64 bits";
    EXPECT_NE(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
    EXPECT_NE(source("fe80::1", 1), source("fe80::2", 1)) << "all links have one network";
    EXPECT_NE(source("fe80::1", 1), source("fe80::1", 2));
    EXPECT_NE(source("192.0.2.1"), source("c000:201::1"));
}

TEST(QuicWaitingRoom, HasLinesThatTakeTurns) {
    SeededRandomness random{1};
    WaitingRoom room{random};
    const auto add = [&](std::string_view from, int number) {
        const std::array<std::uint8_t, 8> id{static_cast<std::uint8_t>(number)};
        return room.add({PathId{static_cast<std::uint64_t>(number)}, Bytes(1200), 0,
                         Cid{id.data(), id.size()}, source(from)});
    };
    for (const int number : {1, 2, 3}) EXPECT_TRUE(add("192.0.2.1", number));
    EXPECT_TRUE(add("192.0.2.2", 4));
    std::vector<PathId> order;
    while (const auto guest = room.next([](const Source&) { return true; })) order.push_back(guest->path);
    EXPECT_EQ(order, (std::vector{PathId{1}, PathId{4}, PathId{2}, PathId{3}}));
    EXPECT_TRUE(room.is_empty());
    EXPECT_FALSE(room.has_line(source("192.0.2.1")));
}

TEST(QuicWaitingRoom, KnowsWhoRepeatsItself) {
    SeededRandomness random{1};
    WaitingRoom room{random};
    const Cid id = Cid::random(random, 16);
    EXPECT_FALSE(room.recognize(id, PathId{1}));
    room.add({PathId{1}, Bytes(1200), 0, id, source("192.0.2.1")});
    EXPECT_TRUE(room.recognize(id, PathId{2}));
    EXPECT_EQ(room.next([](const Source&) { return true; })->path, PathId{2}) << "where it is now";
    EXPECT_FALSE(room.recognize(id, PathId{1}));
}

TEST(QuicWaitingRoom, HasAShareForEachSource) {
    SeededRandomness random{1};
    WaitingRoom room{random};
    std::map<std::string_view, int> let_in;
    for (const std::string_view from : {"192.0.2.1", "192.0.2.2", "192.0.2.3"})
        for (int i = 0; i < 3000; ++i)
            let_in[from] += room.add({{}, Bytes(1), 0, Cid::random(random, 16), source(from)}) ? 1 : 0;
    EXPECT_EQ(let_in["192.0.2.1"], 1024);
    EXPECT_EQ(let_in["192.0.2.2"], 1024);
    EXPECT_EQ(let_in["192.0.2.3"], 0);
}

}  // namespace
}  // namespace muster::quic::test
