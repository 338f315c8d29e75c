// ZeroMQ on loopback TCP, PUSH to PULL, one thread and one context per end: throughput with messages of 64
// KiB, and messages of 100 octets (which libzmq batches by itself). In the clear, as most use it, and with
// CURVE.
#include <array>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <zmq.h>

#include "json_lines.h"

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kDuration = 2s;  // of each measurement

void need(bool ok, const char* what) {
    if (!ok) throw std::runtime_error(std::string("peer_zmq: ") + what + ": " + zmq_strerror(zmq_errno()));
}

struct KeyPair {
    std::array<char, 41> open{}, secret{};
    KeyPair() { need(zmq_curve_keypair(open.data(), secret.data()) == 0, "zmq_curve_keypair"); }
};

class Socket {
public:
    explicit Socket(int type) : context_(zmq_ctx_new()), socket_(zmq_socket(context_, type)) {
        need(socket_ != nullptr, "zmq_socket");
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() {
        zmq_close(socket_);
        zmq_ctx_term(context_);
    }

    void* get() { return socket_; }
    void set(int option, int value) {
        need(zmq_setsockopt(socket_, option, &value, sizeof value) == 0, "option");
    }
    void set(int option, const std::array<char, 41>& key) {
        need(zmq_setsockopt(socket_, option, key.data(), key.size()) == 0, "key");
    }

private:
    void* context_;
    void* socket_;
};

struct Outcome {
    double seconds;
    std::uint64_t messages;
};

Outcome measure(std::size_t size, bool encrypted) {
    const KeyPair server, client;
    Socket pull{ZMQ_PULL};
    if (encrypted) {
        pull.set(ZMQ_CURVE_SERVER, 1);
        pull.set(ZMQ_CURVE_SECRETKEY, server.secret);
    }
    need(zmq_bind(pull.get(), "tcp://127.0.0.1:*") == 0, "zmq_bind");
    std::array<char, 64> where{};
    std::size_t where_size = where.size();
    need(zmq_getsockopt(pull.get(), ZMQ_LAST_ENDPOINT, where.data(), &where_size) == 0, "zmq_getsockopt");

    std::uint64_t received = 0;
    std::thread receiver{[&] {
        std::vector<char> buffer(size);
        // An empty message is the last one.
        while (zmq_recv(pull.get(), buffer.data(), buffer.size(), 0) > 0) ++received;
    }};
    Socket push{ZMQ_PUSH};
    if (encrypted) {
        push.set(ZMQ_CURVE_SERVERKEY, server.open);
        push.set(ZMQ_CURVE_PUBLICKEY, client.open);
        push.set(ZMQ_CURVE_SECRETKEY, client.secret);
    }
    need(zmq_connect(push.get(), where.data()) == 0, "zmq_connect");
    const std::vector<char> message(size, 7);
    const auto start = Clock::now();
    while (Clock::now() - start < kDuration)
        for (int i = 0; i < 16; ++i)
            need(zmq_send(push.get(), message.data(), message.size(), 0) >= 0, "zmq_send");
    need(zmq_send(push.get(), "", 0, 0) == 0, "zmq_send");
    receiver.join();
    const std::chrono::duration<double> took = Clock::now() - start;
    return {took.count(), received};
}

void report(const char* peer, bool encrypted, muster::bench::JsonLines& out) {
    constexpr std::size_t kLarge = 64 * 1024;
    out.peer(peer);
    const Outcome stream = measure(kLarge, encrypted);
    const auto octets = stream.messages * kLarge;
    out.line("stream_throughput", static_cast<double>(octets) * 8 / stream.seconds / 1e9, "Gbit/s", octets);
    const Outcome small = measure(100, encrypted);
    out.line("messages_100_octets", static_cast<double>(small.messages) / small.seconds, "messages/s",
             small.messages);
}

}  // namespace

int main() {
    muster::bench::JsonLines out{"zmq"};
    report("zmq", false, out);
    if (zmq_has("curve")) report("zmq_curve", true, out);
}
