#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "tasks.h"

#include "muster/session.h"

namespace muster::cli {

/// Answers those on this machine who ask a running `muster host` or `muster join` about itself: `muster explain`,
/// `muster report`. Only processes of the same user and of root are answered; four at a time, each with one request, and
/// with little time to say it and to take the answer. Nothing can be changed by it. Same thread as its io_context.
class ControlServer {
public:
    /// `about`: what this process is, in a line: "host of 'stage'". Both references outlive it.
    ControlServer(boost::asio::io_context& context, Session& session, std::string about);
    /// The socket is gone.
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

    /// Makes the socket. Errors: storage, bad_input, system. Without it the session runs as well as with it.
    Result<void> open();
    /// Ends when it is cancelled.
    boost::asio::awaitable<void> serve(Tasks& tasks);

private:
    using Socket = boost::asio::local::stream_protocol::socket;

    boost::asio::awaitable<void> attend(Socket client);
    boost::asio::awaitable<void> talk(Socket& client);
    boost::asio::awaitable<std::string> answer_to(std::string request);
    boost::asio::awaitable<Result<std::string>> explain(bool as_json, std::string who);
    boost::asio::awaitable<Result<std::string>> answer(std::string word, bool as_json, std::string who);

    Session& session_;
    std::string about_;
    std::string path_;
    boost::asio::local::stream_protocol::acceptor acceptor_;
    int clients_ = 0;
};

}  // namespace muster::cli
