#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "command.h"
#include "destination.h"
#include "options.h"
#include "output.h"
#include "run.h"
#include "tasks.h"
#include "text.h"

#include "muster/internet.h"
#include "muster/network_path.h"

namespace muster::cli {

namespace asio = boost::asio;

namespace {

std::string name_of(const NetworkPath& path, InterfaceIndex index) {
    for (const PathInterface& each : path.interfaces)
        if (each.interface.index == index) return each.interface.name;
    return std::to_string(static_cast<std::uint32_t>(index));
}

std::string age_text(LinkProof proof, Duration heard) {
    if (proof != LinkProof::verified) return std::string{to_string(proof)};
    return "verified, heard " + duration_text(heard) + " ago";
}

JsonLine json_of(const NetworkPath& path) {
    JsonLine line{"path"};
    line.integer("revision", path.revision)
        .text("status", to_string(path.status))
        .text("reach", to_string(path.reach))
        .text("reason", to_string(path.reason))
        .flag("ipv4", path.supports_ipv4)
        .flag("ipv6", path.supports_ipv6)
        .flag("dns", path.supports_dns)
        .flag("expensive", path.is_expensive)
        .flag("constrained", path.is_constrained)
        .integer("reachability_flags", Reachability::flags(path));
    line.list("interfaces", path.interfaces, [](const PathInterface& each) {
        return JsonLine{}
            .integer("index", static_cast<std::uint32_t>(each.interface.index))
            .text("name", each.interface.name)
            .text("kind", to_string(each.interface.kind))
            .text("reach", to_string(each.reach))
            .text("reason", to_string(each.reason))
            .integer("metric", each.metric);
    });
    line.list("gateways", path.gateways, [&](const PathGateway& each) {
        return JsonLine{}
            .text("address", each.address.to_string())
            .text("interface", name_of(path, each.interface))
            .text("proof", to_string(each.proof))
            .ms("heard_ms", each.heard);
    });
    line.list("dns_servers", path.dns_servers,
              [](const Endpoint& each) { return json_string(each.address.to_string()); });
    if (!path.route) return line;
    JsonLine route;
    route.text("interface", path.route->interface_name)
        .integer("table", path.route->table)
        .flag("local", path.route->is_local);
    if (path.route->gateway) route.text("gateway", path.route->gateway->to_string());
    if (path.route->source) route.text("source", path.route->source->to_string());
    if (path.route->mtu) route.integer("mtu", *path.route->mtu);
    return line.object("route", route)
        .text("next_hop", to_string(path.on_link))
        .ms("next_hop_heard_ms", path.on_link_heard);
}

JsonLine json_of(const InternetProof& proof) {
    JsonLine line{"internet"};
    line.text("state", to_string(proof.state)).ms("took_ms", proof.took);
    if (!proof.interface_name.empty()) line.text("interface", proof.interface_name);
    if (!proof.asked.address.is_unspecified()) line.text("asked", to_text(proof.asked));
    if (proof.status != 0) line.integer("status", proof.status);
    if (!proof.portal.empty()) line.text("portal", proof.portal);
    if (proof.failure)
        line.text("code", to_string(proof.failure->code())).text("error", proof.failure->message());
    return line;
}

/// The two faces of a path. With --watch, a person sees what differs from the path before.
class Face {
public:
    explicit Face(Output& output) : output_(output) {}

    void show(const NetworkPath& path) {
        output_.event(json_of(path));
        const std::vector<std::string> lines = lines_of(path);
        for (const std::string& line : lines)
            if (before_.empty()) output_.say(line);
        if (!before_.empty()) show_difference(lines);
        before_ = lines;
    }

private:
    void show_difference(const std::vector<std::string>& lines) {
        for (const std::string& line : before_)
            if (std::ranges::find(lines, line) == lines.end())
                output_.say(output_.paint(Colour::red, "- " + line));
        for (const std::string& line : lines)
            if (std::ranges::find(before_, line) == before_.end())
                output_.say(output_.paint(Colour::green, "+ " + line));
    }
    std::vector<std::string> lines_of(const NetworkPath& path) const {
        std::vector<std::string> lines;
        const Colour colour = path.reason == PathReason::none ? Colour::green
                              : path.is_satisfied()           ? Colour::yellow
                                                              : Colour::red;
        const std::string why =
            path.reason == PathReason::none ? "" : ": " + std::string{explain(path.reason)};
        const std::string far = path.is_satisfied() && !(path.route && path.route->is_local)
                                    ? ", reaches " + std::string{to_string(path.reach)}
                                    : "";
        lines.push_back(output_.paint(colour, std::string{to_string(path.status)} + far) + why);
        if (path.route) lines.push_back(route_line(path, *path.route));
        std::vector<std::vector<std::string>> rows{
            {"INTERFACE", "KIND", "REACHES", "WHY NOT FURTHER", "METRIC"}};
        for (const PathInterface& each : path.interfaces)
            rows.push_back({printable(each.interface.name), std::string{to_string(each.interface.kind)},
                            std::string{to_string(each.reach)},
                            each.reason == PathReason::none
                                ? (each.reach == PathReach::everywhere ? "" : "no default route")
                                : std::string{to_string(each.reason)},
                            each.reach == PathReach::everywhere ? std::to_string(each.metric) : ""});
        if (rows.size() > 1)
            for (std::string& line : table_lines(rows, output_.width())) lines.push_back(std::move(line));
        for (const PathGateway& each : path.gateways)
            lines.push_back("gateway " + each.address.to_string() + " on " +
                            printable(name_of(path, each.interface)) + ": " +
                            std::string{to_string(each.proof)});
        std::string servers;
        for (const Endpoint& each : path.dns_servers) servers += " " + each.address.to_string();
        lines.push_back("DNS servers:" + (servers.empty()
                                              ? " none"
                                              : servers + (path.supports_dns ? "" : " (no route to them)")));
        return lines;
    }
    static std::string route_line(const NetworkPath& path, const PathRoute& route) {
        if (route.is_local) return "it is this machine";
        std::string line = "by " + printable(route.interface_name);
        line += route.gateway ? ", gateway " + route.gateway->to_string() : ", on the link";
        if (route.source) line += ", from " + route.source->to_string();
        return line + ", table " + std::to_string(route.table) +
               "; next hop: " + age_text(path.on_link, path.on_link_heard);
    }

    Output& output_;
    std::vector<std::string> before_;
};

class PathCommand final : public Command {
public:
    Manual manual() const override {
        return {.name = "path",
                .summary = "tells whether and how packets leave this machine, or get to a host",
                .purpose =
                    "Reads interfaces, routing tables, rules, neighbours and DNS servers, and says at once "
                    "how far packets "
                    "get, by which interface, and what stands in the way. Asks nobody but the kernel: "
                    "satisfied means that "
                    "packets leave, not that they arrive. With a host, the route that the kernel takes "
                    "there. --internet asks somebody: whether an answer comes from where it should, or from "
                    "a portal. The exit code is 4 if there is no way.",
                .examples = {{"muster path", "How far does this machine get?"},
                             {"muster path 192.168.4.1%wlan0",
                              "Would a socket that is bound to wlan0 reach the device there?"},
                             {"muster path --internet http://example.net/generate_204 --interface wlan0",
                              "Is the internet behind this Wi-Fi, or a page to sign in?"},
                             {"muster path --watch --json", "Every change, for a program:"}}};
    }
    void declare(CLI::App& app) override {
        app.add_option("HOST", host_, "A name or an address: 192.0.2.1, 192.0.2.1%eth0, fe80::1%eth0.")
            ->type_name("");
        add_flag(app, "-w,--watch", watch_, "Shows every change, until Ctrl-C.");
        add_paths(app, preferences_);
        add_selectors(app, "--constrained", preferences_.constrained,
                      "Little data is to go by this interface; repeat for more.");
        add_text(app, "--internet", "URL", url_, "Asks there, by HTTP, whether the internet is reached.");
        app.add_option("--expect", status_, "With --internet: the status of the right answer (204).")
            ->type_name("STATUS")
            ->needs("--internet");
        add_text(app, "--interface", "NAME", interface_, "With --internet: asks by this interface.");
        app.get_option("--interface")->needs("--internet");
        app.get_option("--internet")->excludes("--watch");
    }
    Exit run(const Context& context) override {
        asio::io_context io;
        PathMonitorOptions options;
        options.preferences = preferences_;
        if (!host_.empty()) {
            auto found = find_destination(io, host_);
            if (!found) return failed(context, found.error());
            options.remote = *found;
        }
        if (watch_) return watch(io, context, std::move(options));
        const Exit local = once(context, options);
        return url_.empty() ? local : std::max(local, ask_internet(io, context));
    }

private:
    static Exit exit_of(const NetworkPath& path) {
        return path.is_satisfied() ? Exit::ok : Exit::unreachable;
    }

    static Exit once(const Context& context, const PathMonitorOptions& options) {
        const auto path = options.remote ? path_to(*options.remote, options.preferences)
                                         : current_path(options.preferences);
        if (!path) return failed(context, path.error());
        Face{context.output}.show(*path);
        return exit_of(*path);
    }
    Exit ask_internet(asio::io_context& io, const Context& context) const {
        InternetProbe probe{url_};
        probe.status = status_;
        probe.interface = interface_;
        std::optional<Result<InternetProof>> told;
        verify_internet(io.get_executor(), std::move(probe),
                        [&](Result<InternetProof> proof) { told = std::move(proof); });
        io.run();
        if (!told) return Exit::interrupted;
        const Result<InternetProof>& proof = *told;
        if (!proof) return failed(context, proof.error());
        const bool is_fine = proof->state == InternetState::verified;
        context.output.event(json_of(*proof));
        context.output.say(context.output.paint(is_fine ? Colour::green : Colour::red, proof->explain()));
        return is_fine ? Exit::ok : Exit::unreachable;
    }
    static Exit watch(asio::io_context& io, const Context& context, PathMonitorOptions options) {
        Face face{context.output};
        auto monitor = PathMonitor::open(
            io.get_executor(), [&](const NetworkPath& path) { face.show(path); }, std::move(options));
        if (!monitor) return failed(context, monitor.error());
        face.show(monitor->current());
        context.output.on_gone([&] { io.stop(); });
        signals_of(io).async_wait([&](const boost::system::error_code&, int) { io.stop(); });
        io.run();
        context.output.on_gone({});
        return Exit::interrupted;
    }

    std::string host_, url_, interface_;
    unsigned status_ = 204;
    bool watch_ = false;
    PathPreferences preferences_;
};

}  // namespace

CommandPtr make_path() { return std::make_unique<PathCommand>(); }

}  // namespace muster::cli
