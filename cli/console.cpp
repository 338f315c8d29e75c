#include "console.h"

#include <algorithm>
#include <csignal>

#include <fmt/format.h>
#include <unistd.h>

#include "control_server.h"
#include "explaining.h"
#include "input_lines.h"
#include "path_words.h"
#include "peers.h"
#include "run.h"
#include "text.h"

namespace muster::cli {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr Duration kGoodbye = 2s;         // for what was sent last to arrive, and for the goodbye
constexpr std::size_t kMostShown = 4000;  // characters of one message on a terminal
// That wait for a person's answer; they give up after 25 s themselves.
constexpr std::size_t kMostAsking = 64;

std::string help_text() {
    return "  text                send it to everyone (begin with // to send a line that begins with /)\n"
           "  /to NAME text       send it to one\n"
           "  /file NAME PATH     send a file to one, or to everyone\n"
           "  /peers              who is here\n"
           "  /explain [NAME]     by which ways the others, or one, can be reached, and what has happened to "
           "them\n"
           "  /prefer [WORDS]     use other interfaces: require, prohibit, prefer or metered, each with an "
           "interface;\n"
           "                      nothing lifts all preferences\n"
           "  /accept             let the device in that has waited longest; so does y (with --ask)\n"
           "  /refuse [REASON]    do not; so does n\n"
           "  /quit [REASON]      leave, and tell the others why\n"
           "  /help               this";
}

}  // namespace

Console::Console(asio::io_context& context, Output& output, Session& session, ConsoleOptions options)
    : context_(context),
      output_(output),
      session_(session),
      options_(std::move(options)),
      transfers_(output),
      inbox_(options_.inbox),
      tasks_(context.get_executor()) {
    output_.on_gone([this] { leave("nobody reads the output any more", Exit::failed); });
}

asio::awaitable<Exit> Console::run() {
    ControlServer control{context_, session_, options_.about};
    if (control.open())
        tasks_.spawn(control.serve(tasks_));  // otherwise nobody can ask: `muster explain` says so
    tasks_.spawn(watch_signals());
    tasks_.spawn(read_input());
    if (options_.stay) tasks_.spawn(leave_later(*options_.stay));
    if (!options_.greeting.empty() && !options_.greets_newcomers)
        tasks_.spawn(send(Recipients::everyone(), "everyone", options_.greeting));
    for (PeerInfo& peer : session_.roster().peers) told_.insert_or_assign(peer.id, std::move(peer));
    while (auto event = co_await session_.next_event()) {
        std::visit([this](auto& what) { on(what); }, *event);
    }
    tasks_.cancel();
    co_await tasks_.all_done();
    output_.on_gone({});
    co_return exit_;
}

// --- what this end does

asio::awaitable<void> Console::watch_signals() {
    asio::signal_set& signals = signals_of(context_);
    for (;;) {
        const int number = co_await signals.async_wait(asio::use_awaitable);
        leave(number == SIGINT    ? "interrupted"
              : number == SIGTERM ? "terminated"
                                  : "hung up",
              Exit::interrupted);
    }
}

asio::awaitable<void> Console::read_input() {
    InputLines input{context_.get_executor()};
    if (const auto& failure = input.failure()) {  // others may be here: the session goes on
        complain(*failure);
        if (options_.until_eof) leave("it cannot read what it was to send", Exit::failed);
        co_return;
    }
    while (auto line = co_await input.next()) co_await on_line(std::move(*line));
    if (options_.until_eof) leave(options_.leave_reason, Exit::ok);
}

asio::awaitable<void> Console::leave_later(Duration stay) {
    asio::steady_timer timer{context_, stay};
    co_await timer.async_wait(asio::use_awaitable);
    leave(options_.leave_reason, Exit::ok);
}

asio::awaitable<void> Console::on_line(std::string line) {
    if (line.ends_with('\r')) line.pop_back();
    const bool takes_commands = options_.commands || ::isatty(STDIN_FILENO);
    if (!asking_.empty() && (line == "y" || line == "n")) {
        answer_first(line == "y", "the coordinator's user said no");
        co_return;
    }
    if (takes_commands && line.starts_with('/') && !line.starts_with("//")) {
        std::string command = take_word(line);
        co_await on_command(std::move(command), std::move(line));
        co_return;
    }
    if (takes_commands && line.starts_with("//")) line.erase(0, 1);
    if (line.empty()) co_return;
    co_await send(Recipients::everyone(), "everyone", std::move(line));
}

asio::awaitable<void> Console::on_command(std::string command, std::string rest) {
    if (command == "/quit") {
        leave(rest.empty() ? options_.leave_reason : rest, Exit::ok);
        co_return;
    }
    if (command == "/peers") co_return show_peers();
    if (command == "/explain") co_return co_await explain(rest.empty() ? "everyone" : take_word(rest));
    if (command == "/prefer") co_return co_await prefer(std::move(rest));
    if (command == "/accept" || command == "/refuse")
        co_return answer_first(command == "/accept", std::move(rest));
    if (command != "/to" && command != "/file") {
        output_.say(command == "/help" ? help_text()
                                       : "there is no " + printable(command) + "; /help lists what there is");
        co_return;
    }
    const std::string who = take_word(rest);
    const auto found = find_peers(session_.roster(), session_.id(), who);
    if (!found) co_return complain(found.error());
    if (rest.empty()) co_return complain(Error{Errc::bad_input, command + " needs a name and what to send"});
    if (command == "/to") {
        co_await send(found->to, who, std::move(rest));
        co_return;
    }
    for (const PeerInfo& peer : found->peers) tasks_.spawn(send_file(peer, rest));
}

asio::awaitable<void> Console::send(Recipients to, std::string whom, std::string text) {
    const std::size_t size = text.size();
    const auto sent = co_await session_.send(std::move(to), to_bytes(text));
    if (!sent) co_return complain(sent.error());
    JsonLine line{"sent"};
    output_.event(line.text("to", whom).integer("octets", size));
}

asio::awaitable<void> Console::send_file(PeerInfo to, std::string path) {
    OutgoingFile file = session_.send_file(to.id, path);
    const std::size_t slash = path.rfind('/');
    co_await transfers_.follow(std::move(file), std::move(to),
                               path.substr(slash == std::string::npos ? 0 : slash + 1));
}

asio::awaitable<void> Console::receive_file(IncomingFile file, PeerInfo from) {
    const std::uint64_t octets = file.offer().size;
    const auto outcome = co_await transfers_.follow(std::move(file), std::move(from));
    inbox_.end(octets, outcome.has_value());
}

void Console::show_peers() {
    const Roster roster = session_.roster();
    std::vector<std::vector<std::string>> rows{{"NAME", "ID", "ROLE", "INFO"}};
    for (const PeerInfo& peer : roster.peers) {
        const std::string role = peer.id == session_.id() ? "this device"
                                 : peer.is_coordinator    ? "coordinator"
                                                          : "member";
        std::string info;
        for (const auto& [key, value] : peer.info) info += printable(key) + "=" + printable(value) + " ";
        rows.push_back({printable(peer.name), peer.id.to_string(), role, info});
        JsonLine line{"peer"};
        output_.event(line.object("peer", json_of(peer)));
    }
    for (const std::string& row : table_lines(rows, output_.width())) output_.say(row);
}

asio::awaitable<void> Console::explain(std::string who) {
    const auto told = co_await explain_peers(session_, std::move(who));
    if (!told) co_return complain(told.error());
    for (const Explanation& how : *told) {
        output_.event(JsonLine{"explanation"}.json("of", harmless_json(how.to_json())));
        output_.say(how.to_text());
    }
}

asio::awaitable<void> Console::prefer(std::string words) {
    auto wanted = read_preferences(words);
    if (!wanted) co_return complain(wanted.error());
    const auto set = co_await session_.set_path_preferences(std::move(*wanted));
    if (!set) co_return complain(set.error());
    output_.event(JsonLine{"preferring"}.text("words", words));
    output_.say(words.empty() ? "every interface may be used" : "interfaces: " + printable(words));
}

void Console::answer_first(bool yes, std::string reason) {
    if (asking_.empty() || !answer_) return output_.say("nobody asks to join");
    const JoinRequest request = std::move(asking_.front());
    asking_.pop_front();
    answer_(request.ticket, yes ? std::nullopt : std::optional{std::move(reason)});
}

void Console::leave(std::string reason, Exit exit) {
    if (leaving_) return session_.abort();
    leaving_ = exit;
    tasks_.spawn(close(std::move(reason)));
}

asio::awaitable<void> Console::close(std::string reason) {
    if (reason.size() > kMaxReasonSize) reason.resize(kMaxReasonSize);
    const auto closed = co_await session_.close(0, std::move(reason), kGoodbye);
    if (closed || leaving_ != Exit::ok) co_return;
    leaving_ = exit_ = exit_of(closed.error().code());
    complain(closed.error());
}

// --- what the others do

void Console::on(Message& message) {
    const auto delivery = message.delivery == Delivery::ordered     ? "ordered"
                          : message.delivery == Delivery::unordered ? "unordered"
                                                                    : "unreliable";
    const std::string_view text = as_text(message.payload);
    JsonLine line{"message"};
    line.text("from", message.from.to_string()).text("from_name", peer_of(message.from).name);
    line.integer("channel", static_cast<std::uint64_t>(message.channel)).text("delivery", delivery);
    line.integer("octets", message.payload.size());
    if (options_.is_durable) line.integer("number", message.number).flag("redelivered", message.redelivered);
    if (output_.is_json() && is_text(message.payload)) line.text("text", text);
    if (output_.is_json() && !is_text(message.payload)) line.text("hex", hex(message.payload));
    output_.event(std::move(line));
    if (output_.is_json()) return;
    std::string shown = printable(output_.is_terminal() ? text.substr(0, kMostShown) : text);
    if (output_.is_terminal() && text.size() > kMostShown) shown += "… (" + size_text(text.size()) + ")";
    output_.say(output_.paint(Colour::bold, name_of(message.from)) + ": " + shown);
}

void Console::on(PeerJoined& joined) {
    told_.insert_or_assign(joined.peer.id, joined.peer);
    JsonLine line{"peer_joined"};
    output_.event(line.object("peer", json_of(joined.peer)));
    output_.say(output_.paint(Colour::green, "+ ") + described(joined.peer) + " joined");
    if (options_.greets_newcomers && !joined.is_restored && !options_.greeting.empty())
        tasks_.spawn(send(Recipients::one(joined.peer.id), joined.peer.name, options_.greeting));
}

void Console::on(PeerLeft& left) {
    told_.erase(left.peer.id);
    JsonLine line{"peer_left"};
    line.object("peer", json_of(left.peer));
    add_departure(line, left.how);
    output_.event(std::move(line));
    const std::string name = printable(left.peer.name);
    if (left.how.is_lost())
        return output_.say(output_.paint(Colour::red, "! ") + name +
                           " lost: " + printable(left.how.cause().message()));
    const Closed& closed = left.how.closed();
    std::string text = name + (closed.by == Closed::By::peer ? " left" : " was removed");
    if (!closed.reason.empty()) text += ": " + printable(closed.reason);
    if (closed.code != 0) text += fmt::format(" (code {})", closed.code);
    output_.say(output_.paint(Colour::yellow, "- ") + text);
}

void Console::on(StreamOpened& opened) {
    JsonLine line{"stream"};
    const DeviceId from = opened.stream.peer();
    output_.event(line.text("from", from.to_string()).text("name", opened.stream.name()));
    output_.say(name_of(from) + " opened the stream '" + printable(opened.stream.name()) +
                "', which muster does not take");
    opened.stream.reset("the command line takes no streams");
}

void Console::on(FileOffered& offered) {
    const FileOffer& offer = offered.file.offer();
    const auto refusal = inbox_.refusal(offer.size, inbox_.disk());
    JsonLine line{"file_offered"};
    line.text("from", offer.from.to_string())
        .text("from_name", peer_of(offer.from).name)
        .text("name", offer.name);
    line.integer("octets", offer.size).flag("accepted", !refusal);
    if (refusal) line.text("why", *refusal);
    output_.event(std::move(line));
    const std::string what =
        name_of(offer.from) + " offers '" + printable(offer.name) + "', " + size_text(offer.size);
    if (refusal) {
        const bool closed = inbox_.directory().empty();
        output_.say(what + ": declined (" +
                    (closed ? "start with --accept-files DIR to take files" : *refusal) + ")");
        return offered.file.decline(*refusal);
    }
    output_.say(what);
    inbox_.begin(offer.size);
    ReceiveFileOptions receive;
    receive.directory = inbox_.directory();
    const PeerInfo from = peer_of(offer.from);
    offered.file.accept(std::move(receive));
    tasks_.spawn(receive_file(std::move(offered.file), from));
}

void Console::on(JoinRequest& request) {
    PeerInfo asks{request.id, request.name, request.info};
    JsonLine line{"join_request"};
    line.object("peer", json_of(asks)).text("context", as_text(request.context));
    output_.event(std::move(line));
    if (asking_.size() >= kMostAsking)
        return answer_(request.ticket, "too many devices ask at the same time");
    asking_.push_back(std::move(request));
    output_.say(output_.paint(Colour::cyan, "? ") + described(asks) + " wants to join: y or n?");
}

void Console::on(Undelivered& what) {
    JsonLine line{"undelivered"};
    output_.event(line.text("to", what.to.to_string()).text("why", to_string(what.why)));
    output_.say(output_.paint(Colour::red, "! ") + "a message to " + name_of(what.to) +
                " was not delivered: " + std::string{to_string(what.why)});
}

void Console::on(GroupContested& contested) {
    JsonLine line{"contested"};
    line.text("id", contested.id.to_string()).text("name", contested.name);
    output_.event(line.text("at", to_text(contested.at)));
    output_.say(output_.paint(Colour::red, "! ") + "the group is also hosted by " +
                (contested.name.empty() ? "another coordinator" : "'" + printable(contested.name) + "'") +
                " (" + contested.id.short_string() + "...) at " + to_text(contested.at) +
                ": newcomers may join that one");
}

void Console::on(JournalFailed& failed) {
    JsonLine line{"journal_failed"};
    output_.event(line.json("error", harmless_json(failed.why.to_json())));
    output_.say(output_.paint(Colour::red, "! ") +
                "the sessions do not outlive this program any more: " + failed.why.message());
}

void Console::on(SessionEnded& ended) {
    exit_ = leaving_.value_or(Exit::ok);
    const bool failed = ended.how.is_lost() && !leaving_;
    JsonLine line{"closed"};
    add_departure(line, ended.how);
    output_.event(std::move(line));
    if (failed) {
        exit_ = exit_of(ended.how.cause().code());
        if (!output_.is_json()) output_.fail(ended.how.cause(), static_cast<int>(exit_));
        return;
    }
    if (ended.how.is_lost()) return output_.say("gone without goodbye");
    const Closed& closed = ended.how.closed();
    std::string text = closed.by == Closed::By::peer ? "the coordinator closed the session" : "left";
    if (!closed.reason.empty()) text += ": " + printable(closed.reason);
    if (closed.code != 0) text += fmt::format(" (code {})", closed.code);
    output_.say(text);
}

std::string Console::name_of(const DeviceId& id) const { return printable(peer_of(id).name); }

PeerInfo Console::peer_of(const DeviceId& id) const {
    if (const auto told = told_.find(id); told != told_.end()) return told->second;
    const Roster roster = session_.roster();
    const PeerInfo* peer = roster.find(id);
    return peer ? *peer : PeerInfo{id, id.short_string()};
}

void Console::complain(const Error& error) {
    JsonLine line{"failed"};
    output_.event(line.json("error", harmless_json(error.to_json())));
    if (!output_.is_json()) output_.fail(error, static_cast<int>(Exit::failed));
}

}  // namespace muster::cli
