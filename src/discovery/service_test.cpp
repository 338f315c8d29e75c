#include "muster/service.h"

#include <gtest/gtest.h>

namespace muster {
namespace {

TEST(ServiceType, AcceptsWhatTheRulesAllowAndMakesItCanonical) {
    for (const auto* text : {"_http._tcp", "_muster._udp", "_a1-b2._tcp", "_x._tcp."})
        EXPECT_TRUE(ServiceType::parse(text)) << text;
    const auto type = ServiceType::parse("_http._TCP.local.");
    ASSERT_TRUE(type);
    EXPECT_EQ(type->to_string(), "_http._tcp");
    EXPECT_EQ(type->service(), "_http");
    EXPECT_EQ(type->protocol(), "_tcp");
}

TEST(ServiceType, SaysWhatIsWrongAndHowItIsWritten) {
    const std::pair<const char*, const char*> cases[] = {
        {"http._tcp", "underscore"},
        {"_http", "no protocol"},
        {"_http._sctp", "neither"},
        {"_._tcp", "empty"},
        {"_1234567890abcdef._tcp", "15"},
        {"_12._tcp", "letter"},
        {"_-a._tcp", "hyphen"},
        {"_a--b._tcp", "two hyphens"},
        {"_a_b._tcp", "only letters"},
        {"_a\n._tcp", "only letters"},
        {"", "no protocol"},
        {"_x._http._tcp", "only letters"},
    };
    for (const auto& [text, fault] : cases) {
        const auto type = ServiceType::parse(text);
        ASSERT_FALSE(type) << text;
        EXPECT_EQ(type.error().code(), Errc::bad_input);
        EXPECT_NE(type.error().message().find(fault), std::string::npos) << type.error().message();
        EXPECT_NE(type.error().cure().find("_http._tcp"), std::string::npos);
    }
}

TEST(InstanceName, AcceptsAnyTextOfSixtyThreeOctets) {
    EXPECT_TRUE(check_instance_name("Stage left. B\xc3\xbchne 2"));
    EXPECT_TRUE(check_instance_name(std::string(63, 'x')));
    for (const auto& name : {std::string{}, std::string(64, 'x'), std::string{"a\x01"}, std::string{"\x7f"},
                             std::string{"\xff"}})
        EXPECT_EQ(check_instance_name(name).error().code(), Errc::bad_name);
}

TEST(TxtRecord, KeepsPairsFlagsAndEmptyValuesApart) {
    TxtRecord txt;
    ASSERT_TRUE(txt.set("a", "1") && txt.set("b", "") && txt.set_flag("c") && txt.set("A", "2"));
    EXPECT_EQ(txt.entries().size(), 3U) << "keys compare without case";
    EXPECT_EQ(txt.get("a"), "2");
    EXPECT_EQ(txt.get("b"), "");
    EXPECT_TRUE(txt.contains("c"));
    EXPECT_FALSE(txt.get("d"));
    const auto read = TxtRecord::from_wire(txt.to_wire());
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, txt);
    EXPECT_TRUE(txt.erase("C"));
    EXPECT_FALSE(txt.erase("C"));
}

TEST(TxtRecord, RefusesWhatDoesNotFitAndStaysAsItWas) {
    TxtRecord txt;
    ASSERT_TRUE(txt.set("k", "v"));
    EXPECT_FALSE(txt.set("", "v"));
    EXPECT_FALSE(txt.set("a=b", "v"));
    EXPECT_FALSE(txt.set("a\n", "v"));
    EXPECT_FALSE(txt.set("a", std::string(254, 'x')));
    EXPECT_TRUE(txt.set("a", std::string(253, 'x')));
    int fitted = 0;
    while (txt.set("k" + std::to_string(fitted), std::string(200, 'y'))) ++fitted;
    EXPECT_GT(fitted, 30);
    EXPECT_LE(txt.to_wire().size(), TxtRecord::kMaxSize);
    EXPECT_EQ(txt.get("k"), "v");
}

TEST(TxtRecord, AnEmptyRecordIsOneZeroOctet) {
    EXPECT_EQ(TxtRecord{}.to_wire(), Bytes(1));
    EXPECT_TRUE(TxtRecord::from_wire(Bytes(1))->empty());
    EXPECT_TRUE(TxtRecord::from_wire({})->empty());
}

TEST(TxtRecord, ReadsTolerantlyButNotLengthsThatLie) {
    EXPECT_FALSE(
        TxtRecord::from_wire(as_bytes("\x05"
                                      "a=b")));
    const auto read =
        TxtRecord::from_wire(as_bytes("\x02=x\x03"
                                      "a=1\x03"
                                      "A=2\x01"
                                      "f"));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->entries().size(), 2U) << "no key: ignored; a repeated key: the first counts";
    EXPECT_EQ(read->get("a"), "1");
}

}  // namespace
}  // namespace muster
