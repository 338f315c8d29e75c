#pragma once

// Options that the probes share, as the library takes them, and how a session's end is told.

#include <chrono>
#include <iterator>
#include <sstream>

#include "probe.h"

#include "muster/coordinator.h"
#include "muster/member.h"

namespace muster::lab {

/// --require, --prohibit, --prefer, --metered, each followed by a selector.
inline PathPreferences path_preferences(const std::vector<std::string>& words) {
    PathPreferences wanted;
    for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
        auto& list = words[i] == "--require"    ? wanted.require
                     : words[i] == "--prohibit" ? wanted.prohibit
                     : words[i] == "--metered"  ? wanted.metered
                                                : wanted.prefer;
        list.push_back(words[i + 1]);
    }
    return wanted;
}

inline std::vector<std::string> words_of(const std::string& text) {
    std::istringstream in{text};
    return {std::istream_iterator<std::string>{in}, {}};
}

inline PathPreferences path_preferences(const Options& options) {
    PathPreferences wanted;
    wanted.require = options.list("require");
    wanted.prohibit = options.list("prohibit");
    wanted.prefer = options.list("prefer");
    wanted.metered = options.list("metered");
    return wanted;
}

/// --group --name --profile --grace-ms --home --journal --fast-ipv6, and path preferences. Without a home the key is ephemeral.
template <class How>
How session_options(const Options& options, const std::string& name) {
    How how;
    how.group = options.text("group", "lab");
    how.name = options.text("name", name);
    how.identity = options.has("home") ? Identity::load(options.text("home")).value() : Identity::ephemeral();
    how.profile = options.profile();
    how.paths = path_preferences(options);
    if (options.has("grace-ms")) how.grace = std::chrono::milliseconds{options.number("grace-ms", 0)};
    how.journal = options.text("journal");
    how.fast_ipv6 = options.has("fast-ipv6");
    return how;
}

/// Those, --port and --no-advertise.
inline HostOptions host_options(const Options& options) {
    auto how = session_options<HostOptions>(options, "coordinator");
    how.port = static_cast<std::uint16_t>(options.number("port", 0));
    how.advertise = !options.has("no-advertise");
    return how;
}

/// Those, --at, --no-discover and --patience-ms.
inline JoinOptions join_options(const Options& options) {
    auto how = session_options<JoinOptions>(options, "member");
    how.at = options.list("at");
    how.discover = !options.has("no-discover");
    how.patience = std::chrono::milliseconds{options.number("patience-ms", 5000)};
    return how;
}

/// {"how", "code", "reason"}, and "error" if it was lost.
inline boost::json::object facts_of(const Departure& how) {
    if (how.is_closed())
        return {{"how", "closed"}, {"code", how.closed().code}, {"reason", how.closed().reason}};
    return {{"how", "lost"},
            {"code", to_string(how.cause().code())},
            {"reason", how.cause().message()},
            {"error", boost::json::parse(how.cause().to_json())}};
}

}  // namespace muster::lab
