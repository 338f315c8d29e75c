#include "config.h"

#include <gtest/gtest.h>

namespace muster::cli {
namespace {

std::string complaint(std::string_view text) {
    const auto entries = parse_config(text);
    return entries ? "no complaint" : entries.error().message();
}

TEST(Config, ReadsSectionsTextsListsAndComments) {
    const auto entries = parse_config(
        "# top\n"
        "home = /var/lib/muster  # where\n"
        "\n"
        "[host]\n"
        "name = \"a \\\"b\\\" # no comment\\n\"\r\n"
        "info = ['k=v', \"x\\ty\", bare,]\n"
        "until-eof=true");
    ASSERT_TRUE(entries);
    const std::vector<ConfigEntry> wanted{{"", "home", {"/var/lib/muster"}, 2},
                                          {"host", "name", {"a \"b\" # no comment\n"}, 5},
                                          {"host", "info", {"k=v", "x\ty", "bare"}, 6},
                                          {"host", "until-eof", {"true"}, 7}};
    EXPECT_EQ(*entries, wanted);
}

TEST(Config, EmptyTextsAndListsAreValues) {
    const auto entries = parse_config("a = \"\"\nb = []\n");
    ASSERT_TRUE(entries);
    EXPECT_EQ((*entries)[0].values, std::vector<std::string>{""});
    EXPECT_TRUE((*entries)[1].values.empty());
}

TEST(Config, MistakesAreToldWithTheirLine) {
    EXPECT_EQ(complaint("\n[host"), "line 2: a section is [command] at the end of the line");
    EXPECT_EQ(complaint("a"), "line 1: expected '=' after 'a' at the end of the line");
    EXPECT_EQ(complaint("a = "), "line 1: expected a value at the end of the line");
    EXPECT_EQ(complaint("a = 'x"), "line 1: a text has no closing '");
    EXPECT_EQ(complaint("a = \"x\\"), "line 1: a text has no closing \"");
    EXPECT_EQ(complaint("a = \"\\q\""), "line 1: unknown escape \\q");
    EXPECT_EQ(complaint("a = [b c]"), "line 1: expected ',' or ']', found 'c]'");
    EXPECT_EQ(complaint("a = [b"), "line 1: expected ',' or ']' at the end of the line");
    EXPECT_EQ(complaint("a = b c"), "line 1: expected nothing more, found 'c'");
    EXPECT_EQ(complaint("a = 1\na = 2"), "line 2: 'a' is set in line 1 already");
    EXPECT_EQ(complaint("= 1"), "line 1: expected the name of an option, found '= 1'");
}

TEST(Config, WhatItQuotesIsFitForATerminal) {
    EXPECT_EQ(complaint("\x1b[2J"), "line 1: expected the name of an option, found '\\x1b[2J'");
}

TEST(Config, EverythingHasALimit) {
    EXPECT_NE(complaint(std::string(kMaxConfigSize + 1, '\n')).find("65536"), std::string::npos);
    std::string many;
    for (std::size_t i = 0; i <= kMaxConfigEntries; ++i) many += "k" + std::to_string(i) + " = 1\n";
    EXPECT_NE(complaint(many).find("256"), std::string::npos);
    std::string list = "a = [";
    for (std::size_t i = 0; i <= kMaxConfigValues; ++i) list += "1,";
    EXPECT_NE(complaint(list + "]").find("256"), std::string::npos);
}

}  // namespace
}  // namespace muster::cli
