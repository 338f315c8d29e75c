// ZeroMQ with czmq's beacons, the parts that Zyre is made of: the coordinator is a ROUTER that says by beacon where it is,
// members are DEALERs that connect to whom they hear.
//
//   zmq_pulse host --interfaces=NAME[,...] [--port=N]
//   zmq_pulse join --name=NAME --interfaces=NAME[,...] [--port=N]
//
// Settings, and why they are the best that are reasonable:
//  - A beacon on every interface each 100 ms (Zyre: on one interface, each 1000 ms), so that a member knows at any moment
//    on which networks its coordinator can be heard.
//  - ZMQ_HEARTBEAT_IVL 100 ms, ZMQ_HEARTBEAT_TIMEOUT 300 ms: a heartbeat over TCP may need the kernel's first repetition
//    (200 ms after the loss), so less would break connections on one lost segment. ZMQ_TCP_MAXRT 500 ms as in
//    tcp_pulse.cpp, ZMQ_CONNECT_TIMEOUT 250 ms (RFC 8305), ZMQ_RECONNECT_IVL 10 ms.
//  - A member's socket connects to one address at a time, because a DEALER deals its messages out in turn to all that it
//    is connected to, dead or alive. The socket monitor tells when a connection is gone; the next one goes to the address
//    heard last. ZMQ_ROUTER_HANDOVER lets the coordinator take the new connection for the old name.
//  - No high-water mark. In the clear: CURVE would cost this peer two round trips.
#include <memory>

#include <czmq.h>

#include "peer_pulse.h"

using namespace muster::lab;

namespace {

constexpr int kBeaconPort = 4713, kBeaconMs = 100;
constexpr std::int64_t kTurnNs = 10'000'000;
constexpr std::int64_t kHeardLatelyNs = 350'000'000;  // three beacons
constexpr std::string_view kBeaconText = "MUSTER-LAB";

/// czmq's beacons, one for each interface: a beacon has one interface, which is a setting of the whole process.
class Beacons {
public:
    Beacons(const std::vector<std::string>& interfaces, bool is_coordinator) {
        for (const auto& name : interfaces) {
            zsys_set_interface(name.c_str());
            zactor_t* beacon = zactor_new(zbeacon, nullptr);
            zsock_send(beacon, "si", "CONFIGURE", kBeaconPort);
            char* host = zstr_recv(beacon);
            if (host == nullptr || *host == '\0') give_up("no beacon on " + name);
            zstr_free(&host);
            if (is_coordinator)
                zsock_send(beacon, "sbi", "PUBLISH", kBeaconText.data(), kBeaconText.size(), kBeaconMs);
            else
                zsock_send(beacon, "sb", "SUBSCRIBE", kBeaconText.data(), kBeaconText.size());
            beacons_.push_back(beacon);
        }
    }
    Beacons(const Beacons&) = delete;
    Beacons& operator=(const Beacons&) = delete;
    ~Beacons() {
        for (auto*& beacon : beacons_) zactor_destroy(&beacon);
    }

    const std::vector<zactor_t*>& actors() const { return beacons_; }
    void listen() {
        for (auto* beacon : beacons_)
            while ((zsock_events(beacon) & ZMQ_POLLIN) != 0) {
                char* address = zstr_recv(beacon);
                zframe_t* text = zframe_recv(beacon);
                if (address != nullptr && text != nullptr) heard_ns_[address] = now_ns();
                zframe_destroy(&text);
                zstr_free(&address);
            }
    }
    /// The address that was heard last, if it was lately; another than `but` if there is one.
    std::string best(const std::string& but) const {
        std::string best;
        std::int64_t best_ns = now_ns() - kHeardLatelyNs;
        for (const auto& [address, heard] : heard_ns_)
            if (address != but && heard > best_ns) std::tie(best, best_ns) = std::tie(address, heard);
        const auto same = heard_ns_.find(but);
        return best.empty() && same != heard_ns_.end() ? but : best;
    }

private:
    std::vector<zactor_t*> beacons_;
    std::map<std::string, std::int64_t> heard_ns_;
};

void set_habits(zsock_t* socket) {
    zsock_set_heartbeat_ivl(socket, 100);
    zsock_set_heartbeat_timeout(socket, 300);
    zsock_set_tcp_maxrt(socket, 500);
    zsock_set_linger(socket, 0);
    zsock_set_sndhwm(socket, 0);
    zsock_set_rcvhwm(socket, 0);
}

void poll_for(std::vector<pollfd>& polled, void* socket) {
    polled.push_back({static_cast<int>(zsock_fd(socket)), POLLIN, 0});
}

class Coordinator : public Transport {
public:
    Coordinator(PeerPulse& pulse, const Options& options)
        : pulse_(pulse), socket_(zsock_new(ZMQ_ROUTER)), beacons_(options.list("interfaces"), true) {
        set_habits(socket_);
        zsock_set_router_handover(socket_, 1);
        if (zsock_bind(socket_, "tcp://0.0.0.0:%d", static_cast<int>(options.number("port", 4712))) < 0)
            give_up("cannot listen");
        tell("hosting");
    }
    std::int64_t wait_for(std::vector<pollfd>& polled) override {
        poll_for(polled, socket_);
        return now_ns() + kTurnNs;
    }
    void turn(std::span<pollfd>) override {
        while ((zsock_events(socket_) & ZMQ_POLLIN) != 0) {
            zmsg_t* message = zmsg_recv(socket_);
            char* name = zmsg_popstr(message);
            zframe_t* payload = zmsg_first(message);
            pulse_.on_joined(name);
            pulse_.on_message(name,
                              {reinterpret_cast<const char*>(zframe_data(payload)), zframe_size(payload)});
            zstr_free(&name);
            zmsg_destroy(&message);
        }
    }
    bool send(const std::string& peer, const BeatBytes& beat) override {
        zmsg_t* message = zmsg_new();
        zmsg_addstr(message, peer.c_str());
        zmsg_addmem(message, beat.data(), beat.size());
        return zmsg_send(&message, socket_) == 0;
    }

private:
    PeerPulse& pulse_;
    zsock_t* socket_;
    Beacons beacons_;
};

class Member : public Transport {
public:
    Member(PeerPulse& pulse, const Options& options)
        : pulse_(pulse),
          options_(options),
          socket_(zsock_new(ZMQ_DEALER)),
          beacons_(options.list("interfaces"), false) {
        set_habits(socket_);
        zsock_set_connect_timeout(socket_, 250);
        zsock_set_reconnect_ivl(socket_, 10);
        zsock_set_identity(socket_, options.text("name", "member").c_str());
        monitor_ = zactor_new(zmonitor, socket_);
        for (const char* event : {"HANDSHAKE_SUCCEEDED", "DISCONNECTED", "CLOSED"})
            zstr_sendx(monitor_, "LISTEN", event, nullptr);
        zstr_send(monitor_, "START");
        zsock_wait(monitor_);
    }
    std::int64_t wait_for(std::vector<pollfd>& polled) override {
        poll_for(polled, socket_);
        poll_for(polled, monitor_);
        for (auto* beacon : beacons_.actors()) poll_for(polled, beacon);
        return now_ns() + kTurnNs;
    }
    void turn(std::span<pollfd>) override {
        beacons_.listen();
        while ((zsock_events(monitor_) & ZMQ_POLLIN) != 0) on_monitor();
        while ((zsock_events(socket_) & ZMQ_POLLIN) != 0) {
            zframe_t* payload = zframe_recv(socket_);
            pulse_.on_message("coordinator",
                              {reinterpret_cast<const char*>(zframe_data(payload)), zframe_size(payload)});
            zframe_destroy(&payload);
        }
        if (wants_other_) connect();
    }
    bool send(const std::string&, const BeatBytes& beat) override {
        zframe_t* frame = zframe_new(beat.data(), beat.size());
        const bool is_sent = zframe_send(&frame, socket_, ZFRAME_DONTWAIT) == 0;
        if (!is_sent) zframe_destroy(&frame);
        return is_sent;
    }

private:
    void connect() {
        const std::string address = beacons_.best(address_);
        if (address.empty()) return;
        wants_other_ = false;
        if (address == address_) return;  // nobody else is heard: the library itself tries this one again
        const std::string port = ":" + std::to_string(options_.number("port", 4712));
        if (!address_.empty()) zsock_disconnect(socket_, "tcp://%s%s", address_.c_str(), port.c_str());
        address_ = address;
        zsock_connect(socket_, "tcp://%s%s", address_.c_str(), port.c_str());
    }
    void on_monitor() {
        zmsg_t* message = zmsg_recv(monitor_);
        char* event = zmsg_popstr(message);
        char* value = zmsg_popstr(message);
        char* endpoint = zmsg_popstr(message);
        const bool is_ours =
            endpoint != nullptr && !address_.empty() && std::strstr(endpoint, address_.c_str()) != nullptr;
        if (event != nullptr && is_ours && std::string_view{event} == "HANDSHAKE_SUCCEEDED") {
            pulse_.on_path(address_);  // same network, so the laboratory knows which interface
            pulse_.on_joined("coordinator");
        } else if (event != nullptr && is_ours) {
            PeerPulse::on_lost_path(event);
            wants_other_ = true;
        }
        for (char* text : {event, value, endpoint}) zstr_free(&text);
        zmsg_destroy(&message);
    }

    PeerPulse& pulse_;
    const Options& options_;
    zsock_t* socket_;
    Beacons beacons_;
    zactor_t* monitor_ = nullptr;
    std::string address_;
    bool wants_other_ = true;
};

}  // namespace

int main(int argc, char** argv) {
    const Options options{argc - 1, argv + 1};
    zsys_handler_set(nullptr);  // signals end this program as they end others
    PeerPulse pulse{options};
    pulse.is_coordinator = is_host(argc, argv);
    std::unique_ptr<Transport> transport;
    if (pulse.is_coordinator)
        transport = std::make_unique<Coordinator>(pulse, options);
    else
        transport = std::make_unique<Member>(pulse, options);
    pulse.run(*transport);
}
