#include "link/path_reports.h"

#include <algorithm>

namespace muster::link {

namespace {

// As many as a race has candidates, twice: beyond that the one of which nothing was heard for longest goes.
constexpr std::size_t kMaxPaths = 128;

}  // namespace

bool is_about(const IcmpReport& report, const Endpoint& remote) {
    return report.to.address == remote.address && report.to.port == remote.port;
}

PathReports::Entry& PathReports::entry_for(const Path& path, TimePoint now) {
    if (!entries_.contains(path) && entries_.size() >= kMaxPaths)
        entries_.erase(
            std::ranges::min_element(entries_, {}, [](const auto& each) { return each.second.touched; }));
    Entry& entry = entries_[path];
    entry.touched = now;
    return entry;
}

void PathReports::on_refused(const Path& path, SendRefusal refusal, TimePoint now) {
    Entry& entry = entry_for(path, now);
    entry.refusal = refusal;
    entry.refused_at = now;
}

void PathReports::on_findings(const Path& path, const PathFindings& findings, TimePoint now) {
    Entry& entry = entry_for(path, now);
    entry.findings = findings;
    entry.found_at = now;
}

void PathReports::on_icmp(const IcmpReport& report, TimePoint now) {
    std::erase_if(icmp_, [&](const Icmp& each) { return is_about(each.report, report.to); });
    if (icmp_.size() == kMaxPaths) icmp_.pop_front();
    icmp_.push_back({report, now});
}

PathReports::Report PathReports::of(const Path& path, TimePoint since) const {
    Report report;
    if (const auto found = entries_.find(path); found != entries_.end()) {
        const Entry& entry = found->second;
        if (entry.refused_at >= since) report.refusal = entry.refusal;
        if (entry.found_at >= since) report.findings = entry.findings;
    }
    const auto icmp = std::ranges::find_if(
        icmp_, [&](const Icmp& each) { return is_about(each.report, path.remote) && each.at >= since; });
    if (icmp == icmp_.end()) return report;
    if (!report.findings) report.findings.emplace();
    report.findings->report = icmp->report.report;
    report.findings->reporter = icmp->report.reporter;
    report.findings->by_peer = icmp->report.reporter == path.remote.address;
    return report;
}

}  // namespace muster::link
