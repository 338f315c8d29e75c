#include "inbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::cli {
namespace {

using testing::HasSubstr;
using testing::Optional;

constexpr DiskSpace kDisk{.size = 1'000'000, .free = 500'000};

InboxOptions options(std::uint64_t octets, std::uint64_t files) {
    InboxOptions made;
    made.directory = "in";
    made.octets = octets;
    made.files = files;
    return made;
}

TEST(Inbox, WithoutADirectoryTakesNothing) {
    EXPECT_THAT(Inbox{InboxOptions{}}.refusal(0, kDisk), Optional(HasSubstr("takes no files")));
}

TEST(Inbox, KeepsFivePercentOfTheDiskFree) {
    Inbox inbox{options(~0ull, 10)};
    EXPECT_EQ(inbox.refusal(450'000, kDisk), std::nullopt);
    EXPECT_THAT(inbox.refusal(450'001, kDisk), Optional(HasSubstr("450.0 kB")));
    inbox.begin(400'000);
    EXPECT_THAT(inbox.refusal(50'001, kDisk), Optional(HasSubstr("5 %"))) << "what is under way counts";
    inbox.end(400'000, true);
    EXPECT_EQ(inbox.refusal(50'001, kDisk), std::nullopt) << "it is on the disk now";
    EXPECT_THAT(inbox.refusal(1, DiskSpace{1'000'000, 10'000}), Optional(HasSubstr("0 B")));
    EXPECT_EQ(inbox.refusal(1, std::nullopt), std::nullopt) << "the storage itself says when it is full";
}

TEST(Inbox, TakesNoMoreThanItsLimits) {
    Inbox inbox{options(1000, 3)};
    EXPECT_EQ(inbox.refusal(1000, kDisk), std::nullopt);
    EXPECT_THAT(inbox.refusal(1001, kDisk), Optional(HasSubstr("1.0 kB more")));
    inbox.begin(600);
    EXPECT_THAT(inbox.refusal(401, kDisk), Optional(HasSubstr("400 B more")));
    inbox.end(600, false);
    EXPECT_EQ(inbox.refusal(1000, kDisk), std::nullopt) << "what failed was not kept";
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(inbox.refusal(0, kDisk), std::nullopt);
        inbox.begin(0);
        inbox.end(0, true);
    }
    EXPECT_THAT(inbox.refusal(0, kDisk), Optional(HasSubstr("as many files"))) << "empty ones count too";
}

}  // namespace
}  // namespace muster::cli
