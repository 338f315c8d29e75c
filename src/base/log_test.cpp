#include "base/log.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace muster {
namespace {

TEST(Log, WritesWarningsAndKeepsQuietBelowUnlessAsked) {
    if (std::getenv("MUSTER_LOG")) GTEST_SKIP() << "MUSTER_LOG is set and changes what is written";
    EXPECT_FALSE(log_enabled(LogLevel::info));
    EXPECT_TRUE(log_enabled(LogLevel::warning));
    EXPECT_FALSE(log_enabled(LogLevel::off));
    testing::internal::CaptureStderr();
    log_line(LogLevel::info, "quiet");
    log_line(LogLevel::warning, "loud {} %s");
    const std::string written = testing::internal::GetCapturedStderr();
    EXPECT_EQ(written.find("quiet"), std::string::npos);
    EXPECT_NE(written.find("muster warning: loud {} %s\n"), std::string::npos) << written;
}

TEST(Log, TellsTheApplicationsHandlerFromItsLevelOn) {
    std::vector<std::pair<LogLevel, std::string>> told;
    set_log_handler([&](LogLevel level, std::string_view text) { told.emplace_back(level, text); },
                    LogLevel::info);
    EXPECT_TRUE(log_enabled(LogLevel::info));
    testing::internal::CaptureStderr();
    log_line(LogLevel::debug, "below");
    log_line(LogLevel::info, "at");
    log_line(LogLevel::error, "above");
    set_log_handler({});
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    const std::vector<std::pair<LogLevel, std::string>> expected{{LogLevel::info, "at"},
                                                                 {LogLevel::error, "above"}};
    EXPECT_EQ(told, expected);
    log_line(LogLevel::debug, "the handler is gone");
    EXPECT_EQ(told.size(), 2u);
}

}  // namespace
}  // namespace muster
