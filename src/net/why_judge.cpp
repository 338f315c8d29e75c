#include "net/why_judge.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "base/interfaces.h"
#include "net/why_parts.h"

namespace muster::net {
namespace {

using enum WhyCertainty;

/// True if packets to the host have an address to come from. A link-local IPv6 address reaches others on the link as well, but
/// only where nothing better is meant to be there.
bool has_address_for(const Interface& interface, const IpAddress& host) {
    bool has_any = false, has_fitting = false, waits_for_fitting = false;
    for (const InterfaceAddress& own : interface.addresses) {
        if (own.address.is_v6() != host.is_v6()) continue;
        const bool fits = host.is_v4() || own.address.is_link_local() == host.is_link_local();
        has_any |= !own.tentative;
        has_fitting |= fits && !own.tentative;
        waits_for_fitting |= fits && own.tentative;
    }
    return has_fitting || (has_any && !waits_for_fitting);
}

bool has_subnet(const Interface& interface, const IpAddress& host) {
    return std::ranges::any_of(interface.addresses, [&](const InterfaceAddress& own) {
        const bool is_one_address = own.prefix_length == (own.address.is_v6() ? 128 : 32);
        return !is_one_address && in_subnet(own, host);
    });
}

class Judgement {
public:
    explicit Judgement(const WhyFacts& facts) : facts_(facts) {}

    WhyAnswer judge() {
        out_.target = facts_.target;
        out_.remote = facts_.remote;
        if (judge_target()) return std::move(out_);
        const bool can_leave = judge_wanted() && judge_route();
        if (can_leave) judge_ways();
        judge_vanished();
        put_into_words(facts_, out_);
        return std::move(out_);
    }

private:
    void find(WhyCause cause, WhyCertainty certainty, const std::string& interface, std::string signal) {
        out_.findings.push_back({cause, certainty, interface, std::move(signal)});
    }
    bool v6() const { return facts_.remote.address.is_v6(); }
    const std::vector<Interface>& interfaces() const { return facts_.network.interfaces; }
    bool has_address(const Interface& interface) const {
        return has_address_for(interface, facts_.remote.address);
    }

    const Interface* named(const std::string& name) const {
        const auto found = std::ranges::find(interfaces(), name, &Interface::name);
        return found == interfaces().end() ? nullptr : &*found;
    }

    // What was asked for. True: nothing else can be said.

    bool judge_target() {
        if (!facts_.name_trouble.empty()) {
            find(WhyCause::name_unknown, certain, "", facts_.target + ": " + facts_.name_trouble);
            return true;
        }
        const bool is_scoped = facts_.remote.interface != InterfaceIndex::none || !facts_.wanted.empty();
        if (!v6() || !facts_.remote.address.is_link_local() || is_scoped) return false;
        std::string links;
        for (const Interface& each : interfaces())
            if (each.up && !each.loopback) links += (links.empty() ? "" : ", ") + each.name;
        find(WhyCause::no_scope, certain, "",
             facts_.remote.address.to_string() + " is on every link, and no interface is named" +
                 (links.empty() ? "" : "; the links here: " + links));
        return true;
    }

    // The interface by which it is expected. False: it cannot carry anything.

    bool judge_wanted() {
        if (facts_.wanted.empty()) return true;
        const Interface* const wanted = named(facts_.wanted);
        if (wanted == nullptr) {
            constexpr std::size_t kLongestName = 15;
            const bool is_too_long = facts_.wanted.size() > kLongestName;
            find(WhyCause::interface_missing, certain, facts_.wanted,
                 is_too_long ? "a name has at most 15 octets, and this one has " +
                                   std::to_string(facts_.wanted.size())
                             : "no interface has this name");
            return false;
        }
        if (!judge_interface(*wanted, certain)) return true;
        judge_detour();
        return false;
    }

    /// True if it was found why the interface carries nothing.
    bool judge_interface(const Interface& interface, WhyCertainty certainty) {
        const std::string& name = interface.name;
        if (!interface.up) {
            find(WhyCause::interface_down, certainty, name, "it is switched off");
            return true;
        }
        if (!interface.carrier) {
            find(
                WhyCause::no_carrier, certainty, name,
                "it is switched on, and its operational state is " + std::string{to_string(interface.state)});
            return true;
        }
        if (has_address(interface) || interface.loopback) return false;
        return judge_addresses(interface, certainty);
    }

    bool judge_addresses(const Interface& interface, WhyCertainty certainty) {
        const std::string& name = interface.name;
        const char* const family = v6() ? "IPv6" : "IPv4";
        const auto twice = std::ranges::find(facts_.duplicates, name, &os::DuplicateAddress::interface);
        const auto unused = std::ranges::find_if(interface.addresses, [&](const InterfaceAddress& own) {
            return own.address.is_v6() == v6() && own.tentative;
        });
        if (v6() && facts_.is_ipv6_disabled)
            find(WhyCause::ipv6_disabled, certainty, name, "disable_ipv6 is 1");
        else if (v6() && twice != facts_.duplicates.end())
            find(WhyCause::address_duplicate, certainty, name,
                 "duplicate address detection has failed for " + twice->address.to_string());
        else if (unused != interface.addresses.end())
            find(WhyCause::address_tentative, certainty, name,
                 unused->address.to_string() + " is still being checked");
        else
            find(WhyCause::no_address, certainty, name, std::string{"it has no "} + family + " address");
        return true;
    }

    /// The wanted interface carries nothing: where do packets go instead?
    void judge_detour() {
        if (facts_.plain && facts_.plain->answer.error == 0) judge_conflict(*facts_.plain, possible);
    }

    // The kernel's own word. False: packets do not leave.

    bool judge_route() {
        const WayFacts& way = primary();
        const bool is_foreign = way.bound_to != InterfaceIndex::none && judge_foreign_source(way);
        if (is_foreign) return false;
        const int error = way.answer.error;
        if (error == 0) return judge_leaving(way);
        const RouteOrigin origin = origin_of(facts_, way);
        const bool forbids = origin.rule && origin.rule->action != os::RoutingRule::Action::look_up;
        if (forbids) {
            find(WhyCause::rule_forbids, certain, "",
                 "the rule with priority " + std::to_string(origin.rule->priority) + " forbids it");
        } else if (error == EINVAL || error == EACCES || is_unreachable_route(origin)) {
            judge_forbidding(error, origin);
        } else {
            judge_absence();
        }
        return false;
    }

    static bool is_unreachable_route(const RouteOrigin& origin) {
        return origin.entry && origin.entry->action == os::RouteAction::unreachable;
    }

    void judge_forbidding(int error, const RouteOrigin& origin) {
        const WhyCause cause = error == EINVAL   ? WhyCause::blackhole
                               : error == EACCES ? WhyCause::prohibit
                                                 : WhyCause::unreachable;
        std::string signal = "the kernel refuses to route it";
        if (origin.entry)
            signal = std::string{to_string(origin.entry->action)} + " " + to_text(origin.entry->to) +
                     " stands in " + table_text(origin.entry->table);
        find(cause, certain, "", std::move(signal));
    }

    /// No line of the tables: because an interface that had one carries nothing, or at all.
    void judge_absence() {
        const char* const family = v6() ? "IPv6" : "IPv4";
        for (const Interface& each : interfaces())
            if (!each.loopback && has_subnet(each, facts_.remote.address) && judge_interface(each, certain))
                return;
        if (v6() && facts_.is_ipv6_disabled)
            return find(WhyCause::ipv6_disabled, certain, facts_.wanted,
                        "disable_ipv6 is 1 for all interfaces");
        const bool is_any_addressed = std::ranges::any_of(interfaces(), [&](const Interface& each) {
            return !each.loopback && each.up && each.carrier && has_address(each);
        });
        if (is_any_addressed) {
            find(WhyCause::no_route, certain, facts_.wanted,
                 std::string{"no line of the "} + family + " tables leads to " +
                     facts_.remote.address.to_string() + ", and there is no default route");
            return judge_unaddressed(possible);
        }
        judge_nearest();
        if (out_.findings.empty())
            find(WhyCause::interface_missing, certain, "", "there is no interface but loopback");
    }

    /// Nothing can carry it: the interface that is nearest to being able to.
    void judge_nearest() {
        const auto try_all = [&](auto is_candidate) {
            for (const Interface& each : interfaces())
                if (out_.findings.empty() && !each.loopback && is_candidate(each))
                    judge_interface(each, likely);
        };
        try_all([](const Interface& each) { return each.up && each.carrier; });
        try_all([](const Interface& each) { return each.up; });
        try_all([](const Interface&) { return true; });
    }

    bool judge_leaving(const WayFacts& way) {
        if (way.answer.entry.action == os::RouteAction::deliver) {
            if (!facts_.remote.address.is_loopback())
                find(WhyCause::own_address, certain, name_of(facts_, owner_of(facts_.remote.address)),
                     facts_.remote.address.to_string() + " is an address of this machine");
            return true;
        }
        const Interface* const by = find_interface(interfaces(), way.interface());
        if (by == nullptr) return true;
        if (by->up && by->carrier)
            return !v6() || !judge_interface(*by, certain);  // IPv4 may borrow an address
        if (by->kind == InterfaceKind::tunnel) {
            find(WhyCause::vpn, certain, by->name, "everything is to go through a tunnel that is not up");
            return false;
        }
        return !judge_interface(*by, certain);
    }

    InterfaceIndex owner_of(const IpAddress& address) const {
        for (const Interface& each : interfaces())
            if (std::ranges::find(each.addresses, address, &InterfaceAddress::address) !=
                each.addresses.end())
                return each.index;
        return InterfaceIndex::none;
    }

    /// A bound socket without an own address on its interface borrows another one's.
    bool judge_foreign_source(const WayFacts& way) {
        const auto& source = way.answer.entry.source;
        if (way.answer.error != 0 || !source || way.answer.entry.action == os::RouteAction::deliver)
            return false;
        const InterfaceIndex owner = owner_of(*source);
        if (owner == InterfaceIndex::none || owner == way.interface()) return false;
        const Interface* const lender = find_interface(interfaces(), owner);
        if (lender != nullptr && lender->loopback)
            return false;  // a router's own address, meant for all interfaces
        find(WhyCause::foreign_source, certain, name_of(facts_, way.interface()),
             "packets would carry " + source->to_string() + ", an address of " + name_of(facts_, owner));
        judge_detour();
        return true;
    }

    // What came back.

    /// The way that is asked about: bound, if an interface is wanted.
    const WayFacts& primary() const {
        if (facts_.other && (!facts_.wanted.empty() || !facts_.plain)) return *facts_.other;
        return facts_.plain ? *facts_.plain : nowhere_;
    }

    void judge_ways() {
        const WayFacts& way = primary();
        const bool is_detour = !facts_.wanted.empty() && facts_.plain && &way != &*facts_.plain &&
                               facts_.plain->answer.error == 0 &&
                               facts_.plain->interface() != way.interface();
        std::vector<WhyFinding> trouble = judge_proof(facts_, way);
        if (is_detour) judge_conflict(*facts_.plain, certain);
        const bool has_way = trouble.empty();
        if (!is_detour && !has_way) judge_alternatives(way);
        out_.findings.insert(out_.findings.end(), trouble.begin(), trouble.end());
        out_.reaches = has_way && !is_detour && way.proof.has_value();
        if (has_way || way.answer.entry.action == os::RouteAction::deliver) return;
        if (is_by_default(way)) judge_unaddressed(possible);
    }

    bool is_by_default(const WayFacts& way) const {
        const auto origin = origin_of(facts_, way);
        return origin.entry && origin.entry->to.length <= 1;
    }

    /// No interface was named, and the kernel's choice leads to silence: was another one meant?
    void judge_alternatives(const WayFacts& way) {
        if (!facts_.wanted.empty() || !facts_.other || has_answered(facts_, way)) return;
        judge_conflict(way, has_answered(facts_, *facts_.other) ? certain : likely);
    }

    /// Packets take `way`, and not the other interface. Why?
    void judge_conflict(const WayFacts& way, WhyCertainty certainty) {
        const Interface* const by = find_interface(interfaces(), way.interface());
        const std::string meant = !facts_.wanted.empty() ? facts_.wanted
                                  : facts_.other         ? name_of(facts_, facts_.other->bound_to)
                                                         : "";
        if (by == nullptr || by->name == meant || way.answer.entry.action == os::RouteAction::deliver) return;
        const RouteOrigin origin = origin_of(facts_, way);
        const Interface* const other = named(meant);
        const bool is_twice = has_subnet(*by, facts_.remote.address) && other != nullptr &&
                              has_subnet(*other, facts_.remote.address);
        const WhyCause cause = is_twice                            ? WhyCause::same_subnet
                               : by->kind == InterfaceKind::tunnel ? WhyCause::vpn
                                                                   : WhyCause::default_elsewhere;
        std::string signal = "packets leave by " + by->name;
        if (origin.entry) signal += ": " + line_text(*origin.entry);
        if (facts_.other && has_answered(facts_, *facts_.other) && facts_.other->interface() != by->index)
            signal += "; a socket that is bound to " + meant + " gets an answer";
        find(cause, certainty, by->name, std::move(signal));
    }

    static std::string line_text(const os::RouteEntry& entry) {
        std::string text = "its line " + to_text(entry.to) + " in " + table_text(entry.table) + " wins";
        if (entry.metric != 0) text += " (metric " + std::to_string(entry.metric) + ")";
        return text;
    }

    /// An interface that is connected and has no address: what is meant for its network follows other routes.
    void judge_unaddressed(WhyCertainty certainty) {
        for (const Interface& each : interfaces()) {
            const bool is_bare = !each.loopback && each.up && each.carrier && !has_address(each);
            const bool is_told = std::ranges::any_of(
                out_.findings, [&](const WhyFinding& finding) { return finding.interface == each.name; });
            if (is_bare && !is_told && each.master == InterfaceIndex::none) judge_addresses(each, certainty);
        }
    }

    void judge_vanished() {
        for (const std::string& name : facts_.vanished) {
            find(WhyCause::interface_missing, certain, name, "it went while it was asked");
            out_.reaches = false;
            std::ranges::rotate(out_.findings, out_.findings.end() - 1);
        }
    }

    static WayFacts no_way() {
        WayFacts way;
        way.answer.error = ENETUNREACH;
        return way;
    }

    const WhyFacts& facts_;
    const WayFacts nowhere_ = no_way();
    WhyAnswer out_;
};

}  // namespace

WhyAnswer judge(const WhyFacts& facts) { return Judgement{facts}.judge(); }

}  // namespace muster::net
