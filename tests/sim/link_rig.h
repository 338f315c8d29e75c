#pragma once

#include <gtest/gtest.h>

#include "link/candidates.h"
#include "link/link_engine.h"
#include "link/probe.h"
#include "sim/sim_node.h"

namespace muster {

inline constexpr std::uint16_t kPort = 4711;

/// A node with nothing but links: writes down what happens, echoes what arrives on streams.
class LinkNode final : public node::Core, public link::LinkEvents, public link::DeafLinkHandler {
public:
    LinkNode(sim::SimClock& clock, sim::SimNetwork& network, std::string name, std::uint8_t seed,
             bool accepts, Profile profile)
        : host(network.add_host(std::move(name))),
          station(clock, network, host, kPort),
          key(DeviceKey::from_seed(Bytes(32, std::byte{seed})).value()),
          engine(options(accepts, profile), network.random(host), station, *this) {}

    void dial(std::span<const Endpoint> endpoints, std::optional<DeviceId> expected, TimePoint now) {
        link::RaceOptions race;
        race.expected = expected;
        const link::DialId id = engine.dial(race, {}, now);
        for (const Endpoint& endpoint : endpoints) {
            const auto found = link::gather(endpoint, interfaces);
            engine.add_candidates(id, found.paths, now);
            for (const auto& [path, why] : found.ruled_out) engine.rule_out(id, path, why);
        }
        station.turn();
    }

    // node::Core
    void on_datagram(const link::Path& from, ByteView octets, std::uint8_t ecn, TimePoint now) override {
        if (tap) tap(octets);
        if (loses_heartbeats && link::heartbeat_tag(octets)) return;
        engine.on_datagram(from, octets, ecn, now_ = now);
    }
    void on_refused(const link::Path& path, SendRefusal refusal, TimePoint now) override {
        engine.on_refused(path, refusal, now);
    }
    void on_icmp(const IcmpReport& report, TimePoint now) override { engine.on_icmp(report, now_ = now); }
    void on_findings(const link::Path& path, const PathFindings& findings, TimePoint now) override {
        engine.on_findings(path, findings, now_ = now);
    }
    void on_interfaces(std::span<const Interface> all, TimePoint now) override {
        interfaces.assign(all.begin(), all.end());
        engine.on_interfaces(all, now_ = now);
    }
    void on_timer(TimePoint now) override { engine.on_timer(now_ = now); }
    TimePoint next_wakeup() const override { return engine.next_wakeup(); }
    bool flush(TimePoint now) override { return engine.flush(now_ = now); }

    // link::LinkEvents
    bool on_admit(const DeviceId& peer, std::optional<link::DialId>) override {
        return !admits || *admits == peer;
    }
    LinkHandler& on_link_up(link::LinkPort& up, const link::LinkFacts& told,
                            std::optional<link::DialId>) override {
        port = &up;
        facts = told;
        up_at = now_;
        risen.push_back(up.peer());
        return *this;
    }
    void on_path_changed(link::LinkPort&, const link::PathChange& change) override {
        moves.push_back(change);
        moved_at = now_;
    }
    void on_fault_found(const DeviceId&, const Error& why) override { faults_found.push_back(why); }
    void on_link_end(link::LinkPort& gone, const link::LinkEnd& how) override {
        port = nullptr;
        ended.push_back(gone.peer());
        end = how;
        end_at = now_;
    }
    void on_dial_failed(link::DialId, Error why) override { failure = std::move(why); }
    void on_stranger(link::DialId, const DeviceId&, const Endpoint&) override {}

    // link::LinkHandler
    using link::DeafLinkHandler::on_datagram;
    void on_stream_data(link::StreamId stream, ByteView data, bool fin) override {
        received += as_text(data);
        port->consume(stream, data.size());
        if (!echoes) return;
        port->write(stream, Slice::copy_of(data));
        if (fin) port->finish(stream);
    }

    std::string how_it_ended() const {
        if (!end) return "it did not";
        if (const auto* error = std::get_if<Error>(&*end)) return error->explain();
        return "closed: " + std::get<link::LinkClosed>(*end).reason;
    }
    bool lost(Errc code) const {
        const auto* error = end ? std::get_if<Error>(&*end) : nullptr;
        return error && error->code() == code;
    }

    sim::HostId host;
    sim::SimNode station;
    DeviceKey key;
    link::LinkEngine engine;
    std::vector<Interface> interfaces;
    std::optional<DeviceId> admits;
    bool echoes = false;
    bool loses_heartbeats = false;
    std::function<void(ByteView)> tap;  // sees every datagram that arrives

    link::LinkPort* port = nullptr;
    link::LinkFacts facts;
    TimePoint up_at{}, end_at{}, moved_at{};
    std::vector<link::PathChange> moves;
    std::vector<Error> faults_found;
    std::vector<DeviceId> risen, ended;  // the peers, in the order in which their links came and went
    std::optional<link::LinkEnd> end;
    std::optional<Error> failure;
    std::string received;

private:
    link::LinkOptions options(bool accepts, Profile profile) const {
        link::LinkOptions made{key};
        made.group = link::group_tag("stage");
        made.accepts = accepts;
        made.profile = profile;
        return made;
    }
    TimePoint now_{};
};

}  // namespace muster
