#include "base/log.h"

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

}  // namespace
}  // namespace muster
