#pragma once

// What the programs in this folder share. Each does with somebody else's transport what muster_pulse does with Muster:
// a coordinator and each of its members send each other 100 numbered messages a second; standard output tells what
// happens, one JSON object a line, in the words of muster_pulse, and standard input takes its orders.
//
//   NAME_pulse host [--rate=100] ...
//   NAME_pulse join --name=NAME [--started-ns=N] ...
//
// Events: hosting, joined, first_message (the coordinator's, once for each member), path (a member's: the local address
// that it uses now), lost_path, summary, watched. Orders: report, watch, quiet.

#include <cstring>
#include <map>
#include <span>

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "../probe.h"
#include "../pulse_tally.h"

namespace muster::lab {

constexpr std::size_t kBeatSize = sizeof(Beat);
using BeatBytes = std::array<char, kBeatSize>;

class Transport;

/// Beats, counts and obeys; one thread.
class PeerPulse {
public:
    explicit PeerPulse(const Options& options) : options_(options), main_ns_(now_ns()) {}

    bool is_coordinator = false;

    /// From here on `peer` gets messages; a peer that comes back goes on where it was.
    void on_joined(const std::string& peer) {
        if (peers_.contains(peer)) return;
        peers_[peer] = {};
        boost::json::object facts{{"peer", peer}, {"main_ns", main_ns_}};
        facts["started_ns"] = options_.number("started-ns", main_ns_);
        tell(is_coordinator ? "peer_joined" : "joined", std::move(facts));
        next_ns_ = now_ns();
    }
    /// `payload` is one beat; others are left out.
    void on_message(const std::string& peer, std::string_view payload) {
        Beat beat;
        const auto found = peers_.find(peer);
        if (payload.size() != sizeof beat || found == peers_.end()) return;
        std::memcpy(&beat, payload.data(), sizeof beat);
        if (is_coordinator && !std::exchange(found->second.is_heard, true))
            tell("first_message", {{"peer", peer}});
        found->second.tally.on_arrival(beat.number, beat.sent_ns, now_ns());
    }
    /// A member uses this local address from here on.
    void on_path(const std::string& local) {
        if (std::exchange(local_, local) != local) tell("path", {{"local", local}});
    }
    static void on_lost_path(const std::string& why) { tell("lost_path", {{"why", why}}); }

    /// Never returns: the laboratory ends it.
    [[noreturn]] void run(Transport& transport);

private:
    struct Peer {
        PulseTally tally;
        std::uint64_t next = 0;
        bool is_heard = false;
    };

    void beat(Transport& transport);
    void read_orders();
    void obey(std::string_view order) {
        if (order == "quiet") is_quiet_ = true;
        for (auto& [name, peer] : peers_) {
            boost::json::object facts;
            if (order == "report") facts = peer.tally.summary(now_ns());
            if (order == "watch") facts = {{"longest_gap_ms", peer.tally.take_longest_gap(now_ns())}};
            if (facts.empty()) continue;
            facts["peer"] = name;
            tell(order == "report" ? "summary" : "watched", std::move(facts));
        }
    }

    const Options& options_;
    std::int64_t main_ns_, next_ns_ = 0;
    std::map<std::string, Peer> peers_;
    std::string orders_, local_;
    bool is_quiet_ = false;
};

/// How messages travel: what a peer program is about.
class Transport {
public:
    virtual ~Transport() = default;
    /// Adds what it waits for. Returns when it wants to be turned at the latest, as now_ns() counts.
    virtual std::int64_t wait_for(std::vector<pollfd>& polled) = 0;
    /// Does what there is to do; `polled` is what wait_for() added, with what poll() found.
    virtual void turn(std::span<pollfd> polled) = 0;
    /// Keeps the message if there is no way at present. False: it is dropped, which counts as unsent.
    virtual bool send(const std::string& peer, const BeatBytes& beat) = 0;
};

inline void PeerPulse::beat(Transport& transport) {
    next_ns_ += 1'000'000'000 / options_.number("rate", 100);
    for (auto& [name, peer] : peers_) {
        const Beat beat{.number = peer.next++, .sent_ns = now_ns()};
        BeatBytes bytes;
        std::memcpy(bytes.data(), &beat, sizeof beat);
        peer.tally.on_sent();
        if (!transport.send(name, bytes)) peer.tally.on_unsent();
    }
}

inline void PeerPulse::read_orders() {
    std::array<char, 512> piece;
    const ssize_t size = ::read(STDIN_FILENO, piece.data(), piece.size());
    if (size <= 0) std::_Exit(0);
    orders_.append(piece.data(), static_cast<std::size_t>(size));
    for (std::size_t end = 0; (end = orders_.find('\n')) != std::string::npos; orders_.erase(0, end + 1))
        obey(std::string_view{orders_}.substr(0, end));
}

inline void PeerPulse::run(Transport& transport) {
    ::signal(SIGPIPE, SIG_IGN);  // a peer that was killed is a connection that broke
    std::vector<pollfd> polled;
    next_ns_ = now_ns();
    while (true) {
        polled.assign({{STDIN_FILENO, POLLIN, 0}});
        const std::int64_t wanted = std::min(transport.wait_for(polled), next_ns_);
        const std::int64_t left = std::max<std::int64_t>(0, wanted - now_ns());
        const timespec patience{left / 1'000'000'000, left % 1'000'000'000};
        ::ppoll(polled.data(), polled.size(), &patience, nullptr);
        if (polled.front().revents != 0) read_orders();
        transport.turn(std::span{polled}.subspan(1));
        if (now_ns() < next_ns_) continue;
        if (is_quiet_ || peers_.empty())
            next_ns_ = now_ns() + 10'000'000;
        else
            beat(transport);
    }
}

/// Ends the program with a reason.
[[noreturn]] inline void give_up(std::string_view why) {
    tell("failed", {{"why", why}});
    std::exit(1);
}

/// "host" or "join" in front of the options; anything else ends the program.
inline bool is_host(int argc, char** argv) {
    const std::string_view role = argc > 1 ? argv[1] : "";
    if (role != "host" && role != "join") give_up("the first word is host or join");
    return role == "host";
}

}  // namespace muster::lab
