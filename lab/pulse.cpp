// Numbered messages both ways at a steady rate, and what comes of them: ordered and reliable, from the coordinator to
// each member and from each member to the coordinator.
//
//   muster_pulse host|join [--group NAME] [--name NAME] [--profile realtime|balanced|low_power] [--grace-ms MS]
//                          [--rate HZ] [--seconds S] [--files DIR]
//           host: [--port N] [--no-advertise]
//           join: [--at ADDRESS:PORT]... [--no-discover] [--patience-ms N]
//
// Prints one JSON object per line, {"event": what, "t_ns": ..., "t_ms": ...}, by CLOCK_MONOTONIC: hosting, joined,
// peer_joined, peer_left, interrupted, resumed, path_changed, file_received, file_sent, failed, ended; and a
// "summary" for each peer when it is over. It is over after --seconds, at SIGTERM or SIGINT, or when the session
// ends. Orders on standard input:
//
//   report      a summary for each peer, now
//   watch       for each peer the longest time for which nothing came since the last such order: "watched"
//   path        for each peer the path in use: "path"
//   quiet       send nothing more, but go on to receive: then the sums of both ends must be equal
//   state       for each peer whether the session shows it as connected: "state"
//   prefer ...  other path preferences, as the options below: "preferring", or "failed"
//   file PATH   send a file to the coordinator, or to each member; --files DIR takes what others send
//   leave CODE REASON   close the session
//   vanish      end the process without a word to anybody
#include <csignal>
#include <cstring>
#include <memory>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "probe_options.h"
#include "pulse_tally.h"
#include "stdin_lines.h"

namespace asio = boost::asio;
namespace json = boost::json;
using namespace muster;
using namespace muster::lab;

namespace {

void say(std::string_view event, json::object facts = {}) {
    const std::int64_t now = now_ns();
    facts["t_ns"] = now;
    facts["t_ms"] = PulseTally::in_ms(now);
    tell(event, std::move(facts));
}

json::object about(const PeerInfo& peer, json::object facts = {}) {
    facts["peer"] = peer.name;
    facts["id"] = peer.id.to_string();
    return facts;
}

class Pulse {
public:
    Pulse(asio::io_context& context, const Options& options, Session& session)
        : options_(options), session_(session), tick_(context) {}

    /// From here on the peer gets messages.
    void write_to(const PeerInfo& peer) {
        peers_.push_back(std::make_shared<Peer>());
        peers_.back()->info = peer;
    }
    void write_to_all_that_join() { writes_to_all_ = true; }
    asio::awaitable<void> live() {
        const auto executor = co_await asio::this_coro::executor;
        asio::co_spawn(executor, beat(), asio::detached);
        while (auto event = co_await session_.next_event())
            std::visit([this](auto& what) { on(what); }, *event);
        report();
    }
    asio::awaitable<void> obey() {
        StdinLines orders{co_await asio::this_coro::executor};
        while (const auto line = co_await orders.next()) {
            const auto [verb, what] = split_order(*line);
            if (verb == "report") report();
            if (verb == "watch") watch();
            if (verb == "quiet") is_quiet_ = true;
            if (verb == "path") co_await tell_paths();
            if (verb == "file") send_file(what);
            if (verb == "state") co_await tell_states();
            if (verb == "prefer") co_await prefer(what);
            if (verb == "vanish") std::_Exit(0);
            if (verb != "leave") continue;
            auto [code, reason] = split_order(what);
            co_await leave(static_cast<CloseCode>(std::stoul(code)), std::move(reason));
        }
    }
    asio::awaitable<void> leave(CloseCode code = 0, std::string reason = {}) {
        is_quiet_ = true;
        const auto closed = co_await session_.close(code, std::move(reason));
        if (!closed) tell_failure(closed.error());
    }

private:
    struct Peer {
        PeerInfo info;
        PulseTally tally;
        bool is_here = true, is_heard = false;
        std::uint64_t next = 0;
    };

    asio::awaitable<void> beat() {
        const auto period = std::chrono::nanoseconds{1'000'000'000 / options_.number("rate", 100)};
        for (auto next = asio::steady_timer::clock_type::now();; next += period) {
            tick_.expires_at(next);
            co_await tick_.async_wait(asio::use_awaitable);
            for (const auto& peer : peers_)
                if (peer->is_here && !is_quiet_) send_to(peer);
        }
    }
    void send_to(const std::shared_ptr<Peer>& peer) {
        const Beat beat{.number = peer->next++, .sent_ns = now_ns()};
        Bytes payload(sizeof beat);
        std::memcpy(payload.data(), &beat, sizeof beat);
        peer->tally.on_sent();
        session_.send(Recipients::one(peer->info.id), std::move(payload), {},
                      [peer](const Result<void>& sent) {
                          if (!sent) peer->tally.on_unsent();
                      });
    }
    void report() const {
        for (const auto& peer : peers_) say("summary", about(peer->info, peer->tally.summary(now_ns())));
    }
    void watch() const {
        for (const auto& peer : peers_)
            say("watched", about(peer->info, {{"longest_gap_ms", peer->tally.take_longest_gap(now_ns())}}));
    }
    asio::awaitable<void> tell_paths() {
        const auto peers = peers_;  // more may join meanwhile
        for (const auto& peer : peers) {
            const auto path = co_await session_.path_to(peer->info.id);
            if (path)
                say("path",
                    about(peer->info, {{"remote", to_text(path->remote)}, {"interface", path->interface}}));
        }
    }
    asio::awaitable<void> tell_states() {
        const auto peers = peers_;
        for (const auto& peer : peers) {
            const Explanation how = co_await session_.explain(peer->info.id);
            const auto path = co_await session_.path_to(peer->info.id);
            say("state",
                about(peer->info, {{"connected", how.is_connected()}, {"has_path", path.has_value()}}));
        }
    }
    asio::awaitable<void> prefer(std::string what) {
        PathPreferences wanted = path_preferences(words_of(what));
        const auto set = co_await session_.set_path_preferences(std::move(wanted));
        if (!set) co_return tell_failure(set.error());
        say("preferring");
    }
    void send_file(const std::string& path) {
        for (const auto& peer : peers_)
            if (peer->is_here)
                asio::co_spawn(session_.get_executor(),
                               follow("file_sent", session_.send_file(peer->info.id, path)), asio::detached);
    }
    template <class File>
    static asio::awaitable<void> follow(std::string_view event, File file) {
        const auto receipt = co_await file.finished();
        if (receipt)
            say(event, {{"path", receipt->path}, {"octets", receipt->octets}});
        else
            tell_failure(receipt.error());
    }

    void on(const Message& message) {
        Beat beat;
        if (message.payload.size() != sizeof beat) return;
        std::memcpy(&beat, message.payload.data(), sizeof beat);
        for (const auto& peer : peers_)
            if (peer->is_here && peer->info.id == message.from) hear(*peer, beat);
    }
    void hear(Peer& peer, const Beat& beat) {
        if (writes_to_all_ && !std::exchange(peer.is_heard, true)) say("first_message", about(peer.info));
        peer.tally.on_arrival(beat.number, beat.sent_ns, now_ns());
    }
    void on(const PeerJoined& joined) {
        say("peer_joined", about(joined.peer));
        if (writes_to_all_) write_to(joined.peer);
    }
    void on(const PeerLeft& left) {
        say("peer_left", about(left.peer, facts_of(left.how)));
        for (const auto& peer : peers_)
            if (peer->info.id == left.peer.id) peer->is_here = false;
    }
    void on(const PeerInterrupted& interrupted) {
        json::object facts = about(interrupted.peer);
        facts["error"] = json::parse(interrupted.why.to_json());
        say("interrupted", std::move(facts));
    }
    void on(const PathChanged& change) {
        say("path_changed", about(change.peer, {{"from", to_text(change.from)},
                                                {"to", to_text(change.to)},
                                                {"reason", change.why},
                                                {"fault", to_string(change.fault)}}));
    }
    void on(const FaultFound& found) {
        json::object facts = about(found.peer);
        facts["error"] = json::parse(found.why.to_json());
        say("fault_found", std::move(facts));
    }
    void on(const PeerResumed& resumed) {
        json::object facts = about(resumed.peer);
        facts["after_ms"] = static_cast<double>(microseconds(resumed.after)) / 1000;
        say("resumed", std::move(facts));
    }
    void on(FileOffered& offered) {
        if (!options_.has("files")) return offered.file.decline("no --files");
        ReceiveFileOptions receive;
        receive.directory = options_.text("files");
        offered.file.accept(std::move(receive));
        asio::co_spawn(session_.get_executor(), follow("file_received", std::move(offered.file)),
                       asio::detached);
    }
    void on(const SessionEnded& ended) {
        is_quiet_ = true;
        say("ended", facts_of(ended.how));
    }
    template <class Other>
    void on(const Other&) {}

    const Options& options_;
    Session& session_;
    asio::steady_timer tick_;
    std::vector<std::shared_ptr<Peer>> peers_;  // owners: this, and the sends under way
    bool writes_to_all_ = false;
    bool is_quiet_ = false;
};

[[noreturn]] void give_up(const Error& why) {
    tell_failure(why);
    std::exit(1);
}

asio::awaitable<void> leave_in_time(asio::io_context& context, const Options& options, Pulse& pulse) {
    asio::steady_timer timer{context};
    timer.expires_at(asio::steady_timer::time_point::max());
    if (options.has("seconds")) timer.expires_after(std::chrono::seconds{options.number("seconds", 0)});
    asio::signal_set signals{context, SIGTERM, SIGINT};
    signals.async_wait([&timer](auto, int) { timer.cancel(); });
    boost::system::error_code cancelled;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    co_await pulse.leave();
}

asio::awaitable<void> run(asio::io_context& context, const Options& options, Pulse& pulse) {
    asio::co_spawn(context, pulse.obey(), asio::detached);
    asio::co_spawn(context, leave_in_time(context, options, pulse), asio::detached);
    co_await pulse.live();
    std::exit(0);  // what waits for orders and signals has nothing to wait for
}

asio::awaitable<void> run_host(asio::io_context& context, const Options& options) {
    HostOptions how = host_options(options);
    auto made = co_await host(context.get_executor(), std::move(how));
    if (!made) give_up(made.error());
    say("hosting", {{"port", made->port()}, {"id", made->id().to_string()}});
    Pulse pulse{context, options, *made};
    pulse.write_to_all_that_join();
    co_await run(context, options, pulse);
}

asio::awaitable<void> run_join(asio::io_context& context, const Options& options, std::int64_t main_ns) {
    JoinOptions how = join_options(options);
    auto made = co_await join(context.get_executor(), std::move(how));
    if (!made) give_up(made.error());
    const auto path = co_await made->path_to(made->coordinator().id);
    say("joined", {{"id", made->id().to_string()},
                   {"started_ns", options.number("started-ns", main_ns)},
                   {"main_ns", main_ns},
                   {"remote", path ? to_text(path->remote) : ""},
                   {"interface", path ? path->interface : ""}});
    Pulse pulse{context, options, *made};
    pulse.write_to(made->coordinator());
    co_await run(context, options, pulse);
}

}  // namespace

int main(int argc, char** argv) {
    const std::int64_t main_ns = now_ns();
    const std::string_view role = argc > 1 ? argv[1] : "";
    if (role != "host" && role != "join") {
        std::cerr << "muster_pulse host|join [--group NAME] ...\n";
        return 2;
    }
    const Options options{argc - 1, argv + 1};
    asio::io_context context{1};
    asio::co_spawn(context, role == "host" ? run_host(context, options) : run_join(context, options, main_ns),
                   asio::detached);
    context.run();
}
