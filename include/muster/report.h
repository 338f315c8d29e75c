#pragma once

#include <span>
#include <string>

#include "muster/error.h"

namespace muster {

struct ReportOptions {
    ReportOptions() {}  // NOLINT(modernize-use-equals-default): not an aggregate (g++ 12.2)

    /// Leaves addresses and MACs as they are. Otherwise those that are of one place in the world are replaced, the same one
    /// by the same word wherever it stands. What looks like a key is left out in any case.
    bool with_addresses = false;
};

/// Makes one report of several, with this machine as it is now: version, kernel, interfaces, routes. `reports` are what
/// Session::report() gave with addresses; none: of this machine alone. One JSON object, described in docs/REPORT.md; it holds
/// no key, no message and no journal. Takes some milliseconds for the kernel's answers. Errors: bad_input (one of them is
/// no report, or one of another version).
Result<std::string> make_report(std::span<const std::string> reports, const ReportOptions& options = {});

}  // namespace muster
