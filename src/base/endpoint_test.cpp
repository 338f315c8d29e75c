#include "muster/endpoint.h"

#include <gtest/gtest.h>

namespace muster {
namespace {

using namespace std::string_view_literals;

std::string round_trip(std::string_view text) {
    const auto endpoint = Endpoint::parse(text);
    return endpoint ? endpoint->to_string() : "refused";
}

TEST(IpAddress, PrintsTheShortFormOfRfc5952) {
    const std::pair<std::string_view, std::string_view> forms[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"::", "::"},
        {"::1", "::1"},
        {"fe80:0:0:1:0:0:0:1", "fe80:0:0:1::1"},
    };
    for (const auto& [text, canonical] : forms) {
        const auto address = IpAddress::parse(text);
        ASSERT_TRUE(address) << text;
        EXPECT_EQ(address->to_string(), canonical);
    }
}

TEST(IpAddress, RefusesWhatIsNotOneAddress) {
    const std::string_view wrong[] = {
        "",           "1.2.3", "1.2.3.4.5",    "1.2.3.256",  "01.2.3.4.",      "1.2.3.4 ",    "fe80::1%3",
        "fe80::1%lo", "%lo",   "1.2.3.4\0x"sv, "fe80::1::2", "::1\0garbage"sv, "example.org", "[::1]"};
    for (const auto text : wrong) EXPECT_FALSE(IpAddress::parse(text)) << text;
}

TEST(IpAddress, KnowsItsKind) {
    const auto address = [](std::string_view text) { return IpAddress::parse(text).value(); };
    EXPECT_TRUE(address("0.0.0.0").is_unspecified());
    EXPECT_TRUE(address("::").is_unspecified());
    EXPECT_TRUE(address("127.8.8.8").is_loopback());
    EXPECT_TRUE(address("::1").is_loopback());
    EXPECT_FALSE(address("::2").is_loopback());
    EXPECT_FALSE(address("1::1").is_loopback());
    EXPECT_TRUE(address("224.0.0.251").is_multicast());
    EXPECT_TRUE(address("ff02::fb").is_multicast());
    EXPECT_FALSE(address("192.0.2.1").is_multicast());
    EXPECT_EQ(address("::ffff:192.0.2.1").unmapped(), address("192.0.2.1"));
    for (const char* plain : {"192.0.2.1", "::fffe:192.0.2.1", "::192.0.2.1", "1::ffff:192.0.2.1"})
        EXPECT_EQ(address(plain).unmapped(), address(plain)) << plain;
    EXPECT_TRUE(address("169.254.1.2").is_link_local());
    EXPECT_TRUE(address("fe80::1").is_link_local());
    EXPECT_TRUE(address("febf::1").is_link_local());
    EXPECT_FALSE(address("fec0::1").is_link_local());
    EXPECT_FALSE(address("169.253.1.2").is_link_local());
}

TEST(IpAddress, KeepsTheFamiliesApart) {
    const IpAddress v4{IpAddress::V4{1, 2, 3, 4}};
    const IpAddress v6{IpAddress::V6{1, 2, 3, 4}};
    EXPECT_NE(v4, v6);
    EXPECT_EQ(v4.v4(), (IpAddress::V4{1, 2, 3, 4}));
    EXPECT_EQ(v6.v4(), IpAddress::V4{});
}

TEST(Endpoint, ParsesWhatItPrints) {
    for (const auto text :
         {"192.0.2.1:4711", "[2001:db8::1]:1", "[fe80::1%3]:4711", "0.0.0.0:0", "[::]:65535"})
        EXPECT_EQ(round_trip(text), text);
}

TEST(Endpoint, PrintsAScopeOnlyWhereItMeansSomething) {
    const Endpoint local{IpAddress::parse("fe80::1").value(), 1, InterfaceIndex{7}};
    const Endpoint global{IpAddress::parse("2001:db8::1").value(), 1, InterfaceIndex{7}};
    const Endpoint v4{IpAddress::parse("169.254.0.1").value(), 1, InterfaceIndex{7}};
    EXPECT_EQ(local.to_string(), "[fe80::1%7]:1");
    EXPECT_EQ(global.to_string(), "[2001:db8::1]:1");
    EXPECT_EQ(v4.to_string(), "169.254.0.1:1");
}

TEST(Endpoint, RefusesWhatIsNotAnEndpoint) {
    const std::string_view wrong[] = {"",
                                      ":",
                                      "1.2.3.4",
                                      "1.2.3.4:",
                                      "1.2.3.4:65536",
                                      "1.2.3.4:-1",
                                      "1.2.3.4:+1",
                                      "1.2.3.4: 1",
                                      "fe80::1:1",
                                      "[fe80::1]",
                                      "[fe80::1]1",
                                      "[1.2.3.4]:1",
                                      "[fe80::1%]:1",
                                      "[fe80::1%eth0]:1",
                                      "[fe80::1%4294967296]:1",
                                      "[fe80::1%1%2]:1",
                                      "1.2.3.4\0:1"sv};
    for (const auto text : wrong) EXPECT_EQ(round_trip(text), "refused") << text;
}

}  // namespace
}  // namespace muster
