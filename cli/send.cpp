
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "command.h"
#include "input_lines.h"
#include "joining.h"
#include "options.h"
#include "output.h"
#include "peers.h"
#include "run.h"
#include "tasks.h"
#include "text.h"
#include "transfers.h"

namespace muster::cli {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr Duration kDelivery = 30s;  // for what was sent to reach the coordinator, before the goodbye
constexpr Duration kHurriedGoodbye = 500ms;
constexpr std::size_t kMaxFiles = 64;  // transfers at a time: as many streams as a peer may have open

class Send final : public SessionCommand {
public:
    Manual manual() const override;
    void declare(CLI::App& app) override;

private:
    asio::awaitable<Exit> work(asio::io_context& io, Network& network, const Context& context) override;

    JoinArguments join_;
    std::string to_ = "coordinator";
    std::string text_;
    std::vector<std::string> files_;
};

Manual Send::manual() const {
    return {.name = "send",
            .summary = "joins a group, sends, and leaves",
            .purpose =
                "Joins a group, sends a text or files, waits until they have arrived, and leaves. A file has "
                "arrived "
                "when the receiver has checked its SHA-256 and stored it; the receiver takes files if it "
                "runs with "
                "--accept-files. A text goes through the coordinator, which says if it cannot pass it on. "
                "The exit code "
                "says how it went.\n"
                "\n"
                "With one word that is the text, and the group is \"muster\"; with two the first is the "
                "group. The text - "
                "stands for standard input, up to 1 MiB.",
            .examples = {{"muster send stage --to mixer 'lights off'", "Tell one device:"},
                         {"muster send stage --to everyone --file show.tar.gz", "Send everyone a file:"},
                         {"date | muster send stage -", "Tell the coordinator what a program prints:"}}};
}

void Send::declare(CLI::App& app) {
    add_join_options(app, join_);
    app.add_option("TEXT", text_, "What to send; - for standard input.")->type_name("");
    app.add_option("-t,--to", to_,
                   "A name, an id or its first characters, 'coordinator' (default) or 'everyone'.")
        ->type_name("NAME");
    app.add_option("-f,--file", files_, "A file to send; repeat for more.")
        ->allow_extra_args(false)
        ->type_name("FILE");
    app.parse_complete_callback([this, &app] {
        const bool only_word = files_.empty() && text_.empty() && app.count("GROUP") > 0;
        if (only_word) text_ = std::exchange(join_.join.group, "muster");
        if (files_.empty() && text_.empty())
            throw CLI::ValidationError("nothing to send: give a TEXT, - or --file");
        if (!files_.empty() && !text_.empty()) throw CLI::ValidationError("give a TEXT or files, not both");
    });
}

/// One visit to a group: what is sent, and what comes back meanwhile.
class Delivery {
public:
    Delivery(asio::io_context& io, Output& output, Member& member)
        : output_(output),
          member_(member),
          transfers_(output),
          signals_(io.get_executor()),
          events_(io.get_executor()),
          files_(io.get_executor()) {
        events_.spawn(watch_events());
        signals_.spawn(watch_signals(io));
    }

    asio::awaitable<void> send_text(Addressed whom, std::string text) {
        const std::size_t size = text.size();
        auto sent = co_await member_.send(std::move(whom.to), to_bytes(text));
        if (!sent) co_return note(sent.error());
        JsonLine line{"sent"};
        output_.event(line.integer("octets", size).integer("recipients", whom.peers.size()));
    }
    asio::awaitable<void> send_files(Addressed whom, std::vector<std::string> paths) {
        for (const std::string& path : paths)
            for (const PeerInfo& peer : whom.peers) {
                files_.spawn(send_file(peer, path));
                if (++started_ % kMaxFiles == 0) co_await files_.all_done();
            }
        co_await files_.all_done();
    }
    /// Leaves, and waits for the end. The first error, if any.
    asio::awaitable<std::optional<Error>> finish() {
        const auto closed = co_await member_.close(0, {}, kDelivery);
        if (!closed) note(closed.error());
        co_await events_.all_done();
        signals_.cancel();
        co_await signals_.all_done();
        co_return error_;
    }
    bool was_interrupted() const { return interrupted_; }

private:
    asio::awaitable<void> send_file(PeerInfo to, std::string path) {
        const std::size_t slash = path.rfind('/');
        OutgoingFile file = member_.send_file(to.id, path);
        const auto receipt = co_await transfers_.follow(
            std::move(file), std::move(to), path.substr(slash == std::string::npos ? 0 : slash + 1));
        if (!receipt) note(receipt.error());
    }
    asio::awaitable<void> watch_signals(asio::io_context& io) {
        asio::signal_set& signals = signals_of(io);
        co_await signals.async_wait(asio::use_awaitable);
        interrupted_ = true;
        co_await member_.close(0, "interrupted", kHurriedGoodbye);
        co_await signals.async_wait(asio::use_awaitable);
        member_.abort();
    }
    asio::awaitable<void> watch_events() {
        while (auto event = co_await member_.next_event()) {
            if (auto* cut = std::get_if<PeerInterrupted>(&*event)) tell(output_, *cut);
            if (auto* back = std::get_if<PeerResumed>(&*event)) tell(output_, *back);
            if (auto* change = std::get_if<PathChanged>(&*event)) tell(output_, *change);
            if (auto* found = std::get_if<FaultFound>(&*event)) tell(output_, *found);
            if (auto* what = std::get_if<Undelivered>(&*event)) note(undelivered(*what));
            if (auto* ended = std::get_if<SessionEnded>(&*event); ended && ended->how.is_lost())
                note(ended->how.cause());
            if (auto* offered = std::get_if<FileOffered>(&*event)) offered->file.decline("only here to send");
            if (auto* opened = std::get_if<StreamOpened>(&*event)) opened->stream.reset("only here to send");
        }
    }
    Error undelivered(const Undelivered& what) const {
        return Error{what.why, "the coordinator could not pass the message on to " +
                                   name_of(member_.roster(), what.to)};
    }
    void note(const Error& error) {
        if (!error_) error_ = error;
    }

    Output& output_;
    Member& member_;
    Transfers transfers_;
    std::optional<Error> error_;
    std::size_t started_ = 0;
    bool interrupted_ = false;
    Tasks signals_;  // these three last: their tasks use every field above
    Tasks events_;
    Tasks files_;
};

Result<std::string> message_of(std::string text) {
    if (text.size() <= InputLines::kMaxLine) return text;
    return Error{Errc::too_large, "a message has at most 1 MiB"}.cure(
        "store it in a file and send that with --file");
}

asio::awaitable<Exit> Send::work(asio::io_context& io, Network& network, const Context& context) {
    std::string text = text_;
    if (text == "-") {
        InputLines input{io.get_executor()};
        if (input.failure()) co_return failed(context, *input.failure());
        text = co_await input.all(InputLines::kMaxLine);
    }
    const auto message = message_of(std::move(text));
    if (!message) co_return failed(context, message.error());
    auto joined = co_await join_group(io, network, join_, context);
    if (!joined) co_return joined.error();
    Delivery delivery{io, context.output, *joined};
    const auto whom = find_peers(joined->roster(), joined->id(), to_);
    if (whom && files_.empty()) co_await delivery.send_text(*whom, *message);
    if (whom && !files_.empty()) co_await delivery.send_files(*whom, files_);
    const auto error = co_await delivery.finish();
    if (delivery.was_interrupted()) co_return Exit::interrupted;
    if (!whom) co_return failed(context, whom.error());
    if (error) co_return failed(context, *error);
    JsonLine line{"delivered"};
    context.output.event(line.integer("recipients", whom->peers.size()));
    context.output.say("delivered");
    co_return Exit::ok;
}

}  // namespace

CommandPtr make_send() { return std::make_unique<Send>(); }

}  // namespace muster::cli
