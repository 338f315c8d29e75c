#include <gtest/gtest.h>
#include <malloc.h>

#include "quic/test_world.h"

namespace muster::quic::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kMallocIsMeasurable = false;
#else
constexpr bool kMallocIsMeasurable = true;
#endif

std::size_t allocated() {
    const auto info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

// The budget of an idle member is 80 kB for everything; QUIC may have the larger part.
TEST(QuicMemory, AnIdleServerConnectionStaysWithinItsBudget) {
    constexpr std::size_t kConnections = 1000;
    constexpr std::size_t kBudget = 66'000;
    World world;
    world.start();
    std::vector<std::unique_ptr<Recorder>> clients;
    for (std::size_t i = 0; i < kConnections; ++i) {
        clients.push_back(std::make_unique<Recorder>());
        world.connect(*clients.back());
        world.run(3ms);
        const StreamId id = clients.back()->connection->open_stream(Direction::bidirectional).value();
        clients.back()->connection->write(id, slice("join"));
        world.host.last().connection->write(id, slice("welcome"));
        world.run(20ms);
    }
    world.run(5s);
    ASSERT_EQ(world.server->connections(), kConnections);
    const std::size_t both = allocated();
    world.client.reset();
    const std::size_t server_only = allocated();
    world.host.recorders.clear();
    const std::size_t without_recorders = allocated();
    world.server.reset();
    const std::size_t neither = allocated();
    const std::size_t per_server = (without_recorders - neither) / kConnections;
    const std::size_t per_client = (both - server_only) / kConnections;
    RecordProperty("octets_per_server_connection", static_cast<int>(per_server));
    RecordProperty("octets_per_client_connection", static_cast<int>(per_client));
    if (!kMallocIsMeasurable) GTEST_SKIP() << "a sanitizer's allocator counts differently";
    std::printf("octets per idle connection: server %zu, client %zu\n", per_server, per_client);
    EXPECT_LE(per_server, kBudget);
    EXPECT_LE(per_client, kBudget);
}

TEST(QuicMemory, TenThousandDeadlinesNeedNoScan) {
    World world;
    world.start();
    Recorder client;
    Recorder& server = world.connected(client);
    EXPECT_NE(world.server->next_wakeup(), kNever);
    world.run(2s);
    EXPECT_GE(world.server->next_wakeup() - world.now, 59min) << "an idle connection sleeps";
    EXPECT_TRUE(server.closes.empty());
}

}  // namespace
}  // namespace muster::quic::test
