#include "discovery/event_board.h"

#include <gtest/gtest.h>

namespace muster::discovery {
namespace {

using Kind = ServiceEvent::Kind;

ServiceEvent event(Kind kind, std::string name, std::uint16_t port = 1) {
    ServiceEvent out;
    out.kind = kind;
    out.instance.name = std::move(name);
    out.instance.port = port;
    return out;
}

TEST(EventBoard, KeepsTheOrderOfDifferentServices) {
    EventBoard board;
    board.push(event(Kind::found, "a"));
    board.push(event(Kind::found, "b"));
    EXPECT_EQ(board.pop()->instance.name, "a");
    EXPECT_EQ(board.pop()->instance.name, "b");
    EXPECT_FALSE(board.pop());
}

TEST(EventBoard, FoldsWhatHappensToOneServiceBeforeItIsRead) {
    EventBoard board;
    board.push(event(Kind::found, "a", 1));
    board.push(event(Kind::updated, "a", 2));
    const auto found = board.pop();
    EXPECT_EQ(found->kind, Kind::found);
    EXPECT_EQ(found->instance.port, 2);
    EXPECT_TRUE(board.empty());

    board.push(event(Kind::updated, "a", 3));
    board.push(event(Kind::left, "a", 3));
    EXPECT_EQ(board.pop()->kind, Kind::left);

    board.push(event(Kind::found, "a"));
    board.push(event(Kind::left, "a"));
    EXPECT_TRUE(board.empty()) << "came and went unseen";
}

TEST(EventBoard, ALeaveThatIsTakenBackIsAnUpdateForWhoHasSeenTheService) {
    EventBoard board;
    board.push(event(Kind::left, "a", 1));
    board.push(event(Kind::found, "a", 2));
    const auto updated = board.pop();
    EXPECT_EQ(updated->kind, Kind::updated);
    EXPECT_EQ(updated->instance.port, 2);
}

TEST(EventBoard, StaysAsSmallAsTheNumberOfServices) {
    EventBoard board;
    for (int i = 0; i < 10000; ++i) board.push(event(Kind::updated, "a", static_cast<std::uint16_t>(i)));
    EXPECT_TRUE(board.pop());
    EXPECT_FALSE(board.pop());
}

}  // namespace
}  // namespace muster::discovery
