#include "base/log.h"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <utility>

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

struct Log {
    LogHandler handler;  // empty: standard error
    LogLevel level;
};

std::atomic<std::shared_ptr<const Log>>& current() {
    static auto* const log = new std::atomic{std::make_shared<const Log>(Log{{}, level_from_environment()})};
    return *log;
}

// Never destroyed, like the handler: threads of the library may have something to say while statics go.
spdlog::logger& logger() {
    static auto* const instance = new auto([] {
        auto made =
            std::make_shared<spdlog::logger>("muster", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        made->set_pattern("%H:%M:%S.%e %n %l: %v");
        made->set_level(spdlog::level::trace);
        return made;
    }());
    return **instance;
}

void write_to_stderr(LogLevel level, std::string_view text) {
    switch (level) {
        case LogLevel::debug: return logger().debug("{}", text);
        case LogLevel::info: return logger().info("{}", text);
        case LogLevel::warning: return logger().warn("{}", text);
        case LogLevel::error: return logger().error("{}", text);
        case LogLevel::off: return;
    }
}

bool wants(const Log& log, LogLevel level) { return level >= log.level && level != LogLevel::off; }

}  // namespace

void set_log_handler(LogHandler handler, LogLevel level) {
    if (!handler) level = level_from_environment();
    current().store(std::make_shared<const Log>(Log{std::move(handler), level}));
}

bool log_enabled(LogLevel level) noexcept { return wants(*current().load(), level); }

void log_line(LogLevel level, std::string_view text) noexcept {
    const auto log = current().load();
    if (!wants(*log, level)) return;
    log->handler ? log->handler(level, text) : write_to_stderr(level, text);
}

}  // namespace muster
