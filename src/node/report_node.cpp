// Reports: what a session knows of itself, and what the kernel says of the machine.
#include <boost/json.hpp>

#include "base/redactor.h"
#include "base/timeline_words.h"
#include "node/report.h"
#include "node/session_node.h"
#include "os/interface_watch.h"
#include "os/kernel_facts.h"
#include "os/system_facts.h"

#include "muster/text.h"
#include "muster/version.h"

namespace muster {

namespace json = boost::json;

namespace {

constexpr std::int64_t kVersion = 1;        // of the format
constexpr std::size_t kMostExplained = 64;  // peers of one session
constexpr std::size_t kMostRoutes = 512;
constexpr std::size_t kMostListed = 1024;     // of its roster
constexpr std::size_t kMostTried = 16 << 20;  // octets of a report that is put into another one

std::int64_t wall_ms() {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now())
        .time_since_epoch()
        .count();
}

json::object json_of(const os::RouteEntry& route) {
    json::object made{
        {"to", route.to.length == 0 ? "default"
                                    : route.to.address.to_string() + "/" + std::to_string(route.to.length)},
        {"kind", to_string(route.action)},
        {"table", route.table},
        {"metric", route.metric},
        {"v6", route.is_v6}};
    json::array hops;
    for (const os::NextHop& hop : route.hops) {
        json::object each{{"interface", static_cast<std::uint32_t>(hop.interface)}};
        if (hop.gateway) each["gateway"] = hop.gateway->to_string();
        hops.push_back(std::move(each));
    }
    made["hops"] = std::move(hops);
    return made;
}

json::object json_of(const EventsDropped& dropped) {
    return {{"unreliable", dropped.unreliable},
            {"left_behind", dropped.left_behind},
            {"peer_news", dropped.peer_news},
            {"openings", dropped.openings},
            {"undelivered", dropped.undelivered}};
}

/// What went wrong while the kernel was asked stands where its answer would.
json::value interfaces_now() {
    const auto watch = os::InterfaceWatch::open();
    if (!watch) return json::parse(watch.error().to_json());
    json::array all;
    for (const Interface& each : (*watch)->interfaces()) all.push_back(muster::json_of(each));
    return all;
}

json::value routes_now() {
    const auto kernel = os::KernelFacts::open();
    if (!kernel) return json::parse(kernel.error().to_json());
    const auto routing = (*kernel)->routing();
    if (!routing) return json::parse(routing.error().to_json());
    json::array all;
    for (const os::RouteEntry& each : routing->routes) {
        const bool is_own = each.action == os::RouteAction::deliver || each.action == os::RouteAction::group;
        if (!is_own && all.size() < kMostRoutes) all.push_back(json_of(each));
    }
    return all;
}

Error no_report() { return {Errc::bad_input, "this is no report of a session, or one of another version"}; }

}  // namespace

std::string node::report_of(json::array sessions, const ReportOptions& options) {
    const os::SystemFacts facts = os::system_facts();
    json::value report = json::object{
        {"report", kVersion},
        {"made_ms", wall_ms()},
        {"version", version()},
        {"protocol", protocol_version()},
        {"system", {{"kernel", facts.system}, {"release", facts.release}, {"machine", facts.machine}}},
        {"addresses", options.with_addresses ? "as they are" : "replaced"},
        {"interfaces", interfaces_now()},
        {"routes", routes_now()},
        {"sessions", std::move(sessions)}};
    Redactor{options.with_addresses ? Redactor::Addresses::keep : Redactor::Addresses::replace}.apply(report);
    return json::serialize(report);
}

Result<std::string> make_report(std::span<const std::string> reports, const ReportOptions& options) {
    json::array sessions;
    for (const std::string& each : reports) {
        if (each.size() > kMostTried) return no_report();
        boost::system::error_code wrong;
        const json::value parsed = json::parse(each, wrong);
        const auto* report = wrong ? nullptr : parsed.if_object();
        const auto* format = report ? report->if_contains("report") : nullptr;
        const auto* theirs = report ? report->if_contains("sessions") : nullptr;
        if (!format || *format != kVersion || !theirs || !theirs->is_array()) return no_report();
        for (const json::value& session : theirs->get_array()) sessions.push_back(session);
    }
    return node::report_of(std::move(sessions), options);
}

std::string detail::SessionNode::report(const ReportOptions& options) {
    json::array peers, explanations, interfaces;
    const Roster all = roster();
    const Timeline seen = timeline();
    for (const PeerInfo& peer : all.peers) {
        if (peers.size() < kMostListed)
            peers.push_back({{"id", peer.id.to_string()},
                             {"name", to_valid_utf8(peer.name)},
                             {"coordinator", peer.is_coordinator}});
        if (peer.id == id() || explanations.size() == kMostExplained) continue;
        explanations.push_back(
            json::parse(ways_to(peer.id, seen).to_json()));  // the timeline stands below, once
    }
    for (const Interface& each : runner_->interfaces()) interfaces.push_back(muster::json_of(each));
    json::object session{{"pid", os::system_facts().pid},
                         {"id", id().to_string()},
                         {"role", seen.is_coordinator ? "coordinator" : "member"},
                         {"profile", to_string(seen.profile)},
                         {"peers", all.peers.size()},
                         {"roster", std::move(peers)},
                         {"counters",
                          {{"links", links().links()},
                           {"datagrams_dropped", runner_->dropped()},
                           {"events_dropped", json_of(events_dropped())}}},
                         {"interfaces", std::move(interfaces)},
                         {"explanations", std::move(explanations)},
                         {"timeline", muster::json_of(seen)}};
    if (auto scenario = seen.to_scenario())
        session["scenario"] = *scenario;
    else
        session["no_scenario"] = scenario.error().message();
    return node::report_of({std::move(session)}, options);
}

}  // namespace muster
