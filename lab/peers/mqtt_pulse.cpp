// MQTT: coordinator and members are clients (libmosquitto) of a mosquitto broker that runs beside the coordinator.
//
//   mqtt_pulse host [--port=N]
//   mqtt_pulse join --name=NAME --at=ADDRESS[,...] [--port=N] [--patience-ms=500]
//
// Settings, and why they are the best that are reasonable:
//  - QoS 1 with persistent sessions (clean_session off): broker and client repeat what was not acknowledged when a client
//    comes back. Nothing limits how many messages are in flight or queued, here and in the broker's configuration.
//  - Keep-alive 5 s, the smallest that libmosquitto takes. As that is long, a member's socket also gets TCP_USER_TIMEOUT,
//    and a member that hears nothing for 500 ms connects anew, at the next of the broker's addresses at once: see
//    tcp_pulse.cpp for why 500. Without these two a silent path costs up to 7.5 s.
//  - MQTT in the clear: TLS would cost this peer another round trip.
#include <deque>
#include <memory>

#include <arpa/inet.h>
#include <mosquitto.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "peer_pulse.h"

using namespace muster::lab;

namespace {

constexpr int kKeepAliveSeconds = 5;
constexpr std::int64_t kTurnNs = 10'000'000;  // for what the library does by the clock
constexpr std::string_view kToCoordinator = "up/", kToMembers = "down/";

class Client : public Transport {
public:
    Client(PeerPulse& pulse, const Options& options)
        : pulse_(pulse),
          options_(options),
          name_(pulse.is_coordinator ? "coordinator" : options.text("name", "member")),
          addresses_(pulse.is_coordinator ? std::vector<std::string>{"127.0.0.1"} : options.list("at")),
          patience_ns_(options.number("patience-ms", 500) * 1'000'000) {
        if (addresses_.empty()) give_up("--at is missing");
        mosquitto_lib_init();
        client_ = mosquitto_new(name_.c_str(), false, this);
        mosquitto_max_inflight_messages_set(client_, 0);
        mosquitto_int_option(client_, MOSQ_OPT_TCP_NODELAY, 1);
        mosquitto_connect_callback_set(client_, [](mosquitto*, void* self, int refused) {
            if (refused == 0) static_cast<Client*>(self)->on_connected();
        });
        mosquitto_subscribe_callback_set(client_, [](mosquitto*, void* self, int, int, const int*) {
            static_cast<Client*>(self)->on_subscribed();
        });
        mosquitto_message_callback_set(client_, [](mosquitto*, void* self, const mosquitto_message* message) {
            static_cast<Client*>(self)->on_message(*message);
        });
        connect();
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() override { mosquitto_destroy(client_); }

    std::int64_t wait_for(std::vector<pollfd>& polled) override {
        const int socket = mosquitto_socket(client_);
        if (socket >= 0)
            polled.push_back(
                {socket, static_cast<short>(mosquitto_want_write(client_) ? POLLIN | POLLOUT : POLLIN), 0});
        return now_ns() + kTurnNs;
    }
    void turn(std::span<pollfd> polled) override {
        int failure = mosquitto_socket(client_) < 0 ? MOSQ_ERR_NO_CONN : MOSQ_ERR_SUCCESS;
        if (!polled.empty() && (polled[0].revents & ~POLLOUT) != 0)
            failure = mosquitto_loop_read(client_, 100);
        if (failure == MOSQ_ERR_SUCCESS && mosquitto_want_write(client_))
            failure = mosquitto_loop_write(client_, 100);
        if (failure == MOSQ_ERR_SUCCESS) failure = mosquitto_loop_misc(client_);
        const bool is_silent = !pulse_.is_coordinator && now_ns() >= heard_ns_ + patience_ns_;
        if (failure == MOSQ_ERR_SUCCESS && !is_silent) return;
        if (std::exchange(is_up_, false))
            PeerPulse::on_lost_path(is_silent ? "silence" : mosquitto_strerror(failure));
        connect();
    }
    bool send(const std::string& peer, const BeatBytes& beat) override {
        const std::string topic =
            pulse_.is_coordinator ? std::string{kToMembers} + peer : std::string{kToCoordinator} + name_;
        // Without a connection the library keeps the message for the next one, and says so by this error.
        const int failure = mosquitto_publish(client_, nullptr, topic.c_str(), static_cast<int>(beat.size()),
                                              beat.data(), 1, false);
        return failure == MOSQ_ERR_SUCCESS || failure == MOSQ_ERR_NO_CONN;
    }

private:
    /// Tries the next address. The library's connect waits for the connection to stand, so a socket of ours tries first
    /// whether there is a way.
    void connect() {
        heard_ns_ = now_ns();
        for (std::size_t tried = 0; tried < addresses_.size(); ++tried) {
            const std::string& address = addresses_[attempt_++ % addresses_.size()];
            if (!answers(address)) continue;
            if (mosquitto_connect(client_, address.c_str(), port(), kKeepAliveSeconds) == MOSQ_ERR_SUCCESS)
                break;
        }
        const int socket = mosquitto_socket(client_);
        const auto timeout = static_cast<unsigned>(patience_ns_ / 1'000'000);
        if (socket >= 0) ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
        heard_ns_ = now_ns();
    }
    bool answers(const std::string& address) const {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<std::uint16_t>(port()));
        ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
        const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int failure = ::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 ? 0 : errno;
        pollfd waits{socket, POLLOUT, 0};
        if (failure == EINPROGRESS && ::poll(&waits, 1, 250) == 1) {  // RFC 8305, as in tcp_pulse.cpp
            socklen_t size = sizeof failure;
            ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &failure, &size);
        }
        ::close(socket);
        return failure == 0;
    }
    int port() const { return static_cast<int>(options_.number("port", 4712)); }

    void on_connected() {
        is_up_ = true;
        heard_ns_ = now_ns();
        sockaddr_in local{};
        socklen_t size = sizeof local;
        ::getsockname(mosquitto_socket(client_), reinterpret_cast<sockaddr*>(&local), &size);
        std::array<char, INET_ADDRSTRLEN> text{};
        pulse_.on_path(::inet_ntop(AF_INET, &local.sin_addr, text.data(), text.size()));
        if (is_subscribed_) return;  // the broker remembers
        const std::string topic =
            pulse_.is_coordinator ? std::string{kToCoordinator} + "+" : std::string{kToMembers} + name_;
        mosquitto_subscribe(client_, nullptr, topic.c_str(), 1);
    }
    void on_subscribed() {
        is_subscribed_ = true;
        if (pulse_.is_coordinator)
            tell("hosting");
        else
            pulse_.on_joined("coordinator");
    }
    void on_message(const mosquitto_message& message) {
        heard_ns_ = now_ns();
        const std::string_view topic{message.topic};
        const std::string_view payload{static_cast<const char*>(message.payload),
                                       static_cast<std::size_t>(message.payloadlen)};
        if (!pulse_.is_coordinator) return pulse_.on_message("coordinator", payload);
        const std::string from{topic.substr(kToCoordinator.size())};
        pulse_.on_joined(from);
        pulse_.on_message(from, payload);
    }

    PeerPulse& pulse_;
    const Options& options_;
    std::string name_;
    std::vector<std::string> addresses_;
    std::int64_t patience_ns_;
    mosquitto* client_ = nullptr;
    bool is_up_ = false, is_subscribed_ = false;
    std::int64_t heard_ns_ = 0;
    std::size_t attempt_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    const Options options{argc - 1, argv + 1};
    PeerPulse pulse{options};
    pulse.is_coordinator = is_host(argc, argv);
    Client client{pulse, options};
    pulse.run(client);
}
