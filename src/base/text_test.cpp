#include "base/text.h"

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

struct Judged {
    std::string_view octets;
    std::optional<char32_t> code;
    bool plain;
};

// What every caller in the project thinks of a character: names, infos, reasons, file names, the terminal.
constexpr Judged kCharacters[] = {
    {{"\0", 1}, U'\0', false},
    {"\x1b", 0x1b, false},
    {"\x1f", 0x1f, false},
    {" ", U' ', true},
    {"~", U'~', true},
    {"\x7f", 0x7f, false},
    {"\xc2\x80", 0x80, false},
    {"\xc2\x9f", 0x9f, false},
    {"\xc2\xa0", 0xa0, true},
    {"\xd8\x9b", 0x61b, true},
    {"\xd8\x9c", 0x61c, false},
    {"\xe2\x80\x8d", 0x200d, true},  // joins the parts of an emoji
    {"\xe2\x80\x8e", 0x200e, false},
    {"\xe2\x80\x8f", 0x200f, false},
    {"\xe2\x80\x90", 0x2010, true},
    {"\xe2\x80\xa8", 0x2028, false},
    {"\xe2\x80\xa9", 0x2029, false},
    {"\xe2\x80\xaa", 0x202a, false},
    {"\xe2\x80\xae", 0x202e, false},
    {"\xe2\x80\xaf", 0x202f, true},
    {"\xe2\x81\xa5", 0x2065, true},
    {"\xe2\x81\xa6", 0x2066, false},
    {"\xe2\x81\xa9", 0x2069, false},
    {"\xe2\x81\xaa", 0x206a, true},
    {"\xe2\x82\xac", 0x20ac, true},
    {"\xed\x9f\xbf", 0xd7ff, true},
    {"\xee\x80\x80", 0xe000, true},
    {"\xf0\x90\x80\x80", 0x10000, true},
    {"\xf4\x8f\xbf\xbf", 0x10ffff, true},
    {"\x80", std::nullopt, false},
    {"\xff", std::nullopt, false},
};

TEST(Character, IsReadAndJudgedTheSameEverywhere) {
    for (const auto& [octets, code, plain] : kCharacters) {
        std::string text{octets};
        text += 'z';
        std::string_view rest = text;
        const Character first = take_character(rest);
        const std::string what = printable(octets);
        EXPECT_EQ(first.octets, octets) << what;
        EXPECT_EQ(first.code, code) << what;
        EXPECT_EQ(rest, "z") << what;
        EXPECT_EQ(code && is_plain(*code), plain) << what;
        EXPECT_EQ(is_plain_text(text), plain) << what;
        EXPECT_EQ(cleaned(text, 100), plain ? text : "?z") << what;
        EXPECT_EQ(printable(text) == text, plain) << what;
        EXPECT_TRUE(is_plain_text(printable(text))) << what;
    }
}

TEST(Character, OutOfBrokenUtf8IsOneOctet) {
    std::string_view text = "\xe2\x82z";
    EXPECT_EQ(take_character(text).octets, "\xe2");
    EXPECT_EQ(take_character(text).octets, "\x82");
    EXPECT_EQ(take_character(text).code, U'z');
    EXPECT_TRUE(text.empty());
}

TEST(Printable, LeavesTextOfAnyScriptAlone) {
    for (const char* text : {"", "stage left", "Bühne links", "ステージ", "🎭"})
        EXPECT_EQ(printable(text), text);
}

TEST(Printable, ShowsWhatCouldPaintTheTerminal) {
    EXPECT_EQ(printable("\x1b[2Jx\r\n\t\x7f"), "\\x1b[2Jx\\r\\n\\t\\x7f");
    EXPECT_EQ(printable("\xc2\x9b"), "\\x9b");  // CSI as one control character
    EXPECT_EQ(printable("a\xe2\x80\xae"
                        "b"),
              "a\\u202eb");  // right-to-left override
    EXPECT_EQ(printable("\xff"), kReplaced);
}

TEST(Cleaned, ReplacesWhatIsNotPlainAndStopsAtTheLimit) {
    EXPECT_EQ(cleaned("a\x1b[2Jb\nc\xff", 100), "a?[2Jb?c?");
    EXPECT_EQ(cleaned("\xc3\xa4\xc3\xa4", 3), "\xc3\xa4");
    EXPECT_EQ(cleaned("abc", 2), "ab");
}

TEST(Shortened, NeverCutsACharacter) {
    EXPECT_EQ(shortened("abc", 3), "abc");
    EXPECT_EQ(shortened("abc", 2), "ab");
    EXPECT_EQ(shortened("\xe2\x82\xac\xe2\x82\xac", 5), "\xe2\x82\xac");
    EXPECT_EQ(shortened("\xe2\x82\xac", 2), "");
    EXPECT_EQ(shortened("abc", 0), "");
}

}  // namespace
}  // namespace muster
