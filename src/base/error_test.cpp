#include "muster/error.h"

#include <set>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

namespace muster {
namespace {

Error refusal() {
    return Error{Errc::refused, "the coordinator refused this device"}
        .during("joining 'stage-left' via wlan0")
        .saw({"probe", "[fe80::1%3]:4711", "answered in 2 ms"})
        .saw({"join", "", "reason: 'rehearsal is over'"})
        .cure("ask the operator to allow this device");
}

TEST(Error, ExplainsTheChainToAPerson) {
    EXPECT_EQ(refusal().explain(),
              "joining 'stage-left' via wlan0: the coordinator refused this device\n"
              "  probe [fe80::1%3]:4711: answered in 2 ms\n"
              "  join: reason: 'rehearsal is over'\n"
              "  What to do: ask the operator to allow this device");
}

TEST(Error, ExplainsItselfInOneLineWhenThereIsNothingElse) {
    EXPECT_EQ((Error{Errc::lost, "'camera 2' is lost"}.explain()), "'camera 2' is lost");
}

TEST(Error, PutsTheOuterAttemptInFront) {
    const Error error =
        Error{Errc::storage, "no space left"}.during("writing 'a.bin'").during("receiving a file");
    EXPECT_EQ(error.message(), "receiving a file: writing 'a.bin': no space left");
}

TEST(Error, HasAStableJsonForm) {
    EXPECT_EQ(
        refusal().to_json(),
        R"({"code":"refused","message":"joining 'stage-left' via wlan0: the coordinator refused this device",)"
        R"("evidence":[{"phase":"probe","subject":"[fe80::1%3]:4711","finding":"answered in 2 ms"},)"
        R"({"phase":"join","subject":"","finding":"reason: 'rehearsal is over'"}],)"
        R"("cure":"ask the operator to allow this device"})");
}

TEST(Error, NamesTheFaultIfThereIsOne) {
    const Error error = refusal().fault(Fault::blocked_by_policy);
    EXPECT_EQ(boost::json::parse(error.to_json()).at("fault").as_string(), "blocked_by_policy");
    EXPECT_NE(error.explain().find("refused this device (blocked_by_policy)\n"), std::string::npos);
    EXPECT_EQ(refusal().to_json().find("fault"), std::string::npos);
    EXPECT_NE(error, refusal());
}

TEST(Fault, EachHasANameAndACureOfItsOwn) {
    std::set<std::string_view> names, cures;
    for (int i = 0; i <= static_cast<int>(Fault::blocked_by_policy); ++i) {
        names.insert(to_string(static_cast<Fault>(i)));
        cures.insert(cure_of(static_cast<Fault>(i)));
    }
    EXPECT_EQ(names.size(), 7u);
    EXPECT_EQ(cures.size(), 7u) << "none has the empty one";
}

TEST(Error, EscapesInJsonWhatARemoteMayHaveSent) {
    const std::string nasty = "a\"b\\c\nd\x01";
    const Error error{Errc::bad_name, nasty};
    EXPECT_EQ(boost::json::parse(error.to_json()).at("message").as_string(), nasty);
}

TEST(Error, WritesValidJsonForTextThatIsNotUtf8) {
    const Error error =
        Error{Errc::bad_name, "caf\xe9 \xf0\x9f\x98 ok \xc3\xa9"}.saw({"x\xff", "\xc0\xaf", "\xed\xa0\x80"});
    const auto json = boost::json::parse(error.to_json());
    EXPECT_EQ(json.at("message").as_string(),
              "caf\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd ok \xc3\xa9");
    EXPECT_EQ(json.at("evidence").at(0).at("phase").as_string(), "x\xef\xbf\xbd");
}

TEST(Error, KeepsSixtyFourPiecesOfEvidenceAndSaysThatThereWereMore) {
    Error error{Errc::unreachable, "no candidate answered"};
    for (int i = 0; i < 100; ++i) error.saw({"probe", std::to_string(i), "no answer"});
    ASSERT_EQ(error.evidence().size(), 65u);
    EXPECT_EQ(error.evidence()[63].subject, "63");
    EXPECT_EQ(error.evidence().back().phase, "note");
}

TEST(Error, IsAValue) {
    EXPECT_EQ(refusal(), refusal());
    EXPECT_NE(refusal(), refusal().cure("something else"));
}

TEST(Errc, HasOneNamePerCode) {
    std::set<std::string_view> names;
    for (int code = 1; code <= static_cast<int>(Errc::unsupported); ++code) {
        const auto name = to_string(static_cast<Errc>(code));
        EXPECT_NE(name, "unknown") << code;
        EXPECT_TRUE(names.insert(name).second) << name;
    }
    EXPECT_EQ(to_string(static_cast<Errc>(9999)), "unknown");
}

TEST(Errc, IsAnErrorCodeOfItsOwnCategory) {
    const boost::system::error_code code = Errc::timed_out;
    EXPECT_STREQ(code.category().name(), "muster");
    EXPECT_EQ(code.message(), "timed_out");
    EXPECT_EQ(code, make_error_code(Errc::timed_out));
}

TEST(Result, ThrowsTheExplanationWhenItsMissingValueIsTaken) {
    const Result<int> result = refusal();
    try {
        static_cast<void>(result.value());
        FAIL() << "value() of a failure must throw";
    } catch (const boost::system::system_error& error) {
        EXPECT_EQ(error.code(), Errc::refused);
        EXPECT_NE(std::string(error.what()).find("rehearsal is over"), std::string::npos);
    }
}

}  // namespace
}  // namespace muster
