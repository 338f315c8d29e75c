#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "muster/timeline.h"

namespace muster {

/// Makes a scenario file (docs/LAB.md) of a timeline. The network: a switch for each network over which a peer was reached,
/// with addresses of its own. The faults: what happened to the own interfaces, and what was lost although they were fine, at
/// the member's end, or at the peer's if the peer said so.
class ReplayMaker {
public:
    explicit ReplayMaker(const Timeline& timeline);
    /// Once.
    Result<std::string> make();

private:
    static constexpr std::size_t kRenumbered = 77;  // the host's number after its address has changed

    struct Peer {
        DeviceId id;
        seen::Way first{};                                   // over which its first link stood
        std::set<std::pair<std::string, IpAddress>> ways{};  // own interface, its address
    };
    /// An own interface while it is relived.
    struct Own {
        std::string trouble;  // "cut", "down", "remove"; empty: it carries
        std::optional<std::set<IpAddress>> addresses;
        bool is_bare = false;  // new again, and has not got its addresses back yet
    };
    struct Trouble {
        std::string what, host;
        std::string interface{}, gone{}, address{};
        bool is_flow = false;
        Duration at{};
        std::optional<Duration> until{};  // none: it was not over at the end
    };
    /// What is open: on an own interface, for one peer or for all.
    using Hole = std::pair<std::optional<DeviceId>, std::string>;
    struct Addresses {
        std::size_t host = 0;
        bool has_v4 = false, has_v6 = false;
    };

    void survey(const TimelineEntry& entry);
    void note_interface(const Interface& interface);
    void note_way(const DeviceId& peer, const seen::Way& way);
    void number_switches();
    bool is_peer(const DeviceId& id) const;
    std::string name_of(const DeviceId& peer) const;
    std::string self() const;
    std::string peer_interface(const seen::Way& way) const;
    static std::string v4(std::size_t on_switch, std::size_t host);
    static std::string v6(std::size_t on_switch, std::size_t host);

    void relive(std::size_t index);
    void open(const Hole& hole, Duration at, Trouble trouble);
    void close(const Hole& hole, Duration at);
    void on_interface(const seen::InterfaceChanged& changed, Duration at);
    void renumber(Own& own, const Interface& now, std::size_t on_switch, Duration at);
    bool was_renumbered(const seen::Way& way);
    bool carries(const std::string& interface) const;
    void lose(const DeviceId& peer, const seen::Way& way, Duration at, bool is_flow);
    void on_move(const DeviceId& peer, const seen::PathMoved& moved, Duration at);
    void on_link_end(const DeviceId& peer, const seen::LinkEnded& ended, std::size_t index, Duration at);
    bool stays_on(const std::string& interface, std::size_t after) const;
    void shorten_pauses();

    void write_own_host();
    void write_knowledge(const Peer& coordinator);
    void write_peer(const Peer& peer, std::size_t host);
    void write_interface(const std::string& name, std::size_t on_switch, const Addresses& addresses);
    void write(const Trouble& trouble);

    const Timeline& timeline_;
    std::optional<TimePoint> began_;  // the session
    std::vector<Peer> peers_;
    std::vector<std::string> used_;  // own interfaces that led to a peer, as they were first seen
    std::map<std::pair<DeviceId, IpAddress>, std::string> leads_to_;
    std::set<std::pair<std::string, std::string>> same_network_;
    std::map<std::string, std::size_t> switch_of_;
    std::size_t switches_ = 0;
    std::set<std::string> own_v4_, own_global_v6_;
    bool has_v6_ = false;
    std::map<std::string, Duration> round_trips_;

    std::map<std::string, Own> own_;
    std::map<Hole, std::size_t> open_;  // number of its trouble
    std::vector<Trouble> troubles_;
    Duration length_{};
    bool was_interrupted_ = false, was_lost_ = false;
    std::string text_;
};

}  // namespace muster
