#include "net/multicast_judge.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/interfaces.h"

namespace muster::net {
namespace {

using namespace std::chrono_literals;

// What a switch forwards again comes so soon, if it is sent often: the report takes no time, and the tap is read every 20 ms.
constexpr Duration kRevivalTakes = 200ms;

std::string times(std::uint64_t count, const char* what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::uint64_t came(const HeardOnLink& heard) { return std::max(heard.on_wire, heard.taken); }
std::uint64_t came(const LinkFacts& link) { return came(link.before) + came(link.after); }
bool carries(const LinkFacts& link) { return link.interface.up && link.interface.carrier; }
bool is_expected(const LinkFacts& link) { return !link.interface.prohibited; }

class Judgement {
public:
    explicit Judgement(const MulticastFacts& facts) : facts_(facts) {}

    MulticastDiagnosis judge() {
        for (const LinkFacts& link : facts_.links)
            if (link.is_refused) find(MulticastCause::blocked, link, "a join by this program was refused");
        const bool is_anywhere =
            std::ranges::any_of(facts_.links, [](const auto& link) { return came(link) > 0; });
        for (const LinkFacts& link : facts_.links)
            if (came(link) > 0) judge_arrival(link);
        if (!is_anywhere) judge_absence();
        judge_sockets();
        out_.arrives = is_anywhere && is_clear_;
        return std::move(out_);
    }

private:
    void find(MulticastCause cause, const std::string& interface, std::string signal) {
        out_.findings.push_back({cause, interface, std::move(signal)});
        is_clear_ = false;
    }
    void find(MulticastCause cause, const LinkFacts& link, std::string signal) {
        find(cause, link.interface.name, std::move(signal));
    }

    /// What may be worth knowing, and keeps nothing away.
    void note(MulticastCause cause, std::string signal) {
        out_.findings.push_back({cause, "", std::move(signal)});
    }

    // It comes by this interface.

    void judge_arrival(const LinkFacts& link) {
        const std::string count = times(came(link), "datagram");
        if (link.members == 0 || !is_expected(link)) return judge_elsewhere(link, count);
        if (is_kept_out(link)) {
            return find(MulticastCause::source_filter, link,
                        count + " came from " + link.senders.front().to_string() +
                            ", which the memberships here do not let in");
        }
        if (is_revived(link)) {
            return find(MulticastCause::switch_forgot, link,
                        "nothing came until the membership was announced afresh, then " +
                            times(link.after.on_wire, "datagram") + "; " + queries_text(link) +
                            "; it comes now, until the switch forgets it again (260 s usually)");
        }
        if (is_dropped(link)) return judge_drop(link);
    }

    /// Only what is on the wire tells: a socket of our own listens only since the announcement, and what this machine sends
    /// itself is never on the wire. One datagram may be one of a slow sender, and more that begin late are one that began.
    bool is_revived(const LinkFacts& link) const {
        if (!facts_.is_tapped || facts_.tap_losses > 0) return false;
        if (link.before.on_wire > 0 || link.after.on_wire < 2) return false;
        const auto count = static_cast<Duration::rep>(link.after.on_wire);
        return link.first_after <= std::max<Duration>(kRevivalTakes, facts_.listened_after / count);
    }

    void judge_elsewhere(const LinkFacts& link, const std::string& count) {
        const auto joined = std::ranges::find_if(facts_.links, [&](const LinkFacts& other) {
            return &other != &link && other.members > 0 && is_expected(other);
        });
        if (joined == facts_.links.end() && link.members > 0)
            return find(MulticastCause::sender_elsewhere, link, count + " came, where it is not expected");
        if (joined == facts_.links.end()) return judge_unjoined(link, count);
        if (came(*joined) > 0) return;  // it comes there as well
        const std::string where = count + " came by " + link.interface.name +
                                  ", and the group is joined on " + joined->interface.name;
        const bool is_astray = std::ranges::any_of(link.senders, [&](const IpAddress& sender) {
            const auto is_of = [&](const InterfaceAddress& own) {
                return !own.address.is_link_local() && in_subnet(own, sender);
            };
            return std::ranges::any_of(joined->interface.addresses, is_of) &&
                   std::ranges::none_of(link.interface.addresses, is_of);
        });
        if (is_astray) {
            return find(
                MulticastCause::sender_elsewhere, link,
                where + ", to whose network the sender " + link.senders.front().to_string() + " belongs");
        }
        find(MulticastCause::joined_elsewhere, link, where);
    }

    void judge_unjoined(const LinkFacts& link, const std::string& count) {
        if (std::exchange(is_unjoined_told_, true)) return;
        std::string signal = count + " came, and nobody here has joined the group on any interface";
        if (facts_.group_limit != 0 && facts_.groups_joined >= facts_.group_limit)
            signal += "; one socket may join " + times(facts_.group_limit, "group") +
                      " (igmp_max_memberships), and " + std::to_string(facts_.groups_joined) +
                      " others are joined by all programs together";
        find(MulticastCause::not_joined, link, std::move(signal));
    }

    /// Every sender that was seen, by every socket that has joined; not said if there may be more senders than are known.
    static bool is_kept_out(const LinkFacts& link) {
        if (link.senders.empty() || link.senders.size() >= LinkFacts::kMostSenders) return false;
        // So many sockets at least take only what is named; the kernel does not tell how many there are.
        std::uint32_t selective = 0;
        for (const SourceFacts& each : link.sources) selective = std::max(selective, each.including);
        return std::ranges::all_of(link.senders, [&](const IpAddress& sender) {
            const auto named = std::ranges::find(link.sources, sender, &SourceFacts::source);
            if (named == link.sources.end()) return selective >= link.members;
            return named->including == 0 && selective + named->excluding >= link.members;
        });
    }

    /// The kernel keeps to itself what the wire brought.
    bool is_dropped(const LinkFacts& link) const {
        if (!facts_.is_tapped || link.after.on_wire == 0) return false;
        if (facts_.has_own_socket) return link.has_ear && link.after.taken == 0;
        return is_filtered(link) || facts_.delivered < came(link);
    }

    /// The counter is of the whole machine: it rises for an interface that does not filter if another one does.
    bool is_filtered(const LinkFacts& link) const {
        return facts_.reverse_path_drops > 0 && link.rp_filter > 0;
    }

    void judge_drop(const LinkFacts& link) {
        const std::string count = times(came(link), "datagram") + " came, and no socket gets any";
        if (is_filtered(link)) {
            return find(MulticastCause::rp_filter, link,
                        count + "; the kernel has dropped " + times(facts_.reverse_path_drops, "packet") +
                            " because the way back leads elsewhere (IPReversePathFilter), and rp_filter is " +
                            std::to_string(link.rp_filter));
        }
        find(MulticastCause::firewall, link,
             count + "; " + times(facts_.group_packets, "packet") + " to groups passed the IP layer, and " +
                 std::to_string(facts_.delivered) + " were given to a protocol");
    }

    // It comes by no interface.

    void judge_absence() {
        for (const LinkFacts& link : facts_.links)
            if (is_expected(link) && link.members > 0 && !carries(link))
                find(MulticastCause::link_down, link,
                     link.interface.up ? "it has no carrier" : "it is switched off");
        for (const LinkFacts& link : facts_.links)
            for (const std::uint16_t port : link.other_ports)
                find(MulticastCause::wrong_port, link,
                     "the group is sent to port " + std::to_string(port) + ", and not to " +
                         std::to_string(facts_.port));
        if (!out_.findings.empty() || judge_unheard_drop()) return;
        find(MulticastCause::no_sender, "",
             "nothing came by any interface, also after the membership was announced afresh");
    }

    /// Without sight of the wire: what never came and what was dropped look alike, but for a counter.
    bool judge_unheard_drop() {
        const bool is_any_filtered = std::ranges::any_of(
            facts_.links, [&](const LinkFacts& link) { return is_expected(link) && is_filtered(link); });
        if (facts_.is_tapped || !is_any_filtered) return false;
        find(MulticastCause::rp_filter, "",
             "nothing reaches a socket, and the kernel has dropped " +
                 times(facts_.reverse_path_drops, "packet") +
                 " because the way back leads elsewhere (IPReversePathFilter)");
        return true;
    }

    // What the programs do.

    void judge_sockets() {
        if (!facts_.sockets_error.empty()) return;
        if (facts_.sockets.empty())
            find(MulticastCause::nobody_listens, "", "no UDP socket has port " + std::to_string(facts_.port));
        for (const SocketFacts& socket : facts_.sockets) judge_socket(socket);
        note_own_memberships();
        note_shared_port();
    }

    void judge_socket(const SocketFacts& socket) {
        const std::string who = name_of(socket);
        if (!may_hear(socket)) {
            if (has_other_that_may_hear(socket)) return;  // this one is for something else
            return find(MulticastCause::bound_to_unicast, "",
                        who + " is bound to " + socket.local.to_string() +
                            ", which gets nothing that is sent to a group");
        }
        if (const LinkFacts* bound = other_link(socket); bound != nullptr) {
            return find(MulticastCause::bound_to_other_interface, bound->interface.name,
                        who + " is bound to " + bound->interface.name + ", by which nothing comes");
        }
        if (socket.drops > 0) {
            find(MulticastCause::buffer_full, "",
                 "the kernel has dropped " + times(socket.drops, "datagram") + " of " + who +
                     " (buffer full, or broken)");
        }
    }

    bool may_hear(const SocketFacts& socket) const {
        return socket.local.is_unspecified() || socket.local == facts_.group;
    }

    bool has_other_that_may_hear(const SocketFacts& socket) const {
        return std::ranges::any_of(facts_.sockets, [&](const SocketFacts& other) {
            return other.owner == socket.owner && may_hear(other);
        });
    }

    /// The interface to which a socket is bound although the group comes by another, for which the same program has none;
    /// null if it is not so.
    const LinkFacts* other_link(const SocketFacts& socket) const {
        const auto bound = std::ranges::find_if(facts_.links, [&](const LinkFacts& link) {
            return link.interface.index == socket.bound_to && came(link) == 0;
        });
        if (bound == facts_.links.end()) return nullptr;
        for (const LinkFacts& link : facts_.links) {
            const auto covers = [&](const SocketFacts& other) {
                const bool is_open =
                    other.bound_to == InterfaceIndex::none || other.bound_to == link.interface.index;
                return is_open && may_hear(other) && other.owner == socket.owner;
            };
            if (came(link) > 0 && std::ranges::none_of(facts_.sockets, covers)) return &*bound;
        }
        return nullptr;
    }

    // Which sockets have joined the kernel does not tell: so this can be no more than a note.
    void note_own_memberships() {
        const auto hearing = static_cast<std::uint64_t>(
            std::ranges::count_if(facts_.sockets, [&](const auto& each) { return may_hear(each); }));
        if (members() == 0 || members() >= hearing) return;
        for (const SocketFacts& socket : facts_.sockets) {
            if (!may_hear(socket) || socket.hears_others_groups != false) continue;
            note(MulticastCause::not_own_membership,
                 name_of(socket) + " takes only what it has joined itself (IP_MULTICAST_ALL off), and of " +
                     times(hearing, "socket") + " with the port " + std::to_string(members()) +
                     " have joined");
        }
    }

    void note_shared_port() {
        std::string owners;
        std::uint64_t open = 0;
        for (const SocketFacts& socket : facts_.sockets) {
            if (!socket.local.is_unspecified()) continue;
            owners += (owners.empty() ? "" : ", ") + name_of(socket);
            ++open;
        }
        if (open < 2) return;
        note(MulticastCause::port_shared,
             times(open, "socket") + " have the port on every address: " + owners);
    }

    /// One socket may have joined on several interfaces, and count as often.
    std::uint64_t members() const {
        std::uint64_t sum = 0;
        for (const LinkFacts& link : facts_.links) sum += link.members;
        return sum;
    }

    static std::string name_of(const SocketFacts& socket) {
        return socket.owner.empty() ? "a program" : socket.owner;
    }

    std::string queries_text(const LinkFacts& link) const {
        return link.queries == 0 ? "no question for memberships was heard meanwhile"
                                 : times(link.queries, "question") + " for memberships came";
    }

    const MulticastFacts& facts_;
    MulticastDiagnosis out_;
    bool is_clear_ = true;
    bool is_unjoined_told_ = false;
};

/// Why a forgetful switch could not be told from a sender that is silent or slow; empty if it could, or nothing was lost.
std::string why_no_switch_seen(const MulticastFacts& facts, const LinkFacts& link) {
    if (!facts.is_tapped || link.members == 0 || link.before.on_wire > 0 || link.after.on_wire > 1) return {};
    if (link.after.on_wire == 1) return "one datagram is too little to tell; listen longer";
    const bool is_older = link.igmp_version == 1 || link.igmp_version == 2;
    return is_older ? "IGMPv" + std::to_string(link.igmp_version) +
                          " is spoken there, and the announcement was one of IGMPv3"
                    : "";
}

void list_facts(const MulticastFacts& facts, MulticastDiagnosis& out) {
    for (const LinkFacts& link : facts.links) {
        std::string text = carries(link) ? "" : "no carrier, ";
        text += (link.members == 0 ? "not joined" : "joined by " + times(link.members, "socket")) + ", " +
                times(came(link.before), "datagram") + " before and " + std::to_string(came(link.after)) +
                " after the membership was announced afresh";
        if (!link.senders.empty()) text += ", from " + link.senders.front().to_string();
        if (!is_expected(link)) text += ", not expected here";
        out.seen.push_back({"interface", link.interface.name, std::move(text)});
    }
    for (const SocketFacts& socket : facts.sockets) {
        std::string text = "bound to " + socket.local.to_string();
        if (socket.drops > 0) text += ", " + times(socket.drops, "datagram") + " dropped";
        out.seen.push_back({"socket", socket.owner.empty() ? "of a program" : socket.owner, std::move(text)});
    }
    for (const LinkFacts& link : facts.links)
        if (const std::string why = why_no_switch_seen(facts, link); !why.empty())
            out.unseen.push_back("whether a switch had forgotten the membership on " + link.interface.name +
                                 ": " + why);
    if (!facts.is_tapped)
        out.unseen.push_back("what comes before any filter of this machine: needs root (CAP_NET_RAW)");
    if (facts.tap_losses > 0)
        out.unseen.push_back(times(facts.tap_losses, "packet") + " of the wire: they came too fast");
    if (!facts.has_own_socket)
        out.unseen.push_back("what a socket of our own gets: the port cannot be shared");
    if (!facts.sockets_error.empty())
        out.unseen.push_back("the sockets of other programs: " + facts.sockets_error);
}

}  // namespace

bool has_enough(const MulticastFacts& facts, HeardOnLink LinkFacts::* period) {
    constexpr std::uint64_t kEnough = 5;
    bool is_any_joined = false, are_all_heard = true, is_any_heard = false;
    for (const LinkFacts& link : facts.links) {
        if (!is_expected(link)) continue;
        const bool is_heard = came(link.*period) >= kEnough;
        is_any_heard |= is_heard;
        if (link.members == 0) continue;
        is_any_joined = true;
        are_all_heard &= is_heard;
    }
    return is_any_joined ? are_all_heard : is_any_heard;
}

MulticastDiagnosis judge(const MulticastFacts& facts) {
    MulticastDiagnosis diagnosis = Judgement{facts}.judge();
    list_facts(facts, diagnosis);
    return diagnosis;
}

}  // namespace muster::net
