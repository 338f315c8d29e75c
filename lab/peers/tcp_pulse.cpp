// TLS 1.3 over TCP, or over an MPTCP socket: what most would write who need one reliable connection that comes back.
//
//   tcp_pulse host [--port=N] [--mptcp]
//   tcp_pulse join --name=NAME --at=ADDRESS[,...] [--port=N] [--mptcp] [--patience-ms=500]
//
// Settings, and why they are the best that are reasonable:
//  - TCP_USER_TIMEOUT 500 ms: the kernel repeats after 200 ms at the earliest (its smallest RTO) and again after 400 ms, so
//    this is two losses in a row; less would break connections on one lost segment and its lost repetition.
//  - A member that has heard nothing for as long breaks the connection by itself: messages come all the time, and
//    TCP_USER_TIMEOUT alone took 1.9 s, because the kernel puts its first repetition off with each new message (tail
//    loss probe) until the congestion window is full.
//  - A connection that breaks is made anew at once, at the next of the coordinator's addresses; an attempt gets 250 ms (the
//    "connection attempt delay" of RFC 8305), because a SYN is repeated after a whole second only.
//  - The TLS session is resumed, Nagle is off. What was not given to the kernel yet is kept for the next connection.
//    What the kernel had taken is lost with the connection: TCP does not say what has arrived, and plain TLS has no
//    numbers of its own. Muster's messages have them.
//  - The far end's certificate is not judged (it is self-signed): that spares this peer time, Muster does it.
#include <deque>
#include <list>
#include <memory>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include "peer_pulse.h"

#ifndef IPPROTO_MPTCP
constexpr int IPPROTO_MPTCP = 262;
#endif

using namespace muster::lab;

namespace {

constexpr std::int64_t kAttemptNs = 250'000'000;
constexpr std::int64_t kPauseNs = 10'000'000;  // between attempts that fail at once (no route, refused)
constexpr std::size_t kMostKept = 10'000;      // messages; 100 s of them
constexpr std::int64_t kFarAwayNs = 3'600'000'000'000;

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* thing) const {
        Free(thing);
    }
};
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Tls = std::unique_ptr<SSL, Freed<SSL_free>>;
using TlsSession = std::unique_ptr<SSL_SESSION, Freed<SSL_SESSION_free>>;

Context make_context(bool is_server) {
    Context context{SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method())};
    SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_INTERNAL);
    if (!is_server) return context;
    std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>> key{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
    std::unique_ptr<X509, Freed<X509_free>> certificate{X509_new()};
    X509_set_version(certificate.get(), 2);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    X509_sign(certificate.get(), key.get(), nullptr);
    if (SSL_CTX_use_certificate(context.get(), certificate.get()) != 1 ||
        SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1)
        give_up("no certificate");
    return context;
}

int open_socket(const Options& options) {
    const int protocol = options.has("mptcp") ? IPPROTO_MPTCP : IPPROTO_TCP;
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (socket < 0) give_up("no socket: " + std::string{std::strerror(errno)});
    return socket;
}

std::int64_t patience_ns(const Options& options) { return options.number("patience-ms", 500) * 1'000'000; }

void set_habits(int socket, const Options& options) {
    const int on = 1;
    const auto timeout = static_cast<unsigned>(patience_ns(options) / 1'000'000);
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
}

sockaddr_in endpoint(const std::string& address, const Options& options) {
    sockaddr_in made{};
    made.sin_family = AF_INET;
    made.sin_port = htons(static_cast<std::uint16_t>(options.number("port", 4712)));
    if (::inet_pton(AF_INET, address.c_str(), &made.sin_addr) != 1) give_up("no address: " + address);
    return made;
}

/// One socket with TLS on it. Both ends first say who they are, in as many octets as a beat has.
class Connection {
public:
    enum class State { connecting, handshaking, up, broken };

    Connection(int socket, Tls tls, State state) : state_(state), socket_(socket), tls_(std::move(tls)) {
        SSL_set_fd(tls_.get(), socket);
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() { ::close(socket_); }

    State state() const { return state_; }
    const std::string& why() const { return why_; }
    SSL* tls() const { return tls_.get(); }

    pollfd wanted() const {
        const bool writes = state_ == State::connecting || wants_write_ || !unsent_.empty();
        return {socket_, static_cast<short>(writes ? POLLIN | POLLOUT : POLLIN), 0};
    }
    void send(const BeatBytes& frame) {
        unsent_.push_back(frame);
        write();
    }
    /// What a connection that broke had not given to the kernel, for the next one.
    std::deque<BeatBytes> take_unsent() { return std::exchange(unsent_, {}); }
    /// Calls on_frame(bytes) for each message that has come.
    template <class OnFrame>
    void turn(short found, OnFrame on_frame) {
        if (found == 0 || state_ == State::broken) return;
        if (state_ == State::connecting) finish_connect(found);
        if (state_ == State::handshaking) shake_hands();
        if (state_ != State::up) return;
        write();
        read(on_frame);
    }
    void break_off(std::string why) {
        state_ = State::broken;
        why_ = std::move(why);
    }
    std::string local_address() const {
        sockaddr_in local{};
        socklen_t size = sizeof local;
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&local), &size);
        std::array<char, INET_ADDRSTRLEN> text{};
        return ::inet_ntop(AF_INET, &local.sin_addr, text.data(), text.size());
    }

private:
    void finish_connect(short found) {
        if ((found & (POLLOUT | POLLERR | POLLHUP)) == 0) return;
        int failure = 0;
        socklen_t size = sizeof failure;
        ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &failure, &size);
        if (failure != 0) return break_off(std::strerror(failure));
        state_ = State::handshaking;
    }
    void shake_hands() {
        ERR_clear_error();  // SSL_get_error() would see what another connection has left
        const int result = SSL_do_handshake(tls_.get());
        if (result == 1)
            state_ = State::up;
        else
            judge(result);
    }
    void write() {
        ERR_clear_error();
        while (state_ == State::up && !unsent_.empty()) {
            const auto& frame = unsent_.front();
            const int size =
                SSL_write(tls_.get(), frame.data() + written_, static_cast<int>(kBeatSize - written_));
            if (size <= 0) return judge(size);
            written_ += static_cast<std::size_t>(size);
            if (written_ < kBeatSize) continue;
            written_ = 0;
            unsent_.pop_front();
        }
    }
    template <class OnFrame>
    void read(OnFrame on_frame) {
        std::array<char, 4096> piece;
        int size = 0;
        ERR_clear_error();
        while ((size = SSL_read(tls_.get(), piece.data(), piece.size())) > 0)
            unread_.append(piece.data(), static_cast<std::size_t>(size));
        judge(size);
        std::size_t at = 0;
        for (; at + kBeatSize <= unread_.size(); at += kBeatSize)
            on_frame(std::string_view{unread_}.substr(at, kBeatSize));
        unread_.erase(0, at);
    }
    void judge(int result) {
        const int error = SSL_get_error(tls_.get(), result);
        wants_write_ = error == SSL_ERROR_WANT_WRITE;
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE || state_ == State::broken) return;
        break_off(error == SSL_ERROR_SYSCALL && errno != 0 ? std::strerror(errno) : "closed by the far end");
    }

    State state_;
    int socket_;
    Tls tls_;
    std::deque<BeatBytes> unsent_;
    std::size_t written_ = 0;  // of the first of them
    std::string unread_, why_;
    bool wants_write_ = false;
};

class Server : public Transport {
public:
    Server(PeerPulse& pulse, const Options& options)
        : pulse_(pulse), options_(options), context_(make_context(true)), listener_(open_socket(options)) {
        const int on = 1;
        ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        const sockaddr_in all = endpoint("0.0.0.0", options);
        if (::bind(listener_, reinterpret_cast<const sockaddr*>(&all), sizeof all) != 0 ||
            ::listen(listener_, 64) != 0)
            give_up("cannot listen");
        tell("hosting");
    }
    std::int64_t wait_for(std::vector<pollfd>& polled) override {
        polled.push_back({listener_, POLLIN, 0});
        for (const auto& guest : guests_) polled.push_back(guest.connection->wanted());
        return now_ns() + kFarAwayNs;
    }
    void turn(std::span<pollfd> polled) override {
        std::size_t at = 1;
        for (auto& guest : guests_)
            guest.connection->turn(polled[at++].revents, [&](auto frame) { on_frame(guest, frame); });
        std::erase_if(guests_, [this](auto& guest) { return is_over(guest); });
        if (polled[0].revents != 0) accept();
    }
    bool send(const std::string& peer, const BeatBytes& beat) override {
        const auto guest =
            std::ranges::find_if(guests_, [&](const auto& g) { return g.name == peer && !g.is_old; });
        if (guest != guests_.end()) {
            guest->connection->send(beat);
            return true;
        }
        auto& kept = kept_[peer];
        if (kept.size() == kMostKept) return false;
        kept.push_back(beat);
        return true;
    }

private:
    struct Guest {
        std::unique_ptr<Connection> connection;
        std::string name;
        bool is_old = false;  // the member has come back on another connection
    };

    void accept() {
        const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (socket < 0) return;
        set_habits(socket, options_);
        Tls tls{SSL_new(context_.get())};
        SSL_set_accept_state(tls.get());
        guests_.push_back(
            {std::make_unique<Connection>(socket, std::move(tls), Connection::State::handshaking),
             {},
             false});
    }
    void on_frame(Guest& guest, std::string_view frame) {
        if (!guest.name.empty()) return pulse_.on_message(guest.name, frame);
        guest.name = std::string{frame.substr(0, frame.find('\0'))};
        for (auto& other : guests_) {
            if (&other == &guest || other.name != guest.name || other.is_old) continue;
            other.is_old = true;
            keep(other);
        }
        for (const auto& beat : std::exchange(kept_[guest.name], {})) guest.connection->send(beat);
        pulse_.on_joined(guest.name);
    }
    void keep(Guest& guest) {
        auto& kept = kept_[guest.name];
        for (const auto& beat : guest.connection->take_unsent()) kept.push_back(beat);
    }
    bool is_over(Guest& guest) {
        if (guest.connection->state() != Connection::State::broken) return guest.is_old;
        if (!guest.name.empty() && !guest.is_old) {
            PeerPulse::on_lost_path(guest.connection->why());
            keep(guest);
        }
        return true;
    }

    PeerPulse& pulse_;
    const Options& options_;
    Context context_;
    int listener_;
    std::list<Guest> guests_;
    std::map<std::string, std::deque<BeatBytes>> kept_;
};

class Client : public Transport {
public:
    Client(PeerPulse& pulse, const Options& options)
        : pulse_(pulse), options_(options), addresses_(options.list("at")), context_(make_context(false)) {
        if (addresses_.empty()) give_up("--at is missing");
        SSL_CTX_set_ex_data(context_.get(), 0, this);
        SSL_CTX_sess_set_new_cb(context_.get(), [](SSL* tls, SSL_SESSION* session) {
            static_cast<Client*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(tls), 0))->ticket_.reset(session);
            return 1;
        });
        connect();
    }
    std::int64_t wait_for(std::vector<pollfd>& polled) override {
        if (connection_) polled.push_back(connection_->wanted());
        return is_up_ ? heard_ns_ + patience_ns(options_) : deadline_ns_;
    }
    void turn(std::span<pollfd> polled) override {
        if (connection_ && !polled.empty()) {
            if (is_up_ && polled[0].revents != 0) heard_ns_ = now_ns();
            connection_->turn(polled[0].revents,
                              [this](auto frame) { pulse_.on_message("coordinator", frame); });
        }
        if (is_up_ && now_ns() >= heard_ns_ + patience_ns(options_)) connection_->break_off("silence");
        if (connection_ && !is_up_ && connection_->state() == Connection::State::up) on_up();
        if (connection_ && connection_->state() == Connection::State::broken) on_broken();
        if (!is_up_ && now_ns() >= deadline_ns_) {
            ++attempt_;
            connect();
        }
    }
    bool send(const std::string&, const BeatBytes& beat) override {
        if (is_up_) {
            connection_->send(beat);
            return true;
        }
        if (kept_.size() == kMostKept) return false;
        kept_.push_back(beat);
        return true;
    }

private:
    void connect() {
        const int socket = open_socket(options_);
        set_habits(socket, options_);
        const sockaddr_in to = endpoint(addresses_[attempt_ % addresses_.size()], options_);
        const bool begun =
            ::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 || errno == EINPROGRESS;
        const std::string why = begun ? "" : std::strerror(errno);
        Tls tls{SSL_new(context_.get())};
        SSL_set_connect_state(tls.get());
        if (ticket_) SSL_set_session(tls.get(), ticket_.get());
        connection_ = std::make_unique<Connection>(socket, std::move(tls), Connection::State::connecting);
        deadline_ns_ = now_ns() + kAttemptNs;
        if (!begun) connection_->break_off(why);
    }
    void on_up() {
        is_up_ = true;
        heard_ns_ = now_ns();
        BeatBytes hello{};
        options_.text("name", "member").copy(hello.data(), hello.size());
        connection_->send(hello);
        for (const auto& beat : std::exchange(kept_, {})) connection_->send(beat);
        pulse_.on_path(connection_->local_address());
        pulse_.on_joined("coordinator");
    }
    void on_broken() {
        if (is_up_) {
            PeerPulse::on_lost_path(connection_->why());
            kept_ = connection_->take_unsent();
        }
        deadline_ns_ = now_ns() + (is_up_ ? 0 : kPauseNs);
        is_up_ = false;
        connection_.reset();
    }

    PeerPulse& pulse_;
    const Options& options_;
    std::vector<std::string> addresses_;
    Context context_;
    TlsSession ticket_;
    std::unique_ptr<Connection> connection_;
    bool is_up_ = false;
    std::int64_t heard_ns_ = 0;
    std::size_t attempt_ = 0;
    std::int64_t deadline_ns_ = 0;  // of the attempt under way, or when the next one begins
    std::deque<BeatBytes> kept_;
};

}  // namespace

int main(int argc, char** argv) {
    const Options options{argc - 1, argv + 1};
    PeerPulse pulse{options};
    pulse.is_coordinator = is_host(argc, argv);
    std::unique_ptr<Transport> transport;
    if (pulse.is_coordinator)
        transport = std::make_unique<Server>(pulse, options);
    else
        transport = std::make_unique<Client>(pulse, options);
    pulse.run(*transport);
}
