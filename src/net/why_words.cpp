#include <algorithm>
#include <string>
#include <utility>

#include "base/interfaces.h"
#include "net/why_parts.h"

namespace muster::net {
namespace {

using os::ProofFindings;
using Echo = ProofFindings::Echo;
using Port = ProofFindings::Port;

constexpr std::size_t kMostSeen = 64;

LinkProof proof_of(const WhyFacts& facts, const WayFacts& way) {
    using State = os::NeighbourEntry::State;
    if (!way.next_hop) return LinkProof::unknown;
    const State state = way.next_hop->state;
    if (state == State::reachable || state == State::permanent) return LinkProof::verified;
    return is_next_hop_silent(facts, way) ? LinkProof::failed : LinkProof::unknown;
}

std::string echo_text(Echo echo) {
    switch (echo) {
        case Echo::not_asked: return "not sent";
        case Echo::not_permitted: return "not permitted";
        case Echo::none: return "no answer";
        case Echo::came: return "answered";
    }
    return "not sent";
}

std::string port_text(Port port) {
    switch (port) {
        case Port::not_asked: return "not asked";
        case Port::silent: return "silent";
        case Port::open: return "open";
        case Port::closed: return "closed";
        case Port::failed: return "failed";
    }
    return "not asked";
}

std::string protocol_text(os::TappedTraffic::Protocol protocol) {
    switch (protocol) {
        case os::TappedTraffic::Protocol::icmp: return "ICMP";
        case os::TappedTraffic::Protocol::tcp: return "TCP";
        case os::TappedTraffic::Protocol::udp: return "UDP";
    }
    return "ICMP";
}

class Words {
public:
    Words(const WhyFacts& facts, WhyAnswer& out) : facts_(facts), out_(out) {}

    void put() {
        const WayFacts* const way = told_way();
        if (way != nullptr && way->answer.error == 0) put_way(*way);
        ask_questions(way);
        for (const Interface& each : facts_.network.interfaces)
            if (!each.loopback) see("interface", each.name, interface_text(each));
        if (facts_.plain) see_way("any socket", *facts_.plain);
        if (facts_.other) see_way("bound to " + name_of(facts_, facts_.other->bound_to), *facts_.other);
        see_wire();
        out_.unread = facts_.unread;
    }

private:
    void see(std::string phase, std::string subject, std::string finding) {
        if (out_.seen.size() < kMostSeen)
            out_.seen.push_back({std::move(phase), std::move(subject), std::move(finding)});
    }

    /// The one that any socket takes, if there is one.
    const WayFacts* told_way() const {
        if (facts_.plain && (facts_.plain->answer.error == 0 || !facts_.other)) return &*facts_.plain;
        return facts_.other ? &*facts_.other : nullptr;
    }

    void put_way(const WayFacts& facts) {
        WhyWay way;
        const auto origin = origin_of(facts_, facts);
        way.interface = name_of(facts_, facts.interface());
        if (!facts.answer.entry.hops.empty()) way.gateway = facts.answer.entry.hops.front().gateway;
        way.source = facts.answer.entry.source;
        way.table = facts.answer.entry.table;
        if (origin.rule) way.rule = origin.rule->priority;
        if (origin.entry) {
            way.prefix = to_text(origin.entry->to);
            way.made_by = maker_text(origin.entry->protocol);
        }
        const Interface* const by = find_interface(facts_.network.interfaces, facts.interface());
        way.mtu = facts.answer.entry.mtu.value_or(by != nullptr ? by->mtu : 0);
        if (facts.proof && facts.proof->path_mtu) way.mtu = std::min(way.mtu, *facts.proof->path_mtu);
        way.next_hop = proof_of(facts_, facts);
        if (facts.next_hop) way.mac = facts.next_hop->mac;
        out_.way = std::move(way);
        if (facts.proof && facts.proof->round_trip > Duration{}) out_.round_trip = facts.proof->round_trip;
    }

    // The four questions.

    void ask_questions(const WayFacts* way) {
        out_.questions.chosen = chosen(way);
        if (way == nullptr || way->answer.error != 0) {
            out_.questions.shown = "Nothing: packets do not leave.";
            return;
        }
        if (way->answer.entry.action != os::RouteAction::deliver) {
            out_.questions.rivals = rivals(*way);
            out_.questions.extent = extent();
        }
        out_.questions.shown = shown(*way);
    }

    std::string chosen(const WayFacts* way) const {
        if (way == nullptr || way->answer.error != 0) return "None: there is no route that may be used.";
        const auto origin = origin_of(facts_, *way);
        std::string text = name_of(facts_, way->interface());
        if (origin.entry) {
            text += ", by the line " + to_text(origin.entry->to) + " of " + table_text(origin.entry->table);
            const std::string maker = maker_text(origin.entry->protocol);
            if (!maker.empty()) text += " (made by: " + maker + ")";
        }
        if (origin.rule) text += ", to which rule " + std::to_string(origin.rule->priority) + " leads";
        if (facts_.wanted.empty()) return text + ".";
        return text +
               ". Neither the name of a Wi-Fi network nor the order of joining counts, but the longest "
               "prefix, and then the lowest metric.";
    }

    /// Other interfaces whose subnet has the host, or that have no address yet.
    std::string rivals(const WayFacts& way) const {
        std::string twins, bare;
        const auto add = [](std::string& list, const std::string& name) {
            list += (list.empty() ? "" : ", ") + name;
        };
        for (const Interface& each : facts_.network.interfaces) {
            if (each.loopback || each.index == way.interface() || !each.up) continue;
            const bool has_it = std::ranges::any_of(each.addresses, [&](const InterfaceAddress& own) {
                return in_subnet(own, facts_.remote.address);
            });
            if (has_it) add(twins, each.name);
            const bool is_bare = std::ranges::none_of(each.addresses, [&](const InterfaceAddress& own) {
                return own.address.is_v6() == facts_.remote.address.is_v6();
            });
            if (is_bare && each.carrier) add(bare, each.name);
        }
        if (!twins.empty()) return "Yes: " + twins + " has the same subnet; metric and order decide.";
        if (!bare.empty())
            return "Not now; " + bare + " has no address yet, and a longer prefix there would take it over.";
        return "No; it stays so until a route changes.";
    }

    std::string extent() const {
        const std::string name = facts_.wanted.empty() && out_.way ? out_.way->interface : facts_.wanted;
        const Interface* const by = find(name);
        if (by == nullptr) return "";
        std::string links;
        bool has_gateway = false;
        for (const os::RouteEntry& each : facts_.network.routing.routes) {
            const bool is_by =
                std::ranges::any_of(each.hops, [&](const auto& hop) { return hop.interface == by->index; });
            if (!is_by || each.action != os::RouteAction::forward ||
                each.is_v6 != facts_.remote.address.is_v6())
                continue;
            if (each.to.length == 0)
                has_gateway = true;
            else if (!each.to.address.is_multicast())
                links += (links.empty() ? "" : ", ") + to_text(each.to);
        }
        if (has_gateway) return name + " has a default route: it leads everywhere.";
        if (links.empty()) return name + " has no route at all: nothing is sent by it on its own account.";
        return name + " leads to " + links + " only: without a gateway nothing else goes by it.";
    }

    std::string shown(const WayFacts& way) const {
        const LinkProof hop = proof_of(facts_, way);
        std::string text = "That there is a route, which by itself promises nothing; the next hop: " +
                           std::string{to_string(hop)} + "; the host: ";
        text += out_.round_trip ? "answers" : "no answer";
        const auto& source = way.answer.entry.source;
        const Interface* const by = find_interface(facts_.network.interfaces, way.interface());
        const bool is_foreign =
            source && by != nullptr &&
            std::ranges::find(by->addresses, *source, &InterfaceAddress::address) == by->addresses.end();
        if (is_foreign && way.answer.entry.action != os::RouteAction::deliver)
            text += "; the source " + source->to_string() + " is of another interface";
        return text + ".";
    }

    // Evidence.

    const Interface* find(const std::string& name) const {
        const auto found = std::ranges::find(facts_.network.interfaces, name, &Interface::name);
        return found == facts_.network.interfaces.end() ? nullptr : &*found;
    }

    static std::string interface_text(const Interface& each) {
        std::string text = each.up ? (each.carrier ? "up" : "no carrier") : "off";
        for (const InterfaceAddress& own : each.addresses)
            text += ", " + own.address.to_string() + "/" + std::to_string(own.prefix_length) +
                    (own.tentative ? "?" : "");
        return text;
    }

    void see_way(const std::string& who, const WayFacts& way) {
        if (way.answer.error != 0) return see("route", who, "refused by the kernel");
        std::string text = "by " + name_of(facts_, way.interface());
        const auto& hops = way.answer.entry.hops;
        const auto gateway = hops.empty() ? std::nullopt : hops.front().gateway;
        if (gateway) text += ", gateway " + gateway->to_string();
        if (way.answer.entry.source) text += ", from " + way.answer.entry.source->to_string();
        see("route", who, text + ", " + table_text(way.answer.entry.table));
        if (way.next_hop)
            see("next hop", way.next_hop->address.to_string(),
                std::string{to_string(proof_of(facts_, way))} +
                    (way.next_hop->mac.empty() ? "" : ", " + way.next_hop->mac));
        if (!way.proof) return;
        const ProofFindings& proof = *way.proof;
        see("ping", who, echo_text(proof.ping));
        if (proof.large_ping != Echo::not_asked)
            see("ping", who + ", " + std::to_string(proof.large_size) + " octets",
                echo_text(proof.large_ping));
        see("datagram to a closed port", who, proof.other_port_answers ? "refused by the host" : "no answer");
        if (proof.port != Port::not_asked)
            see("port", who + ", " + std::to_string(facts_.remote.port) + (facts_.asks_udp ? "/udp" : "/tcp"),
                port_text(proof.port));
        if (proof.report)
            see("ICMP", proof.report->reporter.to_string(), std::string{to_string(proof.report->report)});
    }

    void see_wire() {
        if (facts_.reverse_path_drops > 0)
            see("counter", "IPReversePathFilter", "+" + std::to_string(facts_.reverse_path_drops));
        if (!facts_.traffic) return;
        for (const auto& each : facts_.traffic->counts)
            see("wire", name_of(facts_, each.interface),
                protocol_text(each.protocol) + ": " + std::to_string(each.sent) + " sent, " +
                    std::to_string(each.came) + " came");
    }

    const WhyFacts& facts_;
    WhyAnswer& out_;
};

}  // namespace

std::string name_of(const WhyFacts& facts, InterfaceIndex index) {
    const Interface* const found = find_interface(facts.network.interfaces, index);
    return found != nullptr ? found->name : "interface " + std::to_string(static_cast<std::uint32_t>(index));
}

RouteOrigin origin_of(const WhyFacts& facts, const WayFacts& way) {
    RouteAsker asker;
    asker.uid = facts.network.uid;
    asker.interface = way.bound_to;
    if (way.bound_to != InterfaceIndex::none) asker.interface_name = name_of(facts, way.bound_to);
    return origin_of(facts.network.routing, facts.remote.address, asker);
}

void put_into_words(const WhyFacts& facts, WhyAnswer& answer) { Words{facts, answer}.put(); }

}  // namespace muster::net
