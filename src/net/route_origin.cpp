#include "net/route_origin.h"

#include <algorithm>

namespace muster::net {
namespace {

using os::RouteAction;
using os::RouteEntry;
using os::RoutingRule;

constexpr std::uint32_t kMainTable = 254, kLocalTable = 255, kDefaultTable = 253;
constexpr int kMostJumps = 64;  // the kernel lets rules jump forward only

bool holds(const RoutingRule& rule, const IpAddress& to, const RouteAsker& asker) {
    const bool fits_interface = (rule.in_interface.empty() || rule.in_interface == "lo") &&
                                (rule.out_interface.empty() || rule.out_interface == asker.interface_name);
    const bool fits_user =
        !rule.first_uid || (asker.uid >= *rule.first_uid && asker.uid <= rule.last_uid.value_or(~0U));
    const bool is_unmarked = (rule.mark & rule.mark_mask) == 0;
    const bool fits = !rule.has_other_selector && fits_interface && fits_user && is_unmarked && !rule.from &&
                      (!rule.to || rule.to->contains(to));
    return fits != rule.is_inverted;
}

bool leaves_by(const RouteEntry& route, InterfaceIndex interface) {
    if (interface == InterfaceIndex::none || route.action != RouteAction::forward) return true;
    return std::ranges::any_of(route.hops,
                               [&](const os::NextHop& hop) { return hop.interface == interface; });
}

/// The longest prefix, and of those the lowest metric, that is not dead.
const RouteEntry* look_up(const os::RoutingState& routing, const IpAddress& to, std::uint32_t table,
                          InterfaceIndex interface) {
    const RouteEntry* best = nullptr;
    for (const RouteEntry& route : routing.routes) {
        const bool is_dead = !route.hops.empty() &&
                             std::ranges::all_of(route.hops, [](const auto& hop) { return hop.is_dead; });
        if (route.is_v6 != to.is_v6() || route.table != table || is_dead || !route.to.contains(to) ||
            !leaves_by(route, interface))
            continue;
        const bool is_better = best == nullptr || route.to.length > best->to.length ||
                               (route.to.length == best->to.length && route.metric < best->metric);
        if (is_better) best = &route;
    }
    return best;
}

}  // namespace

RouteOrigin origin_of(const os::RoutingState& routing, const IpAddress& to, const RouteAsker& asker) {
    const auto is_ours = [&](const RoutingRule& rule) { return rule.is_v6 == to.is_v6(); };
    if (std::ranges::none_of(routing.rules, is_ours)) {  // a kernel that knows no rules
        const RouteEntry* const found = look_up(routing, to, kMainTable, asker.interface);
        return {std::nullopt, found == nullptr ? std::nullopt : std::optional{*found}};
    }
    std::uint32_t next = 0;
    int jumps = 0;
    for (const RoutingRule& rule : routing.rules) {
        if (!is_ours(rule) || rule.priority < next || !holds(rule, to, asker)) continue;
        switch (rule.action) {
            case RoutingRule::Action::nothing: continue;
            case RoutingRule::Action::jump:
                next = rule.target;
                if (++jumps > kMostJumps) return {};
                continue;
            case RoutingRule::Action::blackhole:
            case RoutingRule::Action::unreachable:
            case RoutingRule::Action::prohibit: return {rule, std::nullopt};
            case RoutingRule::Action::look_up: break;
        }
        const RouteEntry* const found = look_up(routing, to, rule.table, asker.interface);
        if (found == nullptr || found->action == RouteAction::skip) continue;
        if (rule.suppressed_length && found->to.length <= *rule.suppressed_length) continue;
        return {rule, *found};
    }
    return {};
}

std::string to_text(const os::Prefix& prefix) {
    if (prefix.length == 0) return "default";
    return prefix.address.to_string() + "/" + std::to_string(prefix.length);
}

std::string table_text(std::uint32_t table) {
    switch (table) {
        case kMainTable: return "main";
        case kLocalTable: return "local";
        case kDefaultTable: return "default";
        default: return "table " + std::to_string(table);
    }
}

std::string maker_text(std::uint8_t protocol) {
    switch (protocol) {  // rtnetlink(7), and /etc/iproute2/rt_protos for the rest
        case 0: return "";
        case 2: return "kernel";
        case 3: return "boot";
        case 4: return "static";
        case 9: return "ra";
        case 16: return "dhcp";
        default: return "protocol " + std::to_string(protocol);
    }
}

}  // namespace muster::net
