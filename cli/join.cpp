#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "command.h"
#include "console.h"
#include "joining.h"
#include "options.h"
#include "peers.h"
#include "run.h"
#include "text.h"

#include "muster/member.h"

namespace muster::cli {

namespace asio = boost::asio;

namespace {

class Join final : public SessionCommand {
public:
    Manual manual() const override;
    void declare(CLI::App& app) override;

private:
    asio::awaitable<Exit> work(asio::io_context& io, Network& network, const Context& context) override;

    JoinArguments arguments_;
    ConsoleOptions console_;
};

Manual Join::manual() const {
    return {
        .name = "join",
        .summary = "joins a group",
        .purpose =
            "Finds the coordinator of a group on any network that this device is on, connects over the "
            "first path that works, and becomes a member. Says how long that took and over which "
            "interface, then shows what happens as `muster host` does: what is typed goes to everyone, "
            "Ctrl-C leaves with a goodbye.\n"
            "\n"
            "The coordinator's key is pinned at the first meeting (`muster forget` removes the pin). Where "
            "multicast does not pass, --at names its address.",
        .examples = {
            {"muster join stage", "Join the group 'stage':"},
            {"muster join stage --at 192.0.2.7:4711 --no-discover", "Join where multicast is blocked:"},
            {"muster join stage --for 10 --json", "Watch for ten seconds, for a program:"}}};
}

void Join::declare(CLI::App& app) {
    add_join_options(app, arguments_);
    add_journal(app, arguments_.journal, "the session");
    add_inbox(app, console_.inbox);
    add_text(app, "--greet", "TEXT", console_.greeting, "Sends this to everyone once joined.");
    add_seconds(app, "--for", console_.stay, "Leaves after this time.");
    add_flag(app, "--until-eof", console_.until_eof, "Leaves at the end of standard input.");
    add_flag(app, "--commands", console_.commands, "Takes /commands also if standard input is no terminal.");
    add_text(app, "--leave-reason", "TEXT", console_.leave_reason, "What the others are told at the end.");
}

void tell_peers(const Member& member, Output& out) {
    const Roster roster = member.roster();
    std::string others;
    for (const PeerInfo& peer : roster.peers)
        if (peer.id != member.id() && !peer.is_coordinator)
            others += (others.empty() ? "" : ", ") + printable(peer.name);
    out.say(others.empty() ? "no other member is here" : "also here: " + others);
    if (out.is_terminal() && ::isatty(STDIN_FILENO))
        out.say(out.paint(Colour::dim, "type to everyone; /help for more; Ctrl-C leaves"));
}

asio::awaitable<Exit> Join::work(asio::io_context& io, Network& network, const Context& context) {
    auto joined = co_await join_group(io, network, arguments_, context);
    if (!joined) co_return joined.error();
    tell_peers(*joined, context.output);
    ConsoleOptions how = console_;
    how.is_durable = arguments_.journal.is_wanted();
    how.about = "member of '" + printable(arguments_.join.group) + "'";
    Console console{io, context.output, *joined, std::move(how)};
    co_return co_await console.run();
}

}  // namespace

CommandPtr make_join() { return std::make_unique<Join>(); }

}  // namespace muster::cli
