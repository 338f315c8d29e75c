#include "muster/path_preferences.h"

#include <algorithm>
#include <array>

#include "base/interfaces.h"

namespace muster {
namespace {

constexpr std::string_view kKindPrefix = "kind:";
constexpr std::array kKinds{InterfaceKind::wired, InterfaceKind::wifi, InterfaceKind::cellular,
                            InterfaceKind::tunnel, InterfaceKind::loopback};
constexpr std::size_t kMaxSelectors = 64;     // in each list
constexpr std::size_t kMaxSelectorSize = 64;  // names of interfaces have 15 characters, aliases some more

/// `*` is any characters, `?` is one. Backtracks to the last star only: linear in practice, quadratic at worst.
bool fits(std::string_view text, std::string_view pattern) {
    std::size_t at = 0, next = 0, star = std::string_view::npos, resume = 0;
    while (at < text.size()) {
        if (next < pattern.size() && pattern[next] == '*') {
            star = next++;
            resume = at;
        } else if (next < pattern.size() && (pattern[next] == '?' || pattern[next] == text[at])) {
            ++at;
            ++next;
        } else if (star != std::string_view::npos) {
            next = star + 1;
            at = ++resume;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', next) == std::string_view::npos;
}

bool fits(const Interface& interface, std::string_view selector) {
    if (selector.starts_with(kKindPrefix))
        return selector.substr(kKindPrefix.size()) == to_string(interface.kind);
    return fits(interface.name, selector);
}

std::string list_of(const std::vector<std::string>& selectors) {
    std::string text;
    for (const std::string& each : selectors) text += (text.empty() ? "'" : ", '") + each + "'";
    return text;
}

CostClass class_of(const PathPreferences& preferences, const Interface& interface) {
    if (interface.kind == InterfaceKind::cellular || fits_any(interface, preferences.metered))
        return CostClass::metered;
    return interface.kind == InterfaceKind::wifi ? CostClass::wifi : CostClass::wired;
}

/// Why an interface is not to be used; empty if it may be.
std::string why_not(const PathPreferences& preferences, const Interface& interface) {
    if (fits_any(interface, preferences.prohibit)) return "prohibited";
    if (!preferences.require.empty() && !fits_any(interface, preferences.require)) return "not required";
    return "";
}

Result<void> check_selectors(std::string_view list, const std::vector<std::string>& selectors) {
    if (selectors.size() > kMaxSelectors)
        return Error{Errc::bad_input, std::string{list} + ": more than " + std::to_string(kMaxSelectors) +
                                          " selectors of interfaces"};
    for (const std::string& each : selectors) {
        const bool is_kind = each.starts_with(kKindPrefix);
        const auto has_name = [&](InterfaceKind kind) {
            return each.substr(kKindPrefix.size()) == to_string(kind);
        };
        const bool is_sane = !each.empty() && each.size() <= kMaxSelectorSize &&
                             each.find_first_of(" /\t\n") == std::string::npos;
        if (is_sane && (!is_kind || std::ranges::any_of(kKinds, has_name))) continue;
        return Error{Errc::bad_input, std::string{list} + ": '" + each + "' selects no interface"}.cure(
            "give a name like eth0, a pattern like wl*, or a kind: kind:wired, kind:wifi, kind:cellular, "
            "kind:tunnel or "
            "kind:loopback");
    }
    return {};
}

}  // namespace

bool fits_any(const Interface& interface, const std::vector<std::string>& selectors) {
    return std::ranges::any_of(selectors, [&](const std::string& each) { return fits(interface, each); });
}

std::string_view to_string(InterfaceKind kind) noexcept {
    switch (kind) {
        case InterfaceKind::wired: return "wired";
        case InterfaceKind::wifi: return "wifi";
        case InterfaceKind::cellular: return "cellular";
        case InterfaceKind::tunnel: return "tunnel";
        case InterfaceKind::loopback: return "loopback";
    }
    return "wired";
}

Result<void> check_path_preferences(const PathPreferences& preferences) {
    if (auto fine = check_selectors("require", preferences.require); !fine) return fine;
    if (auto fine = check_selectors("prohibit", preferences.prohibit); !fine) return fine;
    if (auto fine = check_selectors("prefer", preferences.prefer); !fine) return fine;
    if (auto fine = check_selectors("metered", preferences.metered); !fine) return fine;
    return check_selectors("constrained", preferences.constrained);
}

void mark_interfaces(const PathPreferences& preferences, std::span<Interface> interfaces) {
    constexpr unsigned kNotPreferred = static_cast<unsigned>(CostClass::relay) + 1;
    for (Interface& each : interfaces) {
        each.prohibited = !why_not(preferences, each).empty();
        const CostClass cost = class_of(preferences, each);
        each.is_metered = cost == CostClass::metered;
        each.is_constrained = fits_any(each, preferences.constrained);
        each.cost = static_cast<unsigned>(cost);
        if (!preferences.prefer.empty() && !fits_any(each, preferences.prefer)) each.cost += kNotPreferred;
    }
}

Result<void> check_satisfiable(const PathPreferences& preferences, std::span<const Interface> interfaces) {
    if (preferences.require.empty() && preferences.prohibit.empty()) return {};
    Error error{Errc::no_interface,
                preferences.require.empty()
                    ? "every interface is prohibited by " + list_of(preferences.prohibit)
                    : "no interface may be used: required is " + list_of(preferences.require)};
    for (const Interface& each : interfaces) {
        const std::string why = why_not(preferences, each);
        const bool is_asked_for = !each.loopback || !preferences.require.empty();
        if (why.empty() && is_asked_for) return {};
        error.saw({"interface", each.name,
                   std::string{to_string(each.kind)} + ": " + (why.empty() ? "only this machine" : why)});
    }
    return std::move(error.fault(Fault::blocked_by_policy))
        .cure(
            "require one of the interfaces that there are, by name, pattern (wl*) or kind (kind:wired), or "
            "prohibit fewer; one that is to come later cannot be required before it is there");
}

}  // namespace muster
