#pragma once

// What tests of the simulated network share: stations that keep what comes, and a network to put them on.

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sim/sim_network.h"

namespace muster::sim {

constexpr InterfaceIndex kEth0{2};

inline IpAddress ip(const char* text) { return *IpAddress::parse(text); }

struct Got {
    TimePoint when;
    Endpoint remote, local;
    std::string text;
    std::uint8_t hop_limit;
};

/// Keeps what comes, and answers every "ping".
class Recorder final : public Station {
public:
    Recorder(SimNetwork& network, HostId host) : network_(network), host_(host) {
        network.set_station(host, this);
    }

    void on_datagram(const Datagram& datagram, TimePoint now) override {
        got.push_back({now, datagram.remote, datagram.local, std::string{as_text(datagram.octets)},
                       datagram.hop_limit});
        if (got.back().text == "ping")
            network_.send(host_, {datagram.local, datagram.remote, as_bytes("pong"), 0, 0});
    }
    void on_interfaces(std::span<const Interface> now, TimePoint) override {
        interfaces.assign(now.begin(), now.end());
        ++told;
    }
    void on_timer(TimePoint now) override {
        woken.push_back(now);
        if (!stuck) wakeup = kNever;
    }
    TimePoint next_wakeup() const override { return wakeup; }
    bool flush(TimePoint) override {
        ++flushes;
        if (more == 0) return false;
        --more;
        return true;
    }

    std::vector<std::string> texts() const {
        std::vector<std::string> all;
        all.reserve(got.size());
        for (const auto& one : got) all.push_back(one.text);
        return all;
    }

    std::vector<Got> got;
    std::vector<Interface> interfaces;
    std::vector<TimePoint> woken;
    TimePoint wakeup = kNever;
    bool stuck = false;
    int told = 0, flushes = 0, more = 0;

private:
    SimNetwork& network_;
    HostId host_;
};

class SimNetworkTest : public testing::Test {
protected:
    /// A host on `lan` with a recorder.
    HostId host(LanId lan, AttachOptions options = {}) {
        const auto id = network_.add_host("host" + std::to_string(network_.hosts()));
        network_.attach(id, lan, std::move(options));
        stations_.push_back(std::make_unique<Recorder>(network_, id));
        return id;
    }
    Recorder& at(HostId id) { return *stations_[static_cast<std::size_t>(id)]; }
    IpAddress address(HostId id) { return network_.interfaces(id)[1].addresses[0].address; }

    os::SendStatus send(HostId from, const IpAddress& to, std::string_view text,
                        InterfaceIndex interface = kEth0) {
        return network_.send(from, {{{}, 1000, {}}, {to, 2000, interface}, as_bytes(text), 0, 0});
    }
    os::SendStatus send(HostId from, HostId to, std::string_view text) {
        return send(from, address(to), text);
    }

    /// For unicast every datagram that was sent has exactly one end.
    void expect_balance() {
        const auto& n = network_.counters();
        EXPECT_EQ(n[Fate::sent] + n[Fate::duplicated],
                  n[Fate::delivered] + n[Fate::lost] + n[Fate::queue_full] + n[Fate::too_big] +
                      n[Fate::blocked] + n[Fate::no_receiver] + n[Fate::down] + network_.in_flight());
    }

    SimClock clock_;
    SimNetwork network_{clock_, 1};
    std::vector<std::unique_ptr<Recorder>> stations_;
};

}  // namespace muster::sim
