// What an idle member costs its coordinator: resident memory with 0, 200 and 1000 members, and processor time
// with 1000 over 20 s, for two profiles. The members live in a second process, each with sockets and keys of
// its own.
#include <array>
#include <fstream>
#include <memory>
#include <vector>

#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "json_lines.h"
#include "nodes.h"

using namespace muster;
using namespace muster::bench;

namespace {

constexpr std::uint64_t kSome = 200;
constexpr std::uint64_t kAll = 1000;
// Joins under way: a storm measures only how two processes share one machine. Every join is news for everyone
// there.
constexpr int kAtATime = 2;
constexpr std::chrono::seconds kSettle{2};
constexpr std::chrono::seconds kWatch{20};

/// "VmRSS" of a process in kB.
double resident_kb(pid_t pid) {
    std::ifstream status{"/proc/" + std::to_string(pid) + "/status"};
    for (std::string word; status >> word;)
        if (word == "VmRSS:" && status >> word) return std::stod(word);
    fail("no VmRSS");
}

/// Seconds of processor time that the one thread of a process has had, to the nanosecond.
double processor_seconds(pid_t pid) {
    std::ifstream schedstat{"/proc/" + std::to_string(pid) + "/schedstat"};
    double nanoseconds = 0;
    if (!(schedstat >> nanoseconds)) fail("no schedstat");
    return nanoseconds / 1e9;
}

// --- the coordinator's process

asio::awaitable<void> host_and_count(Profile profile, const Channel& parent) {
    auto made = co_await host(co_await asio::this_coro::executor, host_options(profile));
    Coordinator coordinator = need(std::move(made), "host");
    parent.tell(coordinator.port());
    std::uint64_t members = 0;
    for (;;) {
        auto event = co_await coordinator.next_event();
        if (!event) co_return;
        if (const auto* left = std::get_if<PeerLeft>(&*event))
            fail("a member left: " +
                 (left->how.is_lost() ? left->how.cause().explain() : left->how.closed().reason));
        if (!std::holds_alternative<PeerJoined>(*event)) continue;
        ++members;
        if (members == kSome || members == kAll) parent.tell(members);
    }
}

void run_coordinator(Profile profile, const Channel& parent) {
    asio::io_context context{1};
    asio::posix::stream_descriptor end{context, ::dup(parent.input())};
    end.async_wait(asio::posix::stream_descriptor::wait_read, [](auto) { std::_Exit(0); });
    run(context, host_and_count(profile, parent));
}

// --- the members' process

using Members = std::vector<std::unique_ptr<Member>>;

asio::awaitable<void> join_one(std::uint16_t port, Profile profile, Members& members) {
    auto joined = co_await join(co_await asio::this_coro::executor, join_options(port, profile));
    members.push_back(std::make_unique<Member>(need(std::move(joined), "join")));
}

/// Takes what comes, so that nothing piles up: the news of everyone else who joins.
asio::awaitable<void> listen(Member& member) {
    while (co_await member.next_event()) {
    }
    fail("a member's session ended");
}

asio::awaitable<void> join_in_turn(std::uint16_t port, Profile profile, Members& members,
                                   std::uint64_t share) {
    for (std::uint64_t i = 0; i < share; ++i) {
        co_await join_one(port, profile, members);
        asio::co_spawn(co_await asio::this_coro::executor, listen(*members.back()), asio::detached);
    }
}

/// Joins as many as the parent says, whenever it says so.
void run_members(Profile profile, const Channel& parent) {
    raise_descriptor_limit();
    const auto port = static_cast<std::uint16_t>(parent.hear());
    asio::io_context context{1};
    Members members;
    members.reserve(kAll);
    asio::posix::stream_descriptor orders{context, ::dup(parent.input())};
    std::function<void()> wait = [&] {
        orders.async_wait(asio::posix::stream_descriptor::wait_read, [&](auto) {
            const std::uint64_t more = parent.hear();
            for (int i = 0; i < kAtATime; ++i)
                asio::co_spawn(context, join_in_turn(port, profile, members, more / kAtATime),
                               asio::detached);
            wait();
        });
    };
    wait();
    context.run();
}

// --- the judge

void settle() { ::usleep(static_cast<useconds_t>(std::chrono::microseconds{kSettle}.count())); }

void measure(Profile profile, const char* idle_metric, JsonLines& out, bool with_memory) {
    const Child coordinator{[profile](const Channel& parent) { run_coordinator(profile, parent); }};
    const Child members{[profile](const Channel& parent) { run_members(profile, parent); }};
    members.channel().tell(coordinator.channel().hear());
    settle();
    const double none = resident_kb(coordinator.pid());
    members.channel().tell(kSome);
    (void)coordinator.channel().hear();
    settle();
    const double some = resident_kb(coordinator.pid());
    const TimePoint begin = SteadyClock::now();
    members.channel().tell(kAll - kSome);
    (void)coordinator.channel().hear();
    const double took = std::chrono::duration<double>(SteadyClock::now() - begin).count();
    settle();
    const double all = resident_kb(coordinator.pid());
    const double before = processor_seconds(coordinator.pid());
    ::usleep(static_cast<useconds_t>(std::chrono::microseconds{kWatch}.count()));
    const double spent = processor_seconds(coordinator.pid()) - before;
    if (with_memory) {
        out.line("coordinator_without_members", none, "kB RSS", 1);
        out.line("memory_per_member_first_200", (some - none) / double(kSome), "kB", kSome);
        out.line("memory_per_member_next_800", (all - some) / double(kAll - kSome), "kB", kAll - kSome);
        out.line("joins_two_at_a_time", double(kAll - kSome) / took, "joins/s", kAll - kSome);
    }
    out.line(idle_metric, 100 * spent / std::chrono::duration<double>(kWatch).count(), "% of a core", kAll);
}

}  // namespace

int main() {
    JsonLines out{"muster"};
    measure(Profile::balanced, "idle_cpu_1000_members_balanced", out, true);
    measure(Profile::low_power, "idle_cpu_1000_members_low_power", out, false);
}
