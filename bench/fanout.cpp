// One coordinator, 100 members in a second process, each with sockets and keys of its own, on loopback:
// reliable messages of 100 octets to everyone. Counted are deliveries to the members' application.
#include <memory>
#include <vector>

#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "json_lines.h"
#include "nodes.h"

using namespace muster;
using namespace muster::bench;

namespace {

constexpr std::size_t kMembers = 100;
constexpr std::chrono::seconds kDuration{4};
constexpr std::size_t kMessage = 100;
constexpr int kBatch = 64;  // messages to everyone between two looks at the clock

struct Crowd {
    std::uint64_t deliveries = 0;
    std::size_t done = 0;
    TimePoint first{};
    TimePoint last{};
};

/// One member: counts what it gets until the short message, which is the last.
asio::awaitable<void> count(std::uint16_t port, Crowd& crowd, const Channel& parent) {
    auto joined = co_await join(co_await asio::this_coro::executor, join_options(port));
    Member member = need(std::move(joined), "join");
    while (auto event = co_await member.next_event()) {
        const auto* message = std::get_if<Message>(&*event);
        if (!message) continue;
        if (message->payload.size() != kMessage) break;
        if (crowd.deliveries++ == 0) crowd.first = SteadyClock::now();
    }
    crowd.last = SteadyClock::now();
    if (++crowd.done < kMembers) co_return;
    parent.tell(crowd.deliveries);
    parent.tell(static_cast<std::uint64_t>(std::chrono::nanoseconds{crowd.last - crowd.first}.count()));
}

void run_crowd(const Channel& parent) {
    raise_descriptor_limit();
    const auto port = static_cast<std::uint16_t>(parent.hear());
    asio::io_context context{1};
    Crowd crowd;
    for (std::size_t i = 0; i < kMembers; ++i)
        asio::co_spawn(context, count(port, crowd, parent), asio::detached);
    context.run();
}

asio::awaitable<void> send_to_everyone(Coordinator& coordinator) {
    const Bytes payload(kMessage, std::byte{0x5a});
    const Recipients to = Recipients::everyone();
    for (const auto until = SteadyClock::now() + kDuration; SteadyClock::now() < until;) {
        int sent = 0;
        while (sent < kBatch && coordinator.try_send(to, payload)) ++sent;
        if (sent == kBatch) {
            co_await asio::post(asio::use_awaitable);  // the node gets its turn
            continue;
        }
        Bytes copy = payload;
        need(co_await coordinator.send(to, std::move(copy)), "send");  // waits for room
    }
    Bytes last(1);
    need(co_await coordinator.send(to, std::move(last)), "send");
}

asio::awaitable<void> wait_for_members(Coordinator& coordinator) {
    for (std::size_t joined = 0; joined < kMembers;) {
        auto event = co_await coordinator.next_event();
        if (!event) fail("the session ended");
        if (std::holds_alternative<PeerJoined>(*event)) ++joined;
    }
}

asio::awaitable<void> measure(const Channel& crowd, JsonLines& out) {
    const auto executor = co_await asio::this_coro::executor;
    auto made = co_await host(executor, host_options());
    Coordinator coordinator = need(std::move(made), "host");
    crowd.tell(coordinator.port());
    co_await wait_for_members(coordinator);
    co_await asio::co_spawn(coordinator.get_executor(), send_to_everyone(coordinator), asio::use_awaitable);
    (void)co_await coordinator.close(0, "done", std::chrono::seconds{20});
    const std::uint64_t deliveries = crowd.hear();  // blocks; nothing runs here any more
    const double seconds = static_cast<double>(crowd.hear()) / 1e9;
    out.line("fan_out_100_members", static_cast<double>(deliveries) / seconds, "deliveries/s", deliveries);
}

}  // namespace

int main() {
    const Child crowd{run_crowd};
    JsonLines out{"muster"};
    asio::io_context context{1};
    run(context, measure(crowd.channel(), out));
}
