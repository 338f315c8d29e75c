// Fan-out through a mosquitto broker that this program starts for itself on a loopback port: one publisher,
// 100 subscribers, messages of 100 octets with QoS 0, in the clear. Counted are deliveries. The publisher
// stays at most a window ahead of the slowest subscriber, for a broker drops QoS 0 messages of clients that
// are slow; so what is measured is what can be delivered, not what can be thrown away.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <mosquitto.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json_lines.h"

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr int kSubscribers = 100;
constexpr auto kDuration = 3s;          // of each measurement
constexpr std::uint64_t kWindow = 500;  // messages
constexpr auto kPatience = 3s;          // for the broker to start, and to answer

void need(bool ok, const std::string& what) {
    if (!ok) throw std::runtime_error("peer_mosquitto: " + what + " failed");
}

int free_port() {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    need(::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
    need(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
    ::close(socket);
    return ntohs(address.sin_port);
}

class Broker {
public:
    explicit Broker(int port) {
        std::string pattern = (std::filesystem::temp_directory_path() / "muster-mosquitto-XXXXXX").string();
        directory_ = ::mkdtemp(pattern.data());
        const std::string config = directory_ + "/broker.conf";
        std::ofstream{config} << "listener " << port
                              << " 127.0.0.1\nallow_anonymous true\npersistence false\n"
                              << "log_type none\nset_tcp_nodelay true\nmax_queued_messages 0\n";
        child_ = ::fork();
        if (child_ == 0) {
            ::execlp("mosquitto", "mosquitto", "-c", config.c_str(), nullptr);
            ::execl("/usr/sbin/mosquitto", "mosquitto", "-c", config.c_str(), nullptr);
            ::_exit(127);
        }
    }
    Broker(const Broker&) = delete;
    Broker& operator=(const Broker&) = delete;
    ~Broker() {
        ::kill(child_, SIGTERM);
        ::waitpid(child_, nullptr, 0);
        std::filesystem::remove_all(directory_);
    }

private:
    std::string directory_;
    pid_t child_;
};

struct Destroyed {
    void operator()(mosquitto* client) const { mosquitto_destroy(client); }
};
using Client = std::unique_ptr<mosquitto, Destroyed>;

Client connected(int port, void* context) {
    Client client{mosquitto_new(nullptr, true, context)};
    const auto end = Clock::now() + kPatience;
    while (mosquitto_connect(client.get(), "127.0.0.1", port, 60) != MOSQ_ERR_SUCCESS) {
        need(Clock::now() < end, "connecting to the broker");
        std::this_thread::sleep_for(5ms);
    }
    return client;
}

enum class Reading {
    in_bulk,         // straight from the socket: shows what the broker can do
    by_libmosquitto  // packet by packet, as an application with its library would
};

// QoS 0 PUBLISH of 100 octets to "fan" (MQTT 3.1.1 section 3.3): fixed header 2, topic 2 + 3, payload.
constexpr std::size_t kPacket = 2 + 2 + 3 + 100;

/// All subscribers, turned by one thread once they are subscribed.
class Subscribers {
public:
    Subscribers(int port, Reading reading) : reading_(reading), counts_(kSubscribers), buffer_(64 * 1024) {
        for (auto& count : counts_) {
            clients_.push_back(connected(port, &count));
            mosquitto* client = clients_.back().get();
            mosquitto_message_callback_set(client, [](mosquitto*, void* count_of, const mosquitto_message*) {
                *static_cast<std::uint64_t*>(count_of) += kPacket;
            });
            subscribe(client);
            polled_.push_back({mosquitto_socket(client), POLLIN, 0});
        }
    }

    void turn() {
        if (::poll(polled_.data(), polled_.size(), 50) <= 0) return;
        for (std::size_t i = 0; i < polled_.size(); ++i)
            if ((polled_[i].revents & POLLIN) != 0) read(i);
        slowest.store(*std::ranges::min_element(counts_) / kPacket, std::memory_order_relaxed);
    }

    std::atomic<std::uint64_t> slowest{0};  ///< Messages that every subscriber has.

private:
    static void subscribe(mosquitto* client) {
        static bool subscribed;  // the one that is asking now
        subscribed = false;
        mosquitto_subscribe_callback_set(client,
                                         [](mosquitto*, void*, int, int, const int*) { subscribed = true; });
        need(mosquitto_subscribe(client, nullptr, "fan", 0) == MOSQ_ERR_SUCCESS, "subscribing");
        const auto end = Clock::now() + kPatience;
        while (!subscribed) {
            need(Clock::now() < end && mosquitto_loop(client, 50, 1) == MOSQ_ERR_SUCCESS, "subscribing");
        }
    }
    void read(std::size_t i) {
        if (reading_ == Reading::by_libmosquitto) {
            mosquitto_loop_read(clients_[i].get(), 1);
            return;
        }
        const auto size = ::recv(polled_[i].fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (size > 0) counts_[i] += static_cast<std::uint64_t>(size);
    }

    Reading reading_;
    std::vector<std::uint64_t> counts_;  // octets
    std::vector<char> buffer_;
    std::vector<Client> clients_;
    std::vector<pollfd> polled_;
};

class Publisher {
public:
    explicit Publisher(int port) : client_(connected(port, nullptr)) {}

    void send() {
        need(mosquitto_publish(client_.get(), nullptr, "fan", 100, payload_.data(), 0, false) ==
                 MOSQ_ERR_SUCCESS,
             "publishing");
        ++sent_;
    }
    void turn() {
        while (mosquitto_want_write(client_.get()))
            need(mosquitto_loop_write(client_.get(), 64) == MOSQ_ERR_SUCCESS, "writing");
        mosquitto_loop_read(client_.get(), 1);
        mosquitto_loop_misc(client_.get());
    }
    std::uint64_t sent() const { return sent_; }

private:
    Client client_;
    std::string payload_ = std::string(100, 'x');
    std::uint64_t sent_ = 0;
};

struct Outcome {
    double seconds;
    std::uint64_t sent, arrived;  // at every subscriber
};

Outcome measure(int port, Reading reading) {
    Subscribers subscribers{port, reading};
    std::atomic<bool> stop{false};
    std::thread reader{[&] {
        while (!stop.load(std::memory_order_relaxed)) subscribers.turn();
    }};
    Publisher publisher{port};
    const auto start = Clock::now();
    while (Clock::now() - start < kDuration) {
        const std::uint64_t ahead = publisher.sent() - subscribers.slowest;
        for (std::uint64_t i = ahead; i < kWindow; ++i) publisher.send();
        publisher.turn();
        if (ahead >= kWindow) std::this_thread::sleep_for(50us);
    }
    while (subscribers.slowest < publisher.sent() && Clock::now() - start < kDuration + 1s) publisher.turn();
    const std::chrono::duration<double> took = Clock::now() - start;
    stop = true;
    reader.join();
    return {took.count(), publisher.sent(), subscribers.slowest};
}

void report(const char* metric, const Outcome& outcome, muster::bench::JsonLines& out) {
    const std::uint64_t deliveries = outcome.arrived * kSubscribers;
    out.line(metric, static_cast<double>(deliveries) / outcome.seconds, "deliveries/s", deliveries);
    out.line("fan_out_lost", static_cast<double>(outcome.sent - outcome.arrived), "messages", outcome.sent);
}

}  // namespace

int main() {
    mosquitto_lib_init();
    muster::bench::JsonLines out{"mosquitto"};
    const int port = free_port();
    const Broker broker{port};
    report("fan_out_100_octets_to_100", measure(port, Reading::in_bulk), out);
    report("fan_out_100_octets_to_100_by_libmosquitto", measure(port, Reading::by_libmosquitto), out);
}
