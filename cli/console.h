#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "exit_codes.h"
#include "inbox.h"
#include "output.h"
#include "peers.h"
#include "tasks.h"
#include "transfers.h"

#include "muster/session.h"

namespace muster::cli {

/// What a session on the command line does besides showing what happens.
struct ConsoleOptions {
    InboxOptions inbox;    ///< Files that others send.
    std::string greeting;  ///< Host: sent to everyone who joins. Member: sent to everyone at the start.
    bool greets_newcomers = false;
    bool until_eof = false;        ///< Leave at the end of the input.
    bool commands = false;         ///< Take /commands also if the input is no terminal.
    std::optional<Duration> stay;  ///< Leave after this time.
    std::string leave_reason;
    std::string about;        ///< What this process is, for those who ask it: "host of 'stage'".
    bool is_durable = false;  ///< Messages have numbers, and may come again.
};

/// A coordinator's answer to one that asks to join: nullopt admits it.
using Answer = std::function<void(std::uint64_t ticket, std::optional<std::string> refusal)>;

/// Shows the events of a session, sends what is typed, takes files, and leaves politely on Ctrl-C. What
/// `muster host` and `muster join` share. Everything runs on one io_context, which is not the session's.
class Console {
public:
    Console(boost::asio::io_context& context, Output& output, Session& session, ConsoleOptions options);

    void answer_with(Answer answer) { answer_ = std::move(answer); }
    /// Ends when the session has ended.
    boost::asio::awaitable<Exit> run();

private:
    boost::asio::awaitable<void> watch_signals();
    boost::asio::awaitable<void> read_input();
    boost::asio::awaitable<void> leave_later(Duration stay);
    boost::asio::awaitable<void> send(Recipients to, std::string whom, std::string text);
    boost::asio::awaitable<void> send_file(PeerInfo to, std::string path);
    boost::asio::awaitable<void> receive_file(IncomingFile file, PeerInfo from);
    boost::asio::awaitable<void> close(std::string reason);

    boost::asio::awaitable<void> on_line(std::string line);
    boost::asio::awaitable<void> on_command(std::string command, std::string rest);
    void answer_first(bool yes, std::string reason);
    void show_peers();
    boost::asio::awaitable<void> explain(std::string who);
    boost::asio::awaitable<void> prefer(std::string words);
    /// Says goodbye once; the second time it gives up without.
    void leave(std::string reason, Exit exit);

    void on(Message& message);
    void on(PeerJoined& joined);
    void on(PeerLeft& left);
    void on(PeerInterrupted& interrupted) { tell(output_, interrupted); }
    void on(PeerResumed& resumed) { tell(output_, resumed); }
    void on(PathChanged& change) { tell(output_, change); }
    void on(FaultFound& found) { tell(output_, found); }
    void on(StreamOpened& opened);
    void on(FileOffered& offered);
    void on(JoinRequest& request);
    void on(Undelivered& what);
    void on(GroupContested& contested);
    void on(JournalFailed& failed);
    void on(SessionEnded& ended);

    std::string name_of(const DeviceId& id) const;
    PeerInfo peer_of(const DeviceId& id) const;
    void complain(const Error& error);

    boost::asio::io_context& context_;
    Output& output_;
    Session& session_;
    ConsoleOptions options_;
    Answer answer_;
    std::deque<JoinRequest> asking_;
    std::map<DeviceId, PeerInfo> told_;  // who is here as of the last event: the session's roster is ahead
    Transfers transfers_;
    Inbox inbox_;
    std::optional<Exit> leaving_;
    Exit exit_ = Exit::ok;
    Tasks tasks_;  // last: its tasks use every field above
};

}  // namespace muster::cli
