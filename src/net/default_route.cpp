#include "net/default_route.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace muster::net {
namespace {

using os::RouteAction;
using os::RouteEntry;
using os::RoutingRule;

constexpr std::uint32_t kMainTable = 254;
constexpr int kMostJumps = 64;  // the kernel lets rules jump forward only

/// Whether a rule holds for a packet to everywhere, of a socket that is bound to nothing.
bool holds(const RoutingRule& rule, std::uint32_t uid) {
    if (rule.has_other_selector || !rule.in_interface.empty() || !rule.out_interface.empty())
        return rule.is_inverted;
    const bool is_marked = (rule.mark & rule.mark_mask) != 0;
    const bool is_other_user = rule.first_uid && (uid < *rule.first_uid || uid > rule.last_uid.value_or(~0U));
    const bool is_narrower = rule.from.has_value() || rule.to.has_value();
    return (is_marked || is_other_user || is_narrower) == rule.is_inverted;
}

/// The routes of a table to everywhere for packets of no special service, by metric and preference; both halves of the addresses count as one, and come first as their prefix is
/// longer.
std::vector<const RouteEntry*> routes_to_everywhere(const os::RoutingState& routing, bool v6,
                                                    std::uint32_t table,
                                                    std::optional<std::uint32_t> suppressed_length) {
    std::vector<const RouteEntry*> found;
    const auto collect = [&](std::uint8_t length) {
        std::vector<const RouteEntry*> fitting;
        for (const RouteEntry& route : routing.routes)
            if (route.is_v6 == v6 && route.table == table && route.tos == 0 && route.to.length == length &&
                route.to.address.is_unspecified())
                fitting.push_back(&route);
        std::ranges::sort(fitting, {}, [](const RouteEntry* each) {
            return std::tuple{each->metric, -each->preference, each};
        });
        found.insert(found.end(), fitting.begin(), fitting.end());
    };
    const bool has_upper_half = std::ranges::any_of(routing.routes, [&](const RouteEntry& route) {
        return route.is_v6 == v6 && route.table == table && route.to.length == 1 &&
               !route.to.address.is_unspecified();
    });
    if (has_upper_half && suppressed_length.value_or(0) < 1) collect(1);
    if (!suppressed_length) collect(0);
    return found;
}

/// Collects what the rules lead to, one after the other.
class Walk {
public:
    Walk(const os::RoutingState& routing, bool v6) : routing_(routing), is_v6_(v6) {}

    /// False: nothing after this rule is asked.
    bool follow(const RoutingRule& rule) {
        switch (rule.action) {
            case RoutingRule::Action::nothing: return true;
            case RoutingRule::Action::jump: next_ = rule.target; return ++jumps_ <= kMostJumps;
            case RoutingRule::Action::blackhole:
            case RoutingRule::Action::unreachable:
            case RoutingRule::Action::prohibit: decide(DefaultRoute::Outcome::rule_forbids); return false;
            case RoutingRule::Action::look_up: break;
        }
        for (const RouteEntry* route :
             routes_to_everywhere(routing_, is_v6_, rule.table, rule.suppressed_length)) {
            if (route->action == RouteAction::skip) return true;
            if (route->action != RouteAction::forward) {  // also for a socket that is bound to an interface
                decide(DefaultRoute::Outcome::route_forbids);
                return false;
            }
            for (const os::NextHop& hop : route->hops)
                if (!hop.is_dead) add({hop, rule.table, route->metric, route->source});
        }
        return true;
    }
    /// Rules before this priority are jumped over.
    std::uint32_t next() const { return next_; }
    DefaultRoute result() && { return std::move(result_); }

private:
    /// The first word counts.
    void decide(DefaultRoute::Outcome outcome) {
        if (!is_decided_) result_.outcome = outcome;
        is_decided_ = true;
    }
    void add(const DefaultHop& found) {
        decide(DefaultRoute::Outcome::found);
        const auto is_same = [&](const DefaultHop& other) { return other.hop == found.hop; };
        if (std::ranges::none_of(result_.hops, is_same)) result_.hops.push_back(found);
    }

    const os::RoutingState& routing_;
    bool is_v6_;
    bool is_decided_ = false;
    std::uint32_t next_ = 0;
    int jumps_ = 0;
    DefaultRoute result_;
};

}  // namespace

DefaultRoute default_route(const os::RoutingState& routing, bool v6, std::uint32_t uid) {
    Walk walk{routing, v6};
    const auto is_ours = [v6](const RoutingRule& rule) { return rule.is_v6 == v6; };
    if (std::ranges::none_of(routing.rules,
                             is_ours)) {  // a kernel that knows no rules, or a sandbox that hides them
        RoutingRule main;
        main.table = kMainTable;
        walk.follow(main);
    }
    for (const RoutingRule& rule : routing.rules) {
        const bool is_asked = is_ours(rule) && rule.priority >= walk.next() && holds(rule, uid);
        if (is_asked && !walk.follow(rule)) break;
    }
    return std::move(walk).result();
}

}  // namespace muster::net
