#include "control_server.h"

#include <cerrno>
#include <system_error>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_paths.h"
#include "explaining.h"
#include "text.h"

namespace muster::cli {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr int kMostClients = 4;
constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;
// To say a request, have it answered and take the answer. Whoever asks is a program on this machine; a report of 16 MiB
// needs some ten milliseconds.
constexpr Duration kPatience = 5s;
constexpr std::size_t kMostShown = 40;  // entries of the timeline

bool is_trusted(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    return peer.uid == 0 || peer.uid == ::geteuid();
}

}  // namespace

ControlServer::ControlServer(asio::io_context& context, Session& session, std::string about)
    : session_(session), about_(std::move(about)), acceptor_(context) {}

ControlServer::~ControlServer() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

Result<void> ControlServer::open() {
    auto directory = control_directory();
    if (!directory) return directory.error();
    const std::string path = *directory + "/" + std::to_string(::getpid()) + ".sock";
    ::unlink(path.c_str());  // of a process that had our number, and died
    boost::system::error_code failure;
    const auto failed = [&](const std::string& what) {
        return Error{Errc::system, what + " " + path + ": " + failure.message()};
    };
    if (path.size() > kMaxSocketPath) return Error{Errc::bad_input, "too long for a socket: " + path};
    const asio::local::stream_protocol::endpoint where{path};
    acceptor_.open(where.protocol(), failure);
    if (failure) return failed("cannot open");
    acceptor_.bind(where, failure);
    if (failure) return failed("cannot bind");
    path_ = path;
    if (::chmod(path.c_str(), 0600) != 0) {  // nobody is heard before listen()
        failure.assign(errno, boost::system::system_category());
        return failed("cannot protect");
    }
    acceptor_.listen(kMostClients, failure);
    if (failure) return failed("cannot listen at");
    return {};
}

asio::awaitable<void> ControlServer::serve(Tasks& tasks) {
    while (acceptor_.is_open()) {
        boost::system::error_code failure;
        Socket client = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, failure));
        if (failure == asio::error::operation_aborted) co_return;
        if (failure) {  // out of descriptors, perhaps: later
            asio::steady_timer pause{acceptor_.get_executor(), 1s};
            co_await pause.async_wait(asio::use_awaitable);
            continue;
        }
        if (clients_ == kMostClients || !is_trusted(client.native_handle())) continue;  // closed at once
        ++clients_;
        tasks.spawn(attend(std::move(client)));
    }
}

asio::awaitable<void> ControlServer::attend(Socket client) {
    using namespace asio::experimental::awaitable_operators;
    struct Leaving {
        int& clients;
        ~Leaving() { --clients; }
    } const leaving{clients_};
    asio::steady_timer patience{acceptor_.get_executor(), kPatience};
    co_await (talk(client) || patience.async_wait(asio::use_awaitable));
}

asio::awaitable<void> ControlServer::talk(Socket& client) {
    std::string request;
    boost::system::error_code failure;
    auto buffer = asio::dynamic_buffer(request, kMaxControlRequest);
    const std::size_t size = co_await asio::async_read_until(
        client, buffer, '\n', asio::redirect_error(asio::use_awaitable, failure));
    if (failure) co_return;  // too long, or gone
    request.resize(size - 1);
    const std::string answer = co_await answer_to(std::move(request));
    co_await asio::async_write(client, asio::buffer(answer),
                               asio::redirect_error(asio::use_awaitable, failure));
}

asio::awaitable<std::string> ControlServer::answer_to(std::string request) {
    std::string word = take_word(request);
    const std::string face = take_word(request);
    auto made = co_await answer(std::move(word), face == "json", std::move(request));
    if (made && made->size() > kMaxControlAnswer) made = Error{Errc::too_large, "the answer is too long"};
    const std::string body = made ? std::move(*made) : printable(made.error().message());
    co_return (made ? "ok " : "error ") + std::to_string(body.size()) + "\n" + body;
}

asio::awaitable<Result<std::string>> ControlServer::answer(std::string word, bool as_json, std::string who) {
    if (word == "about") co_return about_;
    if (word == "explain") co_return co_await explain(as_json, std::move(who));
    if (word == "report") {
        ReportOptions whole;
        whole.with_addresses = true;  // who asks replaces them, for all processes alike
        co_return co_await session_.report(whole);
    }
    co_return Error{Errc::unsupported, "this process does not know what '" + printable(word) + "' means"};
}

asio::awaitable<Result<std::string>> ControlServer::explain(bool as_json, std::string who) {
    std::string text;
    const bool is_alone = session_.roster().peers.size() <= 1;
    Timeline seen = co_await session_.timeline();
    if (!is_alone || !who.empty()) {
        auto told = co_await explain_peers(session_, who.empty() ? "everyone" : who);
        if (!told) co_return told.error();
        if (!who.empty() && !told->empty()) seen = seen.of(told->front().peer, seen.entries.size());
        for (Explanation& each : *told) {
            if (as_json) text += "explanation " + each.to_json() + "\n";
            each.timeline.entries.clear();  // the whole of it stands below
            if (!as_json) text += each.to_text();
        }
    }
    if (as_json) co_return text + "timeline " + seen.to_json() + "\n";
    if (is_alone) text += "nobody else is here\n";
    co_return text + "what this end has seen:\n" + seen.to_text(kMostShown);
}

}  // namespace muster::cli
