#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "command.h"
#include "console.h"
#include "network.h"
#include "options.h"
#include "peers.h"
#include "run.h"
#include "text.h"

#include "muster/coordinator.h"

namespace muster::cli {

namespace asio = boost::asio;

namespace {

class Host final : public SessionCommand {
public:
    Manual manual() const override;
    void declare(CLI::App& app) override;

private:
    asio::awaitable<Exit> work(asio::io_context& io, Network& network, const Context& context) override;
    Result<HostOptions> options(const Context& context) const;
    void tell(const Coordinator& coordinator, const Context& context) const;

    HostOptions host_;
    std::vector<DeviceId> allowed_;
    ConsoleOptions console_;
    JournalChoice journal_;
    bool no_advertise_ = false;
};

Manual Host::manual() const {
    return {.name = "host",
            .summary = "hosts a group that others join",
            .purpose =
                "Makes this device the coordinator of a group: it announces the group on every network "
                "that it is on, lets others join, and shows who joins, who leaves and why, and what they "
                "say. What is typed goes to everyone; /to NAME TEXT, /file NAME PATH, /peers, /explain, "
                "/quit and "
                "/help do more. Ctrl-C says goodbye and ends the group, a second Ctrl-C does not wait for "
                "it.\n"
                "\n"
                "If standard input is no terminal, each of its lines is sent to everyone, and its end ends "
                "nothing (unless --until-eof is given).",
            .examples = {{"muster host stage", "Host the group 'stage':"},
                         {"muster host stage --name mixer --info role=sound --accept-files inbox",
                          "Say more, and take files:"},
                         {"muster host stage --ask", "Decide about each one that wants to join:"},
                         {"sensor | muster host stage --until-eof --json", "Send lines, read events:"}}};
}

void Host::declare(CLI::App& app) {
    add_group(app, host_.group);
    add_name(app, host_.name);
    add_info(app, host_.info);
    add_devices(app, "--allow", allowed_, "Lets only this device join; repeat for more.");
    add_flag(app, "--ask", host_.ask, "Asks on the terminal about each device that wants to join.");
    app.add_option("-p,--port", host_.port, "The UDP port (any).")->type_name("PORT");
    add_profile(app, host_.profile);
    add_grace(app, host_.grace);
    add_journal(app, journal_, "the sessions");
    add_paths(app, host_.paths);
    add_fast_ipv6(app, host_.fast_ipv6);
    add_inbox(app, console_.inbox);
    add_flag(app, "--no-advertise", no_advertise_, "Does not announce the group: members need --at.");
    add_text(app, "--greet", "TEXT", console_.greeting, "Sends this to each one that joins.");
    add_seconds(app, "--for", console_.stay, "Ends the group after this time.");
    add_flag(app, "--until-eof", console_.until_eof, "Ends the group at the end of standard input.");
    add_flag(app, "--commands", console_.commands, "Takes /commands also if standard input is no terminal.");
    add_text(app, "--leave-reason", "TEXT", console_.leave_reason, "What the others are told at the end.");
}

Result<HostOptions> Host::options(const Context& context) const {
    HostOptions made = host_;
    made.advertise = !no_advertise_;
    if (!allowed_.empty()) made.trust = TrustPolicy::allow(allowed_);
    auto identity = Identity::load(context.home);
    if (!identity) return identity.error();
    made.identity = *identity;
    auto journal = journal_.path(*identity, host_.group, &Identity::journal_file);
    if (!journal) return journal.error();
    made.journal = std::move(*journal);
    return made;
}

void Host::tell(const Coordinator& coordinator, const Context& context) const {
    const Roster roster = coordinator.roster();
    const std::string name = name_of(roster, coordinator.id());
    JsonLine line{"hosting"};
    line.text("group", host_.group).text("name", roster.peers.empty() ? name : roster.peers.front().name);
    line.text("id", coordinator.id().to_string()).integer("port", coordinator.port());
    line.flag("advertised", coordinator.is_advertised())
        .ms("started_ms", SteadyClock::now() - context.started);
    context.output.event(std::move(line));
    Output& out = context.output;
    out.say(fmt::format("hosting '{}' as {} ({}) on UDP port {}",
                        out.paint(Colour::bold, printable(host_.group)), name,
                        coordinator.id().short_string(), coordinator.port()));
    if (out.is_terminal() && ::isatty(STDIN_FILENO))
        out.say(out.paint(Colour::dim, "type to everyone; /help for more; Ctrl-C ends"));
}

asio::awaitable<Exit> Host::work(asio::io_context& io, Network& network, const Context& context) {
    auto wanted = options(context);
    if (!wanted) co_return failed(context, wanted.error());
    auto hosting = co_await host(network.executor(), std::move(*wanted));
    if (!hosting) co_return failed(context, hosting.error());
    Coordinator& coordinator = *hosting;
    tell(coordinator, context);
    ConsoleOptions how = console_;
    how.is_durable = journal_.is_wanted();
    how.greets_newcomers = true;
    how.about = "host of '" + printable(host_.group) + "'";
    Console console{io, context.output, coordinator, std::move(how)};
    console.answer_with([&coordinator](std::uint64_t ticket, std::optional<std::string> refusal) {
        if (refusal) return coordinator.refuse(ticket, std::move(*refusal));
        coordinator.accept(ticket);
    });
    co_return co_await console.run();
}

}  // namespace

CommandPtr make_host() { return std::make_unique<Host>(); }

}  // namespace muster::cli
