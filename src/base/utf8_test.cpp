#include "base/utf8.h"

#include <gtest/gtest.h>

namespace muster {
namespace {

constexpr std::string_view kReplaced = "\xef\xbf\xbd";

std::string times(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += kReplaced;
    return out;
}

TEST(ValidUtf8, KeepsWellFormedText) {
    for (const std::string_view text :
         {"", "plain", "caf\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\x7f", "\xed\x9f\xbf\xee\x80\x80",
          "\xf4\x8f\xbf\xbf", "\xe0\xa0\x80\xf0\x90\x80\x80"})
        EXPECT_EQ(to_valid_utf8(text), text);
    EXPECT_EQ(to_valid_utf8(std::string_view{"\0", 1}), std::string(1, '\0'));
}

TEST(ValidUtf8, ReplacesEachOctetThatIsNoText) {
    EXPECT_EQ(to_valid_utf8("a\xff\x80z"), "a" + times(2) + "z");
    EXPECT_EQ(to_valid_utf8("\xc0\xaf"), times(2)) << "overlong";
    EXPECT_EQ(to_valid_utf8("\xe0\x9f\xbf"), times(3)) << "overlong";
    EXPECT_EQ(to_valid_utf8("\xed\xa0\x80"), times(3)) << "surrogate";
    EXPECT_EQ(to_valid_utf8("\xf4\x90\x80\x80"), times(4)) << "above U+10FFFF";
    EXPECT_EQ(to_valid_utf8("\xf0\x9f\x98"), times(3)) << "cut off";
    EXPECT_EQ(to_valid_utf8("\xe2\x82\xe2\x82\xac"), times(2) + "\xe2\x82\xac")
        << "goes on after a broken one";
}

}  // namespace
}  // namespace muster
