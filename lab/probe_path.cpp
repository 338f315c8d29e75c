// Asks how things are as the first thing that the process does, and then by which way packets to one address leave; tells both
// and how long they took. With --late it is done as by a monitor that only tells later: it asks a monitor that has just been
// started on another thread.
#include <atomic>
#include <thread>

#include "probe.h"

#include "muster/network_path.h"

namespace json = boost::json;
using namespace muster;
using namespace muster::lab;

namespace {

json::object facts_of(const NetworkPath& path, Duration took) {
    json::object facts{{"status", to_string(path.status)}, {"reach", to_string(path.reach)},
                       {"reason", to_string(path.reason)}, {"dns", path.supports_dns},
                       {"expensive", path.is_expensive},   {"took_us", microseconds(took)},
                       {"ipv4", path.supports_ipv4},       {"ipv6", path.supports_ipv6}};
    json::array interfaces, gateways;
    for (const PathInterface& each : path.interfaces) interfaces.emplace_back(each.interface.name);
    for (const PathGateway& each : path.gateways)
        gateways.push_back({{"address", each.address.to_string()}, {"proof", to_string(each.proof)}});
    facts["interfaces"] = std::move(interfaces);
    facts["gateways"] = std::move(gateways);
    if (!path.route) return facts;
    facts["index"] = static_cast<std::uint32_t>(path.route->interface);
    if (path.route->gateway) facts["gateway"] = path.route->gateway->to_string();
    if (path.route->source) facts["source"] = path.route->source->to_string();
    return facts;
}

void tell(std::string_view event, const Result<NetworkPath>& path, Duration took) {
    if (path)
        lab::tell(event, facts_of(*path, took));
    else
        tell_failure(path.error());
}

/// What a monitor has to say in its first moment whose first reading is an event like any other.
void ask_late() {
    std::atomic<bool> is_known = false;
    std::thread reader{[&] { is_known = current_path().has_value(); }};
    const bool was_known = is_known;
    reader.join();
    lab::tell("path", {{"status", was_known ? "known" : "undetermined"}});
}

}  // namespace

int main(int argc, char** argv) {
    const TimePoint begin = SteadyClock::now();
    const auto path = current_path();
    const Duration took = SteadyClock::now() - begin;
    Options options{argc, argv};
    if (options.has("late")) return ask_late(), 0;
    PathPreferences preferences;
    const std::string metered = options.text("metered", "");
    if (!metered.empty()) preferences.metered.push_back(metered);
    tell("path", metered.empty() ? path : current_path(preferences), took);
    const Endpoint remote{IpAddress::parse(options.text("to", "192.0.2.1")).value_or(IpAddress{}), 9,
                          InterfaceIndex::none};
    const TimePoint asked = SteadyClock::now();
    const auto route = path_to(remote, preferences);
    tell("route", route, SteadyClock::now() - asked);
    return 0;
}
