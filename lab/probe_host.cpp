// A coordinator that tells what happens to it. Orders on standard input: "host GROUP" and "close".
//
//   probe_host [--group=NAME] [--profile=realtime|balanced|low_power] [--port=N] [--no-advertise]
//              [--grace-ms=N]
//
// With --group it hosts at once and ends with standard input.
#include <memory>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "probe_options.h"
#include "stdin_lines.h"

namespace asio = boost::asio;
namespace json = boost::json;
using namespace muster;
using namespace muster::lab;

namespace {

struct Teller {
    void operator()(const Message& message) const {
        tell("message", {{"from", message.from.to_string()},
                         {"text", std::string_view{reinterpret_cast<const char*>(message.payload.data()),
                                                   message.payload.size()}}});
    }
    void operator()(const PeerJoined& joined) const {
        tell("joined", {{"name", joined.peer.name}, {"id", joined.peer.id.to_string()}});
    }
    void operator()(const PeerLeft& left) const {
        json::object facts = facts_of(left.how);
        facts["name"] = left.peer.name;
        tell("left", std::move(facts));
    }
    void operator()(const GroupContested& contested) const {
        tell("contested", {{"id", contested.id.to_string()}, {"at", to_text(contested.at)}});
    }
    void operator()(const SessionEnded& ended) const { tell("ended", facts_of(ended.how)); }
    template <class Other>
    void operator()(const Other&) const {}
};

asio::awaitable<void> listen(std::shared_ptr<Coordinator> coordinator) {
    while (auto event = co_await coordinator->next_event()) std::visit(Teller{}, *event);
}

asio::awaitable<std::shared_ptr<Coordinator>> start(const Options& options, const std::string& group) {
    const auto executor = co_await asio::this_coro::executor;
    HostOptions how = host_options(options);
    how.group = group;
    const std::int64_t before = now_ns();
    auto made = co_await host(executor, std::move(how));
    if (!made) {
        tell_failure(made.error());
        std::exit(1);
    }
    auto coordinator = std::make_shared<Coordinator>(std::move(*made));
    asio::co_spawn(executor, listen(coordinator), asio::detached);
    tell("ready",
         {{"before_ns", before}, {"port", coordinator->port()}, {"id", coordinator->id().to_string()}});
    co_return coordinator;
}

asio::awaitable<void> obey(const Options& options) {
    StdinLines orders{co_await asio::this_coro::executor};
    std::shared_ptr<Coordinator> coordinator;
    if (options.has("group")) coordinator = co_await start(options, options.text("group"));
    while (const auto line = co_await orders.next()) {
        const auto [verb, what] = split_order(*line);
        if (verb == "host") coordinator = co_await start(options, what);
        if (verb == "close" && coordinator) {
            (void)co_await coordinator->close();
            coordinator.reset();
            tell("closed");
        }
    }
    std::_Exit(0);  // the laboratory is over: no goodbye is owed to it
}

}  // namespace

int main(int argc, char** argv) {
    const Options options{argc, argv};
    asio::io_context context{1};
    asio::co_spawn(context, obey(options), asio::detached);
    context.run();
}
