// One process that joins and leaves, or fails to join, again and again, and tells what it holds of the system in between.
//
//   endurance again --ways=WAY,... [--fails] [--n=N] [--every=N] [--at-once=N] [--leak]   and options of joins
//   endurance stay  --ways=WAY     [--members=N]                                          and options of joins
//   endurance host  [--refuse]                                                            and options of hosts
//
// again: --n cycles, --at-once of them at a time, by each of the ways in turn. A WAY is ENDPOINT or discover, with
// stranger/ before it if another key is expected than is there, with group/ if another group is. Each cycle is a join
// that must fail (--fails), or one that opens a stream and offers a file now and then, and leaves with a goodbye or
// without. After every --every cycles everything must come to rest: the event "held" has heap, resident memory, descriptors
// and threads, and how long that took; "failed" if it does not. Any line on standard input lets it go on. At the end "counts": how often each outcome came.
// stay: so many members in one process, until standard input ends; "held" has their ready paths too. host: takes everyone, or refuses; takes no files.
// Both tell what they hold when standard input says "measure".
// --leak: keeps a little of everything from each cycle, as the control.
#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <malloc.h>
#include <unistd.h>

#include "probe_options.h"
#include "stdin_lines.h"

#include "muster/muster.h"

namespace asio = boost::asio;
namespace json = boost::json;
using namespace muster;
using namespace muster::lab;

namespace {

constexpr std::chrono::seconds kGoodbye{5};
// A batch takes seconds; whoever waits longer than this waits for ever.
constexpr std::chrono::minutes kBatch{5};
constexpr std::chrono::milliseconds kThreadsEnd{50};  // file threads that were told to end
constexpr char kAnyFile[] = "/etc/hosts";

std::size_t entries_of(const char* directory) {
    const std::filesystem::directory_iterator all{directory};
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

json::object holdings() {
    const auto heap = ::mallinfo2();
    std::uint64_t pages = 0, resident = 0;
    std::ifstream{"/proc/self/statm"} >> pages >> resident;
    return {{"heap", heap.uordblks + heap.hblkhd},
            {"mapped", heap.hblkhd},  // blocks above 128 KiB
            {"resident", resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))},
            {"descriptors", entries_of("/proc/self/fd") - 1},  // that of the look itself
            {"threads", entries_of("/proc/self/task")},
            {"processor_us", std::int64_t{std::clock()} * 1'000'000 / CLOCKS_PER_SEC}};
}

/// What every cycle of the control keeps for ever.
void leak(std::int64_t cycle) {
    static std::vector<Bytes> kept;
    kept.emplace_back(20 << 10, std::byte{1});
    if (cycle % 8 == 0) (void)::dup(STDIN_FILENO);
    if (cycle % 32 == 0) std::thread{[] { ::pause(); }}.detach();
}

JoinOptions join_by(const std::string& way, const Options& options) {
    JoinOptions how = join_options(options);
    const auto slash = way.find('/');
    const std::string kind = slash == std::string::npos ? "" : way.substr(0, slash);
    const std::string where = slash == std::string::npos ? way : way.substr(slash + 1);
    how.discover = where == "discover";
    if (!how.discover) how.at = {where};
    if (kind == "stranger") how.coordinator = Identity::ephemeral().id();
    if (kind == "group") how.group = "elsewhere";
    return how;
}

asio::awaitable<void> take_events(std::shared_ptr<Member> member) {
    while (co_await member->next_event()) {
    }
}

class Cycles {
public:
    explicit Cycles(const Options& options)
        : options_(options), ways_(options.list("ways")), fails_(options.has("fails")) {}

    /// True if nothing was left to do each time.
    bool run() {
        const std::int64_t all = options_.number("n", 100), every = options_.number("every", 100);
        while (done_ < all) {
            limit_ = std::min(all, done_ + every);
            if (!run_some()) return false;
            std::this_thread::sleep_for(kThreadsEnd);
            json::object facts = holdings();
            facts["cycles"] = done_;
            facts["idle_after_ms"] = static_cast<double>(now_ns() - last_done_) / 1e6;
            tell("held", std::move(facts));
            std::string order;
            std::getline(std::cin, order);
        }
        json::object counts;
        for (const auto& [outcome, count] : counts_) counts[outcome] = count;
        tell("counts", std::move(counts));
        return true;
    }

private:
    bool run_some() {
        asio::io_context context{1};
        for (std::int64_t i = 0; i < options_.number("at-once", 4); ++i)
            asio::co_spawn(context, work(), asio::detached);
        context.run_for(kBatch);
        if (!context.stopped()) tell("failed", {{"explain", "something is left to do after the last cycle"}});
        return context.stopped();
    }
    asio::awaitable<void> work() {
        while (begun_ < limit_) {
            const std::int64_t cycle = begun_++;
            co_await (fails_ ? fail(cycle) : live(cycle));
            if (options_.has("leak")) leak(cycle);
            ++done_;
            last_done_ = now_ns();
        }
    }
    const std::string& way_of(std::int64_t cycle) const {
        return ways_[static_cast<std::size_t>(cycle) % ways_.size()];
    }

    asio::awaitable<void> fail(std::int64_t cycle) {
        JoinOptions how = join_by(way_of(cycle), options_);
        auto joined = co_await join(co_await asio::this_coro::executor, std::move(how));
        const std::string outcome = joined ? "joined" : std::string{to_string(joined.error().code())};
        ++counts_[way_of(cycle) + " " + outcome];
    }

    asio::awaitable<void> live(std::int64_t cycle) {
        const auto executor = co_await asio::this_coro::executor;
        JoinOptions how = join_by(way_of(cycle), options_);
        auto joined = co_await join(executor, std::move(how));
        if (!joined) {
            ++counts_[way_of(cycle) + " " + std::string{to_string(joined.error().code())}];
            co_return;
        }
        auto member = std::make_shared<Member>(std::move(*joined));
        asio::co_spawn(executor, take_events(member), asio::detached);
        co_await talk(*member, cycle);
        const bool says_goodbye = cycle % 4 != 3;
        if (!says_goodbye) member->abort();
        const std::string reason = "enough";
        const auto closed = co_await member->close(1, reason, kGoodbye);
        const bool is_fine = closed.has_value() == says_goodbye;
        ++counts_[way_of(cycle) + (is_fine ? " joined and left" : " ended badly")];
    }
    asio::awaitable<void> talk(Member& member, std::int64_t cycle) {
        const DeviceId to = member.coordinator().id;
        (void)co_await member.send(Recipients::coordinator(), to_bytes("hello"));
        auto stream = co_await member.open_stream(to, "talk");
        if (!stream) co_return;
        const std::array<char, 4> octets{};
        boost::system::error_code failure;
        auto token = asio::redirect_error(asio::use_awaitable, failure);
        (void)co_await asio::async_write(*stream, asio::buffer(octets), token);
        stream->shutdown_send();
        if (cycle % 8 != 0) co_return;
        OutgoingFile file = member.send_file(to, kAnyFile);
        (void)co_await file.finished();  // declined, once the disk has been asked
    }

    const Options& options_;
    const std::vector<std::string> ways_;
    const bool fails_;
    std::int64_t begun_ = 0, done_ = 0, limit_ = 0, last_done_ = 0;
    std::map<std::string, std::int64_t> counts_;
};

// --- who stays

using Members = std::vector<std::shared_ptr<Member>>;  // owners: it, and what takes their events

asio::awaitable<std::size_t> ready_paths(const Members& members) {
    std::size_t ready = 0;
    for (const auto& member : members) {
        const Explanation how = co_await member->explain(member->coordinator().id);
        ready += static_cast<std::size_t>(std::ranges::count(how.paths, true, &PathState::is_ready));
    }
    co_return ready;
}

asio::awaitable<void> measure_when_told(Members members) {
    StdinLines orders{co_await asio::this_coro::executor};
    while (const auto line = co_await orders.next()) {
        json::object facts = holdings();
        facts["ready_paths"] = co_await ready_paths(members);
        tell("held", std::move(facts));
    }
    std::_Exit(0);
}

asio::awaitable<void> stay(const Options& options) {
    const auto executor = co_await asio::this_coro::executor;
    Members members;
    for (std::int64_t i = 0; i < options.number("members", 1); ++i) {
        JoinOptions how = join_by(options.text("ways"), options);
        auto joined = co_await join(executor, std::move(how));
        if (!joined) {
            tell_failure(joined.error());
            std::_Exit(1);
        }
        members.push_back(std::make_shared<Member>(std::move(*joined)));
        asio::co_spawn(executor, take_events(members.back()), asio::detached);
    }
    tell("joined");
    co_await measure_when_told(std::move(members));
}

asio::awaitable<void> serve(const Options& options) {
    HostOptions how = host_options(options);
    if (options.has("refuse")) how.admit = [](const JoinRequest&) { return Admission::refuse("never"); };
    auto made = co_await host(co_await asio::this_coro::executor, std::move(how));
    if (!made) {
        tell_failure(made.error());
        std::_Exit(1);
    }
    tell("hosting");
    asio::co_spawn(co_await asio::this_coro::executor, measure_when_told({}), asio::detached);
    while (auto event = co_await made->next_event())
        if (auto* offered = std::get_if<FileOffered>(&*event)) offered->file.decline("no files");
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view role = argc > 1 ? argv[1] : "";
    if (role != "again" && role != "stay" && role != "host") {
        std::cerr << "endurance again|stay|host ...\n";
        return 2;
    }
    const Options options{argc - 1, argv + 1};
    if (role == "again") return Cycles{options}.run() ? 0 : 1;
    asio::io_context context{1};
    asio::co_spawn(context, role == "stay" ? stay(options) : serve(options), asio::detached);
    context.run();
}
