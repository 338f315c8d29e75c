#pragma once

// A coordinator and members with every engine of the real ones, discovery included, in virtual time.

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/coordinator_core.h"
#include "node/group_names.h"
#include "node/member_core.h"
#include "session/memory_journal.h"
#include "sim/sim_node.h"

namespace muster::sim {

using namespace std::chrono_literals;

inline constexpr std::uint16_t kPort = 4711;
inline constexpr char kGroup[] = "stage";

inline DeviceKey key_of(std::uint32_t number) {
    Bytes seed(32);
    std::memcpy(seed.data(), &number, sizeof number);
    return DeviceKey::from_seed(seed).value();
}

template <class Listener>
class NoStreams : public Listener {
    void on_stream_opened(StreamHandle, const DeviceId&, ByteView) override {}
    void on_stream_data(StreamHandle, ByteView, bool) override {}
    void on_stream_reset(StreamHandle, std::uint64_t, std::string_view) override {}
    void on_stream_ended(StreamHandle, const Departure&) override {}
    void on_stream_writable(StreamHandle) override {}
    void on_stream_delivered(StreamHandle) override {}
};

/// Adds an event to the hash of a run.
inline void mix_in(std::uint64_t& hash, std::uint64_t number, TimePoint when) {
    hash = mix(mix(hash, number), static_cast<std::uint64_t>(when.time_since_epoch().count()));
}

struct Habits {
    // Most have nothing but a profile. NOLINTNEXTLINE(google-explicit-constructor,hicpp-explicit-conversions)
    Habits(Profile how) : profile(how) {}
    Habits(Profile how, const DeviceId& only) : profile(how), pin(only) {}

    Habits(Profile how, Duration patience) : profile(how), grace(patience) {}

    Profile profile;
    Duration grace{};
    std::optional<DeviceId> pin;  // the only coordinator that will do
    std::optional<Duration> patience{};
    bool is_durable = false;  // the coordinator has a journal
};

struct SimCoordinator final : NoStreams<session::CoordinatorListener> {
    SimCoordinator(SimClock& the_clock, SimNetwork& network, HostId host, const Habits& habits,
                   std::uint32_t number = 1)
        : clock(the_clock), node(the_clock, network, host, kPort), key(key_of(number)) {
        link::LinkOptions links{key};
        links.group = link::group_tag(kGroup);
        links.port = kPort;
        links.profile = habits.profile;
        session::CoordinatorOptions session;
        session.name = "coordinator";
        session.grace = habits.grace;
        core = node::CoordinatorCore::create(links, session, network.random(host), node, *this).value();
    }
    /// Takes up what another process left there. Before start().
    void keep_in(session::MemoryJournal& journal) {
        journal.on_written = [this] {
            core->session().on_journal_written(clock.now());
            node.turn();
        };
        const Error why{Errc::lost, "the process was started anew"};
        (void)core->session().start_journal(journal, journal.contents(), why, clock.now()).value();
    }
    void start() {
        node.start(*core);
        auto& discovery = node.discovery(node::host_label(key.id()));
        core->set_name_handler([this](const auto& verdict) { on_verdict(verdict); });
        const auto names = node::coordinator_names(kGroup, "coordinator", key.id(), kPort);
        own_name = discovery.advertise(names.own, [](const auto&) {}).value();
        shared_name =
            discovery.advertise(names.shared, [this](const auto& event) { on_name(event); }).value();
        node.turn();
    }
    void on_name(const discovery::AdvertiseEvent& event) {
        using Kind = discovery::AdvertiseEvent::Kind;
        if (event.kind == Kind::announced) core->on_name_announced();
        if (event.kind == Kind::announced) ++announced;
        if (event.kind == Kind::conflict)
            core->on_name_claimed(node::claim_of(event.holder, kGroup), clock.now());
    }
    void on_verdict(const node::NameVerdict& verdict) {
        verdicts.push_back({verdict.kind, clock.now()});
        if (verdict.kind == node::NameVerdict::Kind::probe_again)
            node.discovery({}).probe_again(shared_name.id);
    }
    std::size_t count(node::NameVerdict::Kind kind) const {
        return static_cast<std::size_t>(std::ranges::count(verdicts, kind, &Verdict::kind));
    }
    void on_join_request(const JoinRequest&) override {}
    void on_member_joined(const PeerInfo&) override {
        ++joined;
        last_join = clock.now();
        mix_in(hash, joined, last_join);
    }
    void on_member_left(const PeerInfo&, const Departure& how) override {
        ++left;
        lost += how.is_lost() ? 1 : 0;
        last_leave = clock.now();
        mix_in(hash, left, last_leave);
    }
    void on_message(const session::MessageView& message) override {
        ++messages;
        if (when_message) when_message(message);
        core->session().consume_messages(message.from, message.payload.size());
    }
    void on_undelivered(const Undelivered&) override {}
    void on_writable(const DeviceId&) override {}
    void on_interrupted(const PeerInfo&, const Error&) override { ++interrupted; }
    void on_resumed(const PeerInfo&) override { ++resumed; }
    void on_closed() override { closed = true; }

    SimClock& clock;
    SimNode node;
    DeviceKey key;
    std::unique_ptr<node::CoordinatorCore> core;
    struct Verdict {
        node::NameVerdict::Kind kind;
        TimePoint when;
    };
    discovery::Advertisement own_name, shared_name;
    std::vector<Verdict> verdicts;
    int announced = 0;  // the group's name
    std::size_t joined = 0, left = 0, lost = 0, messages = 0, interrupted = 0, resumed = 0;
    std::function<void(const session::MessageView&)> when_message;
    TimePoint last_join{}, last_leave{};
    std::uint64_t hash = 0;
    bool closed = false;
};

struct SimMember final : NoStreams<node::MemberCoreListener> {
    SimMember(SimClock& the_clock, SimNetwork& network, HostId host, std::uint32_t number,
              const Habits& habits)
        : clock(the_clock), node(the_clock, network, host, kPort), key(key_of(number)) {
        node::MemberCoreOptions options;
        options.group = kGroup;
        options.expected = habits.pin;
        options.pinned = habits.pin.has_value();
        if (habits.patience) options.patience = *habits.patience;
        link::LinkOptions links{key};
        links.profile = habits.profile;
        session::MemberOptions session;
        session.name = "member " + std::to_string(number);
        session.grace = habits.grace;
        core = node::MemberCore::create(options, links, session, {network.random(host), node}, *this).value();
    }
    void start() {
        started = clock.now();
        node.start(*core);
        core->start(started);
        discover();
        node.turn();
    }
    void discover() {
        auto& discovery = node.discovery(node::host_label(key.id()));
        const auto found = [this](const ServiceEvent& event, node::FoundBy by) {
            const auto id = node::coordinator_id(event.instance.txt, kGroup);
            if (event.kind != ServiceEvent::Kind::left)
                core->on_found(id, event.instance.endpoints, by, clock.now());
        };
        const auto by_name = [found](const auto& event) { found(event, node::FoundBy::unique_name); };
        const auto by_list = [found](const auto& event) { found(event, node::FoundBy::list); };
        watches.push_back(discovery.resolve_unique(node::unique_request(kGroup, {}), by_name).value());
        watches.push_back(discovery.browse(node::listing_request(kGroup), by_list).value());
    }
    /// Knows these endpoints and nothing else.
    void start_without_discovery(std::span<const Endpoint> at) {
        started = clock.now();
        node.start(*core);
        core->start(started);
        core->on_found({}, at, node::FoundBy::owner, started);
        core->on_all_found(started);
        node.turn();
    }
    void on_connected(const DeviceId&, const link::LinkFacts&) override {
        clock.after({}, [this] { watches.clear(); });
    }
    void on_session_forgotten(const Error&) override { ++forgotten; }
    void on_searching_again() override {
        ++searched_again;
        if (discovers_again) clock.after({}, [this] { discover(); });
    }
    void on_connect_failed(const Error& why) override {
        failure = why;
        failed_after = clock.now() - started;
    }
    void on_path_changed(const link::PathChange& change) override { moves.push_back(change); }
    void on_fault_found(const Error&) override {}
    void on_joined(const PeerInfo& coordinator) override {
        record(coordinator.id, seen::Joined{coordinator.name});
        joined = true;
        joined_at = clock.now();
    }
    void on_roster(const Roster& roster) override { peers = roster.peers.size(); }
    void on_peer_joined(const PeerInfo&) override {}
    void on_peer_left(const PeerInfo&, const Departure&) override {}
    void on_message(const session::MessageView& message) override {
        ++messages;
        if (when_message) when_message(message);
        core->session().consume_messages(message.payload.size());
    }
    void on_undelivered(const Undelivered&) override {}
    void on_writable() override {}
    void on_interrupted(const Error& why) override {
        record({}, seen::Interrupted{why});
        interrupted_at.push_back(clock.now());
        if (discovers_again)
            clock.after(node::kDiscoverAgainAfter, [this] {
                if (core->session().is_interrupted()) discover();
            });
    }
    void on_resumed() override {
        record({}, seen::Resumed{interrupted_at.empty() ? Duration{} : clock.now() - interrupted_at.back()});
        resumed_at.push_back(clock.now());
        clock.after({}, [this] { watches.clear(); });
    }
    void on_ended(const Departure& how) override {
        record({}, seen::Ended{how});
        ended = how;
        ended_at = clock.now();
    }

    /// As detail::SessionNode does it.
    void record(const std::optional<DeviceId>& peer, Seen what) {
        core->recorder().record(peer, std::move(what), clock.now());
    }
    Timeline timeline() { return core->recorder().read(clock.now()); }

    SimClock& clock;
    SimNode node;
    DeviceKey key;
    std::unique_ptr<node::MemberCore> core;
    std::vector<discovery::Subscription> watches;
    TimePoint started{}, joined_at{}, ended_at{};
    Duration failed_after{};
    bool joined = false;
    bool discovers_again = true;
    int searched_again = 0, forgotten = 0;
    std::vector<TimePoint> interrupted_at, resumed_at;
    std::function<void(const session::MessageView&)> when_message;
    std::size_t peers = 0, messages = 0;
    std::optional<Departure> ended;
    std::vector<link::PathChange> moves;
    std::optional<Error> failure;
};

struct World {
    World(std::uint64_t seed, std::uint32_t members, LanOptions lan_options = {},
          const Habits& how = Profile::balanced)
        : network(clock, seed), habits(how), lan(network.add_lan(lan_options)) {
        const auto host = network.add_host("coordinator");
        network.attach(host, lan);
        coordinator = std::make_unique<SimCoordinator>(clock, network, host, habits);
        if (habits.is_durable) coordinator->keep_in(journal);
        coordinator->start();
        for (std::uint32_t i = 0; i < members; ++i) {
            const auto at = network.add_host("member " + std::to_string(i));
            network.attach(at, lan);
            this->members.push_back(std::make_unique<SimMember>(clock, network, at, i + 2, habits));
        }
    }
    ~World() {
        for (auto& member : members) member->node.kill();
        coordinator->node.kill();
    }
    /// SIGKILL, and another process at once.
    void restart_coordinator() {
        const HostId host = coordinator->node.host();
        journal.crash();
        coordinator->node.kill();
        coordinator = std::make_unique<SimCoordinator>(clock, network, host, habits);
        coordinator->keep_in(journal);
        coordinator->start();
    }
    bool all_joined() const { return coordinator->joined == members.size(); }

    SimClock clock;
    SimNetwork network;
    Habits habits;
    LanId lan;
    session::MemoryJournal journal{
        [this](Duration delay, std::function<void()> what) { clock.after(delay, std::move(what)); }};
    std::unique_ptr<SimCoordinator> coordinator;
    std::vector<std::unique_ptr<SimMember>> members;
};

}  // namespace muster::sim
