#include "text.h"

#include <gtest/gtest.h>

#include "json_line.h"
#include "output.h"

namespace muster::cli {
namespace {

using namespace std::chrono_literals;

TEST(JsonString, EscapesQuotesControlsAndDirectionMarks) {
    EXPECT_EQ(json_string("a\"b\\c\n\x01\xc2\x85\xe2\x80\xae"), "\"a\\\"b\\\\c\\n\\u0001\\u0085\\u202e\"");
    EXPECT_EQ(json_string("\xff"), "\"\xef\xbf\xbd\"");
    EXPECT_EQ(json_string("ü🎭"), "\"ü🎭\"");
    EXPECT_EQ(harmless_json("{\"a\":\"\xe2\x80\x8f\xff\"}"), "{\"a\":\"\\u200f\xef\xbf\xbd\"}");
}

TEST(JsonLine, BuildsOneObject) {
    JsonLine inner;
    inner.text("k", "v");
    JsonLine line{"joined"};
    line.integer("n", 18446744073709551615ULL).ms("t", 1234567ns).flag("yes", true).object("o", inner);
    EXPECT_EQ(line.to_string(),
              R"({"event":"joined","n":18446744073709551615,"t":1.235,"yes":true,"o":{"k":"v"}})");
    EXPECT_EQ(JsonLine{}.to_string(), "{}");
}

TEST(Text, TellsDurationsAndSizesToPeople) {
    EXPECT_EQ(duration_text(350us), "0.35 ms");
    EXPECT_EQ(duration_text(5300us), "5.3 ms");
    EXPECT_EQ(duration_text(151ms), "151 ms");
    EXPECT_EQ(duration_text(4200ms), "4.2 s");
    EXPECT_EQ(duration_text(125s), "2:05 min");
    EXPECT_EQ(size_text(999), "999 B");
    EXPECT_EQ(size_text(50'000'000), "50.0 MB");
    EXPECT_EQ(size_text(999'999), "1.0 MB");
    EXPECT_EQ(size_text(2'000'000'000'000), "2.0 TB");
}

TEST(Text, KnowsTextFromOctets) {
    EXPECT_TRUE(is_text(as_bytes("grüß")));
    EXPECT_FALSE(is_text(as_bytes("\xff")));
    EXPECT_EQ(hex(as_bytes("\xff\x01")), "ff01");
}

TEST(Text, TakesWordsOffTheFront) {
    std::string rest = "explain  json left";
    EXPECT_EQ(take_word(rest), "explain");
    EXPECT_EQ(take_word(rest), "json");
    EXPECT_EQ(rest, "left");
    EXPECT_EQ(take_word(rest), "left");
    EXPECT_EQ(take_word(rest), "");
}

TEST(Table, AlignsColumnsByCharacters) {
    const auto lines = table_lines({{"NAME", "ID"}, {"ü", "1"}, {"stage-left", "2"}}, 0);
    const std::vector<std::string> wanted{"NAME        ID", "ü           1", "stage-left  2"};
    EXPECT_EQ(lines, wanted);
}

TEST(Table, CutsWhatDoesNotFit) {
    const auto lines = table_lines({{"abcdef", "gh"}}, 5);
    EXPECT_EQ(lines.front(), "abcd…");
    EXPECT_EQ(fitted("üüü", 2), "ü…");
    EXPECT_EQ(fitted("x", 0), "");
}

TEST(Wrapped, BreaksBetweenWordsAndKeepsParagraphs) {
    EXPECT_EQ(wrapped("one two three\n\nfour", 7), "one two\nthree\n\nfour");
    EXPECT_EQ(wrapped("averylongword x", 4), "averylongword\nx");
    EXPECT_EQ(wrapped("", 4), "");
}

TEST(Bar, IsFullAtOneAndNeverLeavesItsBrackets) {
    EXPECT_EQ(bar(0, 4), "[>   ]");
    EXPECT_EQ(bar(0.5, 4), "[==> ]");
    EXPECT_EQ(bar(1, 4), "[====]");
    EXPECT_EQ(bar(7, 4), "[====]");
    EXPECT_EQ(bar(-1, 4), "[>   ]");
}

TEST(Output, PaintsOnlyWithColours) {
    EXPECT_EQ(Output{Output::Face::terminal}.paint(Colour::red, "x"), "x");
    const Output colourful{Output::Face::terminal, true};
    EXPECT_EQ(colourful.paint(Colour::red, "x"), "\x1b[31mx\x1b[0m");
}

}  // namespace
}  // namespace muster::cli
