// A member that joins, says hello, and tells how long each step took.
//
//   probe_join [--group=NAME] [--name=NAME] [--profile=...] [--at=ADDRESS:PORT[,...]] [--no-discover]
//              [--patience-ms=N] [--grace-ms=N] [--started-ns=N] [--leave] [--on-order]
//
// --started-ns: when the process was made, as its parent says. --leave: goes as soon as the hello has been
// delivered; otherwise it stays until standard input says "leave" or ends. --on-order: joins only when
// standard input says "start NANOSECONDS", at that time: many processes can so begin at one moment.
#include <memory>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "probe_options.h"
#include "stdin_lines.h"

namespace asio = boost::asio;
namespace json = boost::json;
using namespace muster;
using namespace muster::lab;

namespace {

constexpr std::chrono::seconds kGoodbye{
    5};  // scenarios take the network away at any moment, for less than that

asio::awaitable<void> wait_for_order(StdinLines& orders) {
    tell("armed");
    const auto line = co_await orders.next();
    if (!line) std::_Exit(0);
    const std::int64_t when = std::stoll(split_order(*line).second);
    asio::steady_timer timer{co_await asio::this_coro::executor};
    timer.expires_after(std::chrono::nanoseconds{when - now_ns()});
    co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> tell_end(std::shared_ptr<Member> member) {
    while (auto event = co_await member->next_event()) {
        const auto* ended = std::get_if<SessionEnded>(&*event);
        if (!ended) continue;
        tell("ended", facts_of(ended->how));
    }
}

asio::awaitable<void> say_hello(Member& member) {
    const auto path = co_await member.path_to(member.coordinator().id);
    Bytes hello;
    for (const char c : std::string_view{"hello"}) hello.push_back(static_cast<std::byte>(c));
    if (const auto sent = co_await member.send(Recipients::coordinator(), std::move(hello)); !sent)
        tell_failure(sent.error());
    if (path) tell("sent", {{"remote", to_text(path->remote)}, {"interface", path->interface}});
}

asio::awaitable<void> live(const Options& options, std::int64_t main_ns) {
    const auto executor = co_await asio::this_coro::executor;
    StdinLines orders{executor};
    if (options.has("on-order")) co_await wait_for_order(orders);
    const std::int64_t called_ns = now_ns();
    JoinOptions how = join_options(options);
    auto joined = co_await join(executor, std::move(how));
    if (!joined) {
        tell_failure(joined.error(), {{"took_ms", static_cast<double>(now_ns() - called_ns) / 1e6}});
        std::exit(1);
    }
    auto member = std::make_shared<Member>(std::move(*joined));
    const std::int64_t joined_ns = now_ns();
    co_await say_hello(*member);
    tell("joined", {{"t_ns", joined_ns},
                    {"started_ns", options.number("started-ns", main_ns)},
                    {"main_ns", main_ns},
                    {"called_ns", called_ns},
                    {"found_us", microseconds(member->found_after())},
                    {"connected_us", microseconds(member->connected_after())},
                    {"joined_us", microseconds(member->joined_after())}});
    asio::co_spawn(executor, tell_end(member), asio::detached);
    if (!options.has("leave")) (void)co_await orders.next();
    const std::string reason;
    (void)co_await member->close(0, reason, kGoodbye);
    std::exit(0);
}

}  // namespace

int main(int argc, char** argv) {
    const std::int64_t main_ns = now_ns();
    const Options options{argc, argv};
    asio::io_context context{1};
    asio::co_spawn(context, live(options, main_ns), asio::detached);
    context.run();
}
