#include "base/redactor.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace muster {
namespace {

TEST(Redactor, TheSameAddressIsAlwaysTheSameWordAndNeighboursStayTogether) {
    Redactor redactor;
    EXPECT_EQ(redactor.text("81.2.69.142:4711 and 81.2.69.142, 81.2.69.160; not 81.2.70.1."),
              "198.18.0.1:4711 and 198.18.0.1, 198.18.0.2; not 198.18.1.1.");
    EXPECT_EQ(
        redactor.text("[2a00:1450:4001:81b::200e]:443, 2a00:1450:4001:81b::1/64, 2a00:1450:4001:81c::1"),
        "[2001:db8::1]:443, 2001:db8::2/64, 2001:db8:0:1::1");
    EXPECT_EQ(redactor.text("fd12:3456:789a:1::1"), "2001:db8:0:2::1");
}

TEST(Redactor, WhatSaysNothingStays) {
    for (const char* text : {"192.168.1.7:4711", "10.1.2.3/8", "169.254.7.8", "127.0.0.1", "[::1]:4711",
                             "0.0.0.0", "::", "224.0.0.251", "ff02::fb", "fe80::1%eth0", "192.0.2.1",
                             "2001:db8::5", "12:03:04.123", "6.1.0", "no answer for 43 ms",
                             "a dead cable: bad face", "stage-left (ab12cd34)", ":4711", "..."}) {
        EXPECT_EQ(Redactor{}.text(text), text);
    }
}

TEST(Redactor, LinkLocalAddressesOfMachinesTellNoHardware) {
    Redactor redactor;
    const std::string made =
        redactor.text("fe80::211:22ff:fe33:4455 fe80::211:22ff:fe33:4455 fe80::8a5c:11ff:fe22:1");
    EXPECT_EQ(made, "fe80::1:0:1 fe80::1:0:1 fe80::1:0:2");
}

TEST(Redactor, MacsAreReplacedAlsoInNamesOfInterfaces) {
    Redactor redactor;
    EXPECT_EQ(redactor.text("00:11:22:33:44:55 is 00-11-22-33-44-55, enx001122334455; wlxaabbccddeeff"),
              "02:00:00:00:00:01 is 02-00-00-00-00-01, enx020000000001; wlx020000000002");
}

TEST(Redactor, AddressesAreFoundBehindColonsAndBeforeThem) {
    const auto redacted = [](const char* text) { return Redactor{}.text(text); };
    EXPECT_EQ(redacted("proxy:81.2.69.142"), "proxy:198.18.0.1");
    EXPECT_EQ(redacted("81.2.69.142:4711: no answer"), "198.18.0.1:4711: no answer");
    EXPECT_EQ(redacted("a:81.2.69.142:4711:81.2.69.142:"), "a:198.18.0.1:4711:198.18.0.1:");
    EXPECT_EQ(redacted("...81.2.69.142..."), "...198.18.0.1...");
    EXPECT_EQ(redacted("reason:2a00:1450::1"), "reason:2001:db8::1");
    EXPECT_EQ(redacted("2a00:1450::1: no answer"), "2001:db8::1: no answer");
    EXPECT_EQ(redacted("via::2a00:1450::1."), "via::[2001:db8::1].");
    EXPECT_EQ(redacted("x::ffff:81.2.69.142"), "x::ffff:198.18.0.1");
    EXPECT_EQ(redacted("done.:::12"), "done.:[2001:db8::1]");
    EXPECT_EQ(redacted("mapped:::ffff:81.2.69.142"), "mapped:[2001:db8::1]");
    EXPECT_EQ(redacted("mac:00:11:22:33:44:55"), "mac:02:00:00:00:00:01");
    EXPECT_EQ(redacted("mac:00:11:22:33:44:55: gone"), "mac:02:00:00:00:00:01: gone");
    EXPECT_EQ(redacted("dead:00-11-22-33-44-55."), "dead:02-00-00-00-00-01.");
    EXPECT_EQ(redacted("at 80:00:02:08:fe:80:00:00:00:00"), "at [29 characters left out]");
}

TEST(Redactor, WhatIsReplacedIsNotReadTogetherWithItsNeighbour) {
    EXPECT_EQ(Redactor{}.text("2a00:1450:1:2:3:4:5:6:443"), "[2001:db8::1]:443");
    EXPECT_EQ(Redactor{}.text("1:2:3:4:5:6:2a00::5"), "1:[2001:db8::1]");
    EXPECT_EQ(Redactor{}.text("fe80::211:22ff:fe33:4455.2.3"), "[fe80::1:0:1].2.3");
}

TEST(Redactor, AnAddressIsFoundBehindWhatCouldBeginAnother) {
    EXPECT_EQ(Redactor{}.text("a-::00::03:08:fe:]"), "a-::[2001:db8::1]:]") << "\"::00\" alone would be none";
}

TEST(Redactor, WhatLooksLikeAKeyIsLeftOut) {
    Redactor redactor;
    const std::string hex(64, 'a'),
        base64 = "MC4CAQAwBQYDK2VwBCIEIHcHbQpzGKV9PBbBclGyZkXfTC+H68CZKrF3+6UduSwq";
    EXPECT_EQ(redactor.text("key " + hex + "!"), "key [64 characters left out]!");
    EXPECT_EQ(redactor.text(base64), "[64 characters left out]");
    EXPECT_EQ(redactor.text("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n"), "[PEM left out]");
    const std::string for_urls = "key:MC4CAQAwBQ-DK2VwBCIEIHcHbQpzGKV9PBbBcl-yZkXfTC";
    EXPECT_EQ(redactor.text(for_urls), "key:[46 characters left out]");
    const std::string words = "the-radio-of-the-Main-Stage-2026-Old-Town-Hall-of-Berlin";
    EXPECT_EQ(redactor.text(words), words);
    std::string pairs = "ab";
    for (int i = 1; i < 32; ++i) pairs += ":1f";
    EXPECT_EQ(redactor.text("SHA256:" + pairs + ":"), "SHA256:[95 characters left out]:");
    EXPECT_EQ(Redactor{Redactor::Addresses::keep}.text("SHA256:" + pairs), "SHA256:[95 characters left out]");
    const std::string device(32, 'b');
    EXPECT_EQ(redactor.text(device), device) << "a device id is public";
}

TEST(Redactor, WalksThroughAllOfAJsonValue) {
    auto value = boost::json::parse(R"({"a": ["81.2.69.142", {"b": "81.2.69.142"}], "n": 7})");
    Redactor redactor;
    redactor.apply(value);
    EXPECT_EQ(boost::json::serialize(value), R"({"a":["198.18.0.1",{"b":"198.18.0.1"}],"n":7})");
}

}  // namespace
}  // namespace muster
