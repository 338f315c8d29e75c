#include "base/log.h"

#include <cstdlib>
#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace muster {
namespace {

LogLevel level_from_environment() {
    const char* value = std::getenv("MUSTER_LOG");
    const std::string_view text = value ? value : "";
    if (text == "debug") return LogLevel::debug;
    if (text == "info") return LogLevel::info;
    if (text == "error") return LogLevel::error;
    if (text == "off") return LogLevel::off;
    return LogLevel::warning;
}

LogLevel threshold() {
    static const LogLevel level = level_from_environment();
    return level;
}

spdlog::logger& logger() {
    static const auto instance = [] {
        auto made =
            std::make_shared<spdlog::logger>("muster", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        made->set_pattern("%H:%M:%S.%e %n %l: %v");
        made->set_level(spdlog::level::trace);
        return made;
    }();
    return *instance;
}

}  // namespace

bool log_enabled(LogLevel level) noexcept { return level >= threshold() && level != LogLevel::off; }

void log_line(LogLevel level, std::string_view text) noexcept {
    if (!log_enabled(level)) return;
    switch (level) {
        case LogLevel::debug: return logger().debug("{}", text);
        case LogLevel::info: return logger().info("{}", text);
        case LogLevel::warning: return logger().warn("{}", text);
        case LogLevel::error: return logger().error("{}", text);
        case LogLevel::off: return;
    }
}

}  // namespace muster
