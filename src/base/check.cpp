#include "base/check.h"

#include <cstdlib>
#include <string>

#include "base/log.h"

namespace muster {

void check_failed(const char* expression, const char* file, int line) noexcept {
    log_line(LogLevel::error,
             std::string("broken expectation: ") + expression + " at " + file + ":" + std::to_string(line));
    std::abort();
}

}  // namespace muster
