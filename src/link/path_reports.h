#pragma once

#include <deque>
#include <map>
#include <optional>

#include "base/path_findings.h"
#include "link/path.h"

#include "muster/time.h"

namespace muster::link {

/// Whether an ICMP error is about packets to this endpoint. It does not say over which interface they went.
bool is_about(const IcmpReport& report, const Endpoint& remote);

/// What the rim has told of paths: refused packets, and findings of inquiries. Keeps the latest of the last 128 paths.
class PathReports {
public:
    struct Report {
        SendRefusal refusal = SendRefusal::none;
        std::optional<PathFindings> findings;  ///< With the latest ICMP error in it.
    };

    void on_refused(const Path& path, SendRefusal refusal, TimePoint now);
    void on_icmp(const IcmpReport& report, TimePoint now);
    void on_findings(const Path& path, const PathFindings& findings, TimePoint now);
    /// What was told since then: since the path fell silent, when that is to be explained.
    Report of(const Path& path, TimePoint since) const;

private:
    struct Entry {
        SendRefusal refusal = SendRefusal::none;
        TimePoint refused_at{};
        std::optional<PathFindings> findings;
        TimePoint found_at{};
        TimePoint touched{};
    };
    Entry& entry_for(const Path& path, TimePoint now);

    struct Icmp {
        IcmpReport report;
        TimePoint at{};
    };
    std::map<Path, Entry> entries_;
    std::deque<Icmp> icmp_;  // one for each remote, the latest last
};

}  // namespace muster::link
