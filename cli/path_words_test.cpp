#include "path_words.h"

#include <gtest/gtest.h>

namespace muster::cli {
namespace {

TEST(PathWords, ReadsPairsOfVerbAndInterface) {
    const auto wanted =
        read_preferences("prohibit wlan0  prefer eth* prefer kind:wired metered wwan0 require *");
    ASSERT_TRUE(wanted);
    EXPECT_EQ(wanted->prohibit, std::vector<std::string>{"wlan0"});
    EXPECT_EQ(wanted->prefer, (std::vector<std::string>{"eth*", "kind:wired"}));
    EXPECT_EQ(wanted->metered, std::vector<std::string>{"wwan0"});
    EXPECT_EQ(wanted->require, std::vector<std::string>{"*"});
}

TEST(PathWords, NothingIsNoPreference) { EXPECT_TRUE(read_preferences("")->is_empty()); }

TEST(PathWords, SaysWhatIsWrong) {
    for (const char* wrong : {"avoid eth0", "prohibit", "prefer kind:radio", "prohibit eth0 prefer"}) {
        const auto wanted = read_preferences(wrong);
        ASSERT_FALSE(wanted) << wrong;
        EXPECT_EQ(wanted.error().code(), Errc::bad_input);
        EXPECT_FALSE(wanted.error().cure().empty());
    }
}

}  // namespace
}  // namespace muster::cli
