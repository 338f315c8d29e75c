#include "joining.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>

#include "options.h"
#include "output.h"
#include "peers.h"
#include "run.h"
#include "text.h"

namespace muster::cli {

namespace asio = boost::asio;
using Joined = boost::system::result<Member, Exit>;

namespace {

Result<JoinOptions> options_of(const JoinArguments& arguments, const Context& context) {
    JoinOptions options = arguments.join;
    options.context = to_bytes(arguments.context);
    options.discover = !arguments.no_discover;
    if (!arguments.only.empty()) options.coordinator = arguments.only.front();
    if (arguments.timeout) options.patience = *arguments.timeout;
    auto identity = Identity::load(context.home);
    if (!identity) return identity.error();
    options.identity = *identity;
    auto journal = arguments.journal.path(*identity, options.group, &Identity::member_journal_file);
    if (!journal) return journal.error();
    options.journal = std::move(*journal);
    return options;
}

/// The library does not know which program it is in: the cure in commands and flags of this one.
Error in_commands(Error why, const JoinArguments& arguments) {
    const std::string& group = arguments.join.group;
    if (why.code() == Errc::no_coordinator)
        return std::move(why).cure("start one with `muster host " + group +
                                   "`; if multicast is blocked, name its address with --at ADDRESS:PORT");
    if (why.code() == Errc::untrusted && arguments.only.empty())  // then the key is pinned
        return std::move(why).cure(
            "if the coordinator was replaced on purpose, forget the pin with `muster forget " + group + "`");
    return why;
}

asio::awaitable<void> until_interrupted(asio::io_context& io) {
    co_await signals_of(io).async_wait(asio::use_awaitable);
}

asio::awaitable<Result<Member>> joined(Network& network, JoinOptions options) {
    co_return co_await join(network.executor(), std::move(options));
}

asio::awaitable<std::optional<PeerPath>> path_of(Member& member) {
    co_return co_await member.path_to(member.coordinator().id);
}

/// `path`: none if the link is gone already.
void tell(const Member& member, const std::optional<PeerPath>& path, const JoinArguments& arguments,
          const Context& context) {
    const PeerInfo* self = nullptr;
    const Roster roster = member.roster();
    self = roster.find(member.id());
    JsonLine line{"joined"};
    line.text("group", arguments.join.group)
        .text("id", member.id().to_string())
        .text("name", self ? self->name : "");
    line.object("coordinator", json_of(member.coordinator())).integer("peers", roster.peers.size());
    line.ms("found_ms", member.found_after()).ms("connected_ms", member.connected_after());
    line.ms("joined_ms", member.joined_after()).ms("started_ms", SteadyClock::now() - context.started);
    if (arguments.journal.is_wanted()) line.flag("restored", member.is_restored());
    if (path)
        line.text("interface", path->interface)
            .text("remote", to_text(path->remote))
            .ms("round_trip_ms", path->round_trip);
    context.output.event(std::move(line));
    Output& out = context.output;
    std::string via = path && !path->interface.empty() ? " via " + printable(path->interface) : "";
    if (path) via += " (udp " + to_text(path->remote) + ")";
    out.say(fmt::format("found {} in {}{}, joined in {}",
                        out.paint(Colour::bold, described(member.coordinator())),
                        duration_text(member.found_after()), via, duration_text(member.joined_after())));
    if (member.is_restored()) out.say("going on with the session of the last process");
}

}  // namespace

void add_join_options(CLI::App& app, JoinArguments& arguments) {
    add_group(app, arguments.join.group);
    add_name(app, arguments.join.name);
    add_info(app, arguments.join.info);
    add_text(app, "--context", "TEXT", arguments.context,
             "For the coordinator's decision only: a token, a wish.");
    add_addresses(app, "--at", arguments.join.at,
                  "An address of the coordinator, tried besides discovery; repeat for more.");
    add_devices(app, "--only", arguments.only, "Joins only this coordinator.");
    add_flag(app, "--no-discover", arguments.no_discover,
             "Does not look for the group by multicast: only --at counts.");
    add_seconds(app, "--timeout", arguments.timeout, "Gives up if no coordinator can be reached (10).");
    add_profile(app, arguments.join.profile);
    add_grace(app, arguments.join.grace);
    add_paths(app, arguments.join.paths);
    add_fast_ipv6(app, arguments.join.fast_ipv6);
}

asio::awaitable<Joined> join_group(asio::io_context& io, Network& network, const JoinArguments& arguments,
                                   const Context& context) {
    using namespace asio::experimental::awaitable_operators;
    auto options = options_of(arguments, context);
    if (!options) co_return failed(context, options.error());
    context.output.live({"looking for '" + printable(arguments.join.group) + "' ..."});
    auto outcome = co_await (joined(network, std::move(*options)) || until_interrupted(io));
    context.output.live({});
    if (outcome.index() == 1) {
        context.output.say("interrupted");
        co_return Exit::interrupted;
    }
    auto& member = std::get<0>(outcome);
    if (!member) co_return failed(context, in_commands(member.error(), arguments));
    const auto path = co_await path_of(*member);
    tell(*member, path, arguments, context);
    co_return std::move(*member);
}

}  // namespace muster::cli
