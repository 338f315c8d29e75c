#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include "base/duration_text.h"
#include "base/interfaces.h"
#include "net/why_parts.h"

namespace muster::net {
namespace {

using enum WhyCertainty;
using os::ProofFindings;
using Echo = ProofFindings::Echo;
using Port = ProofFindings::Port;
using Report = PathFindings::Report;
using Traffic = os::TappedTraffic;

// The kernel asks three times, a second apart; who has not answered the first time within one is not there.
constexpr Duration kTimeForNeighbour = std::chrono::milliseconds{900};

bool is_host_heard(const ProofFindings& proof) {
    return proof.ping == Echo::came || proof.other_port_answers || proof.host_reports ||
           proof.port == Port::open || proof.port == Port::closed;
}

/// What one way has brought, judged in the order of what is most certain. Each step says whether it explains everything.
class ProofJudgement {
public:
    ProofJudgement(const WhyFacts& facts, const WayFacts& way)
        : facts_(facts), way_(way), proof_(*way.proof) {}

    std::vector<WhyFinding> judge() {
        if (is_answered()) {
            judge_size();
        } else {
            (void)(judge_refusal() || judge_closed_port() || judge_report() || judge_wire() ||
                   judge_next_hop() || judge_reverse_path() || judge_silence());
        }
        return std::move(found_);
    }

private:
    bool find(WhyCause cause, WhyCertainty certainty, std::string signal) {
        found_.push_back({cause, certainty, name_of(facts_, way_.interface()), std::move(signal)});
        return true;
    }
    bool asks_port() const { return facts_.remote.port != 0; }
    bool is_local() const { return way_.answer.entry.action == os::RouteAction::deliver; }
    std::string host() const { return facts_.remote.address.to_string(); }
    std::string port_text() const {
        return std::string{facts_.asks_udp ? "UDP" : "TCP"} + " port " + std::to_string(facts_.remote.port);
    }

    bool is_answered() const {
        if (!asks_port()) return is_host_heard(proof_);
        if (proof_.port == Port::open) return true;
        // Programs are silent about what makes no sense to them; nobody listening would have been said.
        return facts_.asks_udp && proof_.port == Port::silent && proof_.other_port_answers &&
               proof_.port_refusal == 0;
    }

    void judge_size() {
        const bool is_lost = proof_.ping == Echo::came && proof_.large_ping == Echo::none;
        const bool is_told = proof_.path_mtu && *proof_.path_mtu < proof_.large_size;
        if (!is_lost || is_told || is_local()) return;
        find(WhyCause::mtu_black_hole, likely,
             "a ping of 64 octets is answered, two of " + std::to_string(proof_.large_size) +
                 " are not, and nobody says that they are too big");
    }

    /// The kernel did not take a packet.
    bool judge_refusal() {
        const int port = proof_.port_refusal;
        const bool is_port = asks_port() && port != 0;
        const int why = is_port                                      ? port
                        : asks_port() && proof_.port != Port::silent ? 0
                        : proof_.datagram_refusal != 0               ? proof_.datagram_refusal
                                                                     : proof_.ping_refusal;
        if (why == 0 || (!is_port && is_host_heard(proof_))) return false;
        const std::string words = std::generic_category().message(why);
        if (why == EPERM || why == EACCES) {
            const bool has_left = !is_port && asks_port() && has_wire() && sent(protocol()) > 0;
            return !has_left && find(WhyCause::own_firewall_out, is_refused_all() ? certain : likely,
                                     "the kernel refuses to send: " + words);
        }
        if (why == ENODEV || why == ENXIO || why == ENETDOWN)
            return find(WhyCause::interface_missing, certain, "the kernel refuses to send: " + words);
        if (why == EADDRNOTAVAIL)
            return find(WhyCause::no_address, certain, "the kernel refuses to send: " + words);
        return false;  // the route was judged already; what remains is the answer to an earlier packet
    }

    /// Not only what was sent beside the question for a port: that of TCP is refused without a word.
    bool is_refused_all() const {
        return !asks_port() || proof_.port_refusal != 0 || has_wire() ||
               (proof_.datagram_refusal != 0 && proof_.ping_refusal != 0);
    }

    bool judge_closed_port() {
        if (!asks_port() || proof_.port != Port::closed) return false;
        if (has_wire() && sent(protocol()) == 0)
            return find(WhyCause::own_firewall_out, certain,
                        "the refusal comes from this machine itself: nothing left it");
        return find(WhyCause::port_closed, certain, host() + " says that nobody listens on " + port_text());
    }

    /// An ICMP error says so.
    bool judge_report() {
        if (!proof_.report) return judge_errno();
        const auto& [to, report, reporter] = *proof_.report;
        const bool is_own = std::ranges::any_of(facts_.network.interfaces, [&](const Interface& each) {
            return std::ranges::find(each.addresses, reporter, &InterfaceAddress::address) !=
                   each.addresses.end();
        });
        const std::string who = reporter == facts_.remote.address ? "the host itself" : reporter.to_string();
        const bool is_filter = report == Report::prohibited || report == Report::no_port;
        if (is_own && is_filter && !is_local())
            return find(WhyCause::own_firewall_out, certain,
                        "this machine itself says that it is prohibited");
        if (is_own) return false;  // nobody has that address: the next hop is judged below
        if (is_filter && is_about_question(to))
            return find(WhyCause::filtered, certain, who + " says that it is prohibited");
        if (report == Report::no_host || report == Report::no_network)
            return find(
                WhyCause::router_refuses, certain,
                who + " says that it cannot reach the " + (report == Report::no_host ? "host" : "network"));
        return false;
    }

    /// Filters let one packet pass and not the other: what is said of port 9 or of pings is not said of the port that was asked for,
    /// unless that has failed as well.
    bool is_about_question(const Endpoint& to) const {
        const bool is_of_port = facts_.asks_udp && to.port == facts_.remote.port;
        return !asks_port() || is_of_port || proof_.port == Port::failed;
    }

    /// A connection tells what ICMP said, and not who.
    bool judge_errno() {
        if (proof_.port != Port::failed || is_next_hop_silent(facts_, way_)) return false;
        const std::string words = "connecting failed: " + std::generic_category().message(proof_.port_error);
        if (proof_.port_error == EHOSTUNREACH || proof_.port_error == ENETUNREACH ||
            proof_.port_error == EACCES) {
            if (is_host_heard(proof_))
                return find(WhyCause::filtered, certain, words + ", while the host answers");
            return find(WhyCause::router_refuses, likely, words);
        }
        return false;
    }

    // What passed the interface.

    Traffic::Protocol protocol() const {
        if (!asks_port()) return Traffic::Protocol::icmp;
        return facts_.asks_udp ? Traffic::Protocol::udp : Traffic::Protocol::tcp;
    }
    bool has_wire() const { return facts_.traffic.has_value() && !is_local(); }
    std::uint32_t sent(Traffic::Protocol protocol) const {
        std::uint32_t sum = 0;
        if (!facts_.traffic) return sum;
        for (const auto& each : facts_.traffic->counts)
            if (each.protocol == protocol && each.interface == way_.interface()) sum += each.sent;
        return sum;
    }

    /// What comes there answers what was sent there, by the other of the two ways.
    bool is_of_other_way(InterfaceIndex interface) const {
        const auto is_by_it = [&](const std::optional<WayFacts>& other) {
            return other && other->proof && &*other != &way_ && other->interface() == interface &&
                   other->interface() != way_.interface();
        };
        return is_by_it(facts_.plain) || is_by_it(facts_.other);
    }

    bool judge_wire() {
        if (!facts_.traffic || is_local() || is_next_hop_silent(facts_, way_)) return false;
        for (const auto& each : facts_.traffic->counts) {
            if (each.protocol != protocol() || each.came == 0 || is_of_other_way(each.interface)) continue;
            const std::string signal = std::to_string(each.came) + " answers came by " +
                                       name_of(facts_, each.interface) + ", and no socket got one";
            if (facts_.reverse_path_drops > 0)
                return find(WhyCause::rp_filter, certain, signal + "; " + drops_text());
            const bool is_deaf_there =
                way_.bound_to != InterfaceIndex::none && each.interface != way_.bound_to;
            if (is_deaf_there)
                return find(WhyCause::own_firewall_in, possible,
                            signal + ": it is bound to " + name_of(facts_, way_.bound_to));
            return find(WhyCause::own_firewall_in, certain, signal);
        }
        const bool was_asked = asks_port() || proof_.ping == Echo::none;
        if (sent(protocol()) > 0 || !was_asked) return false;
        return find(WhyCause::own_firewall_out, certain,
                    "the kernel takes packets, and none leaves the interface");
    }

    std::string drops_text() const {
        return "the kernel has dropped " + std::to_string(facts_.reverse_path_drops) +
               " packets because the way back leads elsewhere (IPReversePathFilter)";
    }

    /// The counter is the machine's: what others send, broadcasts above all, raises it as well. It says nothing where the wire
    /// was seen and nothing came, nor of packets that found no next hop (judged before).
    bool judge_reverse_path() {
        if (facts_.reverse_path_drops == 0 || has_wire()) return false;
        return find(WhyCause::rp_filter, likely, drops_text());
    }

    // Silence.

    bool judge_next_hop() {
        if (!way_.next_hop || !is_next_hop_silent(facts_, way_)) return false;
        const auto& hop = *way_.next_hop;
        const bool has_failed = hop.state == os::NeighbourEntry::State::failed;
        const bool is_gateway = hop.address != facts_.remote.address;
        return find(is_gateway ? WhyCause::gateway_silent : WhyCause::host_silent,
                    has_failed ? certain : likely,
                    hop.address.to_string() + " does not answer for its link-layer address" +
                        (has_failed ? "" : " within " + in_milliseconds(facts_.asked_for)));
    }

    bool judge_silence() {
        const bool is_on_link = !way_.answer.entry.hops.empty() && !way_.answer.entry.hops.front().gateway &&
                                way_.next_hop.has_value();
        if (asks_port() && is_host_heard(proof_))
            return find(WhyCause::filtered, facts_.asks_udp ? possible : likely,
                        host() + " answers, and its " + port_text() + " is silent");
        if (is_on_link)
            return find(WhyCause::filtered, likely,
                        host() + " answers for its link-layer address, and nothing else comes back");
        return find(WhyCause::lost_beyond, likely,
                    "packets leave, and nothing comes back within " + in_milliseconds(facts_.asked_for));
    }

    const WhyFacts& facts_;
    const WayFacts& way_;
    const ProofFindings& proof_;
    std::vector<WhyFinding> found_;
};

}  // namespace

bool has_answered(const WhyFacts&, const WayFacts& way) {
    using State = os::NeighbourEntry::State;
    const bool is_on_link =
        way.next_hop && !way.answer.entry.hops.empty() && !way.answer.entry.hops.front().gateway;
    return (way.proof && is_host_heard(*way.proof)) ||
           (is_on_link && way.next_hop->state == State::reachable);
}

bool is_next_hop_silent(const WhyFacts& facts, const WayFacts& way) {
    using State = os::NeighbourEntry::State;
    if (!way.next_hop || (way.proof && is_host_heard(*way.proof))) return false;
    const State state = way.next_hop->state;
    const bool is_asked = state == State::incomplete || state == State::probe;
    return state == State::failed || (is_asked && facts.asked_for >= kTimeForNeighbour);
}

std::vector<WhyFinding> judge_proof(const WhyFacts& facts, const WayFacts& way) {
    if (!way.proof) return {};
    return ProofJudgement{facts, way}.judge();
}

}  // namespace muster::net
