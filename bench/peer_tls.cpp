// The yardstick of "just a TLS socket": one TLS 1.3 connection over TCP on loopback, OpenSSL, one thread per
// end. Throughput of one stream, and messages of 100 octets with a length in front, written many at a time.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include "json_lines.h"

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kDuration = 3s;             // of each measurement
constexpr std::size_t kWrite = 64 * 1024;  // four full TLS records
constexpr std::size_t kMessage = 2 + 100;  // length and payload
constexpr std::size_t kBatch = kWrite / kMessage;

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* thing) const {
        Free(thing);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Connection = std::unique_ptr<SSL, Freed<SSL_free>>;

void need(bool ok, const char* what) {
    if (!ok) throw std::runtime_error(std::string("peer_tls: ") + what + " failed");
}

Context server_context() {
    Key key{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
    Certificate certificate{X509_new()};
    need(key && certificate, "making a key");
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    need(X509_sign(certificate.get(), key.get(), nullptr) > 0, "signing");
    Context context{SSL_CTX_new(TLS_server_method())};
    SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
    need(SSL_CTX_use_certificate(context.get(), certificate.get()) == 1, "taking the certificate");
    need(SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1, "taking the key");
    return context;
}

struct Listener {
    int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};

    Listener() {
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        need(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
        need(::listen(descriptor, 1) == 0, "listen");
        need(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
    }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() { ::close(descriptor); }
};

/// Takes octets until the other end closes, and counts whole messages as an application would: by their
/// lengths.
class Receiver {
public:
    void run(SSL_CTX* context, int listener) {
        const int socket = ::accept(listener, nullptr, nullptr);
        need(socket >= 0, "accept");
        Connection tls{SSL_new(context)};
        SSL_set_fd(tls.get(), socket);
        need(SSL_accept(tls.get()) == 1, "the server's handshake");
        std::vector<unsigned char> buffer(kWrite);
        for (int size = 0; (size = SSL_read(tls.get(), buffer.data(), static_cast<int>(buffer.size()))) > 0;)
            take(buffer.data(), static_cast<std::size_t>(size));
        ::close(socket);
    }

    std::atomic<std::uint64_t> octets{0}, messages{0};
    bool parse = false;

private:
    void take(const unsigned char* data, std::size_t size) {
        octets.fetch_add(size, std::memory_order_relaxed);
        if (!parse) return;
        std::uint64_t whole = 0;
        for (std::size_t at = 0; at < size;) {
            if (left_ == 0 && head_ < 2) {
                length_ = (length_ << 8) | data[at++];
                if (++head_ == 2) left_ = length_;
                continue;
            }
            const std::size_t part = std::min(left_, size - at);
            at += part;
            left_ -= part;
            if (left_ > 0) continue;
            ++whole;
            head_ = length_ = 0;
        }
        messages.fetch_add(whole, std::memory_order_relaxed);
    }

    std::size_t left_ = 0, head_ = 0, length_ = 0;
};

std::vector<unsigned char> batch_of_messages() {
    std::vector<unsigned char> batch;
    for (std::size_t i = 0; i < kBatch; ++i) {
        batch.insert(batch.end(), {0, 100});
        batch.insert(batch.end(), 100, static_cast<unsigned char>(i));
    }
    return batch;
}

struct Outcome {
    double seconds;
    std::uint64_t octets, messages;
};

Outcome measure(const std::vector<unsigned char>& piece, bool messages) {
    const Context server = server_context();
    const Context client{SSL_CTX_new(TLS_client_method())};
    const Listener listener;
    Receiver receiver;
    receiver.parse = messages;
    std::thread thread{[&] { receiver.run(server.get(), listener.descriptor); }};
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(
        ::connect(socket, reinterpret_cast<const sockaddr*>(&listener.address), sizeof listener.address) == 0,
        "connect");
    Connection tls{SSL_new(client.get())};
    SSL_set_fd(tls.get(), socket);
    need(SSL_connect(tls.get()) == 1, "the client's handshake");
    const auto start = Clock::now();
    while (Clock::now() - start < kDuration)
        need(SSL_write(tls.get(), piece.data(), static_cast<int>(piece.size())) > 0, "SSL_write");
    SSL_shutdown(tls.get());
    ::shutdown(socket, SHUT_WR);
    thread.join();  // until the last octet has arrived
    const std::chrono::duration<double> took = Clock::now() - start;
    ::close(socket);
    return {took.count(), receiver.octets, receiver.messages};
}

}  // namespace

int main() {
    muster::bench::JsonLines out{"tls_tcp"};
    const Outcome stream = measure(std::vector<unsigned char>(kWrite, 7), false);
    out.line("stream_throughput", static_cast<double>(stream.octets) * 8 / stream.seconds / 1e9, "Gbit/s",
             stream.octets);
    const Outcome small = measure(batch_of_messages(), true);
    out.line("messages_100_octets", static_cast<double>(small.messages) / small.seconds, "messages/s",
             small.messages);
}
