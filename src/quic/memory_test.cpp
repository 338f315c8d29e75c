#include <fstream>

#include <gtest/gtest.h>

#include "quic/block_pool.h"
#include "quic/test_world.h"

namespace muster::quic::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kMemoryIsMeasurable = false;
#else
constexpr bool kMemoryIsMeasurable = true;
#endif

/// Memory that the kernel has given us. ngtcp2 reserves much that it never touches, so this is what counts.
std::size_t resident() {
    std::ifstream statm("/proc/self/statm");
    std::size_t total = 0, pages = 0;
    statm >> total >> pages;
    return pages * 4096;
}

// The budget of an idle member is 80 kB for everything. QUIC may have the larger part.
TEST(QuicMemory, AnIdleConnectionStaysWithinItsBudget) {
    constexpr std::size_t kConnections = 1000;
    constexpr std::size_t kBudget = 66'000;
    World world;
    world.start();
    std::vector<std::unique_ptr<Recorder>> clients;
    const auto join = [&] {
        clients.push_back(std::make_unique<Recorder>());
        world.connect(*clients.back());
        world.run(3ms);
        const StreamId id = clients.back()->connection->open_stream(Direction::bidirectional).value();
        clients.back()->connection->write(id, slice("join"));
        world.host.last().connection->write(id, slice("welcome"));
        world.run(20ms);
    };
    for (int i = 0; i < 50; ++i) join();
    const std::size_t before = resident();
    for (std::size_t i = 0; i < kConnections; ++i) join();
    world.run(5s);
    ASSERT_EQ(world.server->connections(), kConnections + 50);
    const std::size_t each = (resident() - before) / kConnections / 2;  // a client and a server
    RecordProperty("octets_per_connection", static_cast<int>(each));
    if (!kMemoryIsMeasurable) GTEST_SKIP() << "a sanitizer's allocator takes more";
    std::printf("octets per idle connection: %zu\n", each);
    EXPECT_LE(each, kBudget);
}

TEST(QuicMemory, GoesBackToTheSystemAfterAFlood) {
    constexpr std::size_t kBlocks = 4000;
    constexpr std::size_t kSize = 8000;
    BlockPool pool;
    std::vector<void*> blocks(kBlocks);
    const auto fill = [&] {
        for (void*& block : blocks) std::memset(block = pool.allocate(kSize), 1, kSize);
    };
    fill();
    const std::size_t peak = resident();
    for (void* block : blocks) pool.release(block);
    EXPECT_LE(resident() + kBlocks * kSize, peak + 2'000'000);
    fill();
    EXPECT_LE(resident(), peak + 1'000'000) << "the same pages again";
    for (void* block : blocks) pool.release(block);
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
