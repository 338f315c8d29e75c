#include "names/dns_name.h"

#include <gtest/gtest.h>

namespace muster::names {
namespace {

TEST(DnsName, ParsesLabelsAndEscapesAsInRfc1035Section51) {
    const auto name = DnsName::parse(R"(Stage\.left \\ \065._http._tcp.local.)");
    ASSERT_TRUE(name);
    EXPECT_EQ(name->first_label(), "Stage.left \\ A");
    EXPECT_EQ(name->label_count(), 4U);
    EXPECT_EQ(name->to_string(), R"(Stage\.left \\ A._http._tcp.local)");
}

TEST(DnsName, PrintsWhatItParses) {
    const std::string binary{"a\0b\x7f.\x01", 6};
    const auto name = DnsName::from_labels({binary, "local"});
    ASSERT_TRUE(name);
    EXPECT_EQ(name->to_string(), R"(a\000b\127\.\001.local)");
    EXPECT_EQ(DnsName::parse(name->to_string()), name);
}

TEST(DnsName, RefusesEmptyAndOverlongLabelsAndBrokenEscapes) {
    for (const auto* text : {"a..b", ".a", "a\\", "a\\25", "a\\256.b", "a\\2x5"})
        EXPECT_FALSE(DnsName::parse(text)) << text;
    EXPECT_TRUE(DnsName::parse(std::string(63, 'x')));
    EXPECT_FALSE(DnsName::parse(std::string(64, 'x')));
}

TEST(DnsName, HoldsAtMost255OctetsOnTheWire) {
    DnsName name;
    const std::string label(63, 'x');
    EXPECT_TRUE(name.append(label) && name.append(label) && name.append(label));
    EXPECT_FALSE(name.append(std::string(62, 'y')));  // 3 * 64 + 63 + 1 = 256
    EXPECT_TRUE(name.append(std::string(61, 'y')));
    EXPECT_EQ(name.wire().size() + 1, DnsName::kMaxWire);
    EXPECT_FALSE(name.prefixed("z"));
}

TEST(DnsName, ComparesAndHashesWithoutAsciiCaseOnly) {
    const auto a = *DnsName::parse("Printer._HTTP._tcp.LOCAL");
    const auto b = *DnsName::parse("pRINTER._http._TCP.local");
    EXPECT_EQ(a, b);
    EXPECT_EQ(a.hash(), b.hash());
    EXPECT_EQ(a <=> b, std::strong_ordering::equal);
    EXPECT_NE(*DnsName::parse("\xc3\x84.local"), *DnsName::parse("\xc3\xa4.local"));  // Ä and ä are two names
    EXPECT_NE(*DnsName::parse("ab.c"), *DnsName::parse("a.bc"));
}

TEST(DnsName, KnowsItsEndsOnlyAtLabelBorders) {
    const auto name = *DnsName::parse("x._http._tcp.local");
    EXPECT_TRUE(name.ends_with(*DnsName::parse("_HTTP._tcp.local")));
    EXPECT_TRUE(name.ends_with(name));
    EXPECT_TRUE(name.ends_with(DnsName{}));
    EXPECT_FALSE(name.ends_with(*DnsName::parse("cal")));
    EXPECT_FALSE(DnsName{}.ends_with(name));
    EXPECT_EQ(name.parent(), *DnsName::parse("_http._tcp.local"));
    EXPECT_TRUE(DnsName{}.parent().is_root());
    EXPECT_EQ(DnsName{}.to_string(), ".");
}

}  // namespace
}  // namespace muster::names
