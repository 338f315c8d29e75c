// Asks how things are as the first thing that the process does, and then by which way packets to one address leave; tells both
// and how long they took. With --late, what is known to who asks nothing and only listens to a monitor, when the time is over in which
// an answer is due.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>

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

/// As with monitors that have nothing but a handler: until something changes, nobody has said anything.
void listen() {
    constexpr Duration kDue = std::chrono::milliseconds{5};
    boost::asio::io_context io;
    bool is_known = false;
    const auto monitor = PathMonitor::open(io.get_executor(), [&](const NetworkPath&) { is_known = true; });
    if (!monitor) return tell_failure(monitor.error());
    io.run_for(kDue);
    lab::tell("path", {{"status", is_known ? "known" : "undetermined"}});
}

}  // namespace

int main(int argc, char** argv) {
    const TimePoint begin = SteadyClock::now();
    const auto path = current_path();
    const Duration took = SteadyClock::now() - begin;
    Options options{argc, argv};
    if (options.has("late")) return listen(), 0;
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
