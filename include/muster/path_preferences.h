#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muster/error.h"
#include "muster/interface.h"

namespace muster {

/// Which interfaces a session uses, and which it would rather use. Each entry is a *selector*: the name of an interface
/// ("eth0"), a pattern ("wl*"; `*` is any characters, `?` is one), or a kind ("kind:wifi"; the names of InterfaceKind).
/// It holds for everything that the session sends and takes: discovery, probes, links.
struct PathPreferences {
    PathPreferences() {}  // NOLINT(modernize-use-equals-default): not an aggregate (g++ 12.2)

    /// Only these are used, if there is an entry. What is on this machine itself is reached over "lo".
    std::vector<std::string> require;
    /// These carry no packet at all. Wins over `require`.
    std::vector<std::string> prohibit;
    /// Rather these than any others, whatever those cost.
    std::vector<std::string> prefer;
    /// These cost money, as those of kind cellular do: they are used when nothing cheaper works.
    std::vector<std::string> metered;
    /// Here the user wants little data to go (a low data mode). Told to the application (NetworkPath::is_constrained), whose matter it
    /// is what to leave out; a session does nothing of its own about it.
    std::vector<std::string> constrained;

    bool is_empty() const {
        return require.empty() && prohibit.empty() && prefer.empty() && metered.empty() &&
               constrained.empty();
    }
    bool operator==(const PathPreferences&) const = default;
};

/// What it costs to use a path, cheapest first: a link goes to a cheaper path as soon as that has been steady for a
/// second, however quick its own is.
enum class CostClass : std::uint8_t { wired, wifi, metered, relay };

/// Checks that each entry can be a selector. Errors: bad_input, which names the entry and lists the kinds.
Result<void> check_path_preferences(const PathPreferences& preferences);

/// Sets `prohibited` and `cost` of each interface as the preferences say.
void mark_interfaces(const PathPreferences& preferences, std::span<Interface> interfaces);

/// Checks that at least one interface (up or not, but not loopback unless it is required by name or kind) may be used.
/// Errors: no_interface, which says for each interface why not.
Result<void> check_satisfiable(const PathPreferences& preferences, std::span<const Interface> interfaces);

}  // namespace muster
