// Eight peers that talk to each other all the time, while one after another of them stops with a code and a reason: everybody
// else must hear just that, soon, and never that it was lost. Over loopback, with handles used from many threads.
//
// MUSTER_STOPS: how many stops (default 24); the long form has 500 (ctest -C soak -L soak).
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>

#include "test_story.h"

namespace muster {
namespace {

constexpr std::size_t kMembers = 7;
// From the call of close(), seen by every other application; tests/node/CMakeLists.txt knows what sanitizers cost.
constexpr std::chrono::milliseconds kHeardWithin{STOP_HEARD_WITHIN_MS};
constexpr Duration kGoodbye = 5s, kGivenUp = 20s;
constexpr Duration kPause = 10ms;  // between two messages of one peer to everyone

int stops_wanted() {
    const char* text = std::getenv("MUSTER_STOPS");
    return text ? std::atoi(text) : 24;
}

/// What each descriptor of this process is, but for the one that looks, and pipes, of which a session has none:
/// sanitizers have them with their symbolizer.
std::multiset<std::string> open_descriptors() {
    std::multiset<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
        std::error_code gone;
        const std::string what = std::filesystem::read_symlink(entry, gone).string();
        if (!gone && !what.starts_with("/proc/") && !what.starts_with("pipe:"))
            all.insert(what.substr(0, what.find('[')));
    }
    return all;
}

/// That one application was told how another one left, or how its own session ended.
struct Sighting {
    Departure how;
    TimePoint when;
    int messages;  // that had come from who left
};

/// What all applications were told; any thread.
class Sightings {
public:
    using Key = std::pair<DeviceId, DeviceId>;  // who saw it, who left (itself: its session ended)

    void add(const Key& key, const Sighting& seen) {
        const std::lock_guard lock{mutex_};
        seen_.insert_or_assign(key, seen);
        changed_.notify_all();
    }
    std::optional<Sighting> wait(const Key& key) {
        std::unique_lock lock{mutex_};
        changed_.wait_for(lock, kGivenUp, [&] { return seen_.contains(key); });
        const auto found = seen_.find(key);
        return found == seen_.end() ? std::nullopt : std::optional{found->second};
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<Key, Sighting> seen_;
};

/// One application: talks to everyone and notes what it is told, on a strand of its own.
class Peer {
public:
    Peer(asio::io_context& context, Session session, Sightings& sightings)
        : session_(std::move(session)),
          sightings_(sightings),
          strand_(asio::make_strand(context)),
          talking_(asio::co_spawn(strand_, talk(), asio::use_future)),
          listening_(asio::co_spawn(strand_, listen(), asio::use_future)) {}
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    Session& session() { return session_; }
    const DeviceId& id() const { return session_.id(); }
    /// Waits until the application has nothing to do any more: its session must be over.
    void finish() {
        talking_.get();
        listening_.get();
    }
    int accepted() const { return accepted_; }
    int interrupted() const { return interrupted_; }

private:
    asio::awaitable<void> talk() {
        asio::steady_timer pause{strand_};
        while (co_await session_.send(Recipients::everyone(), to_bytes("still talking"))) {
            ++accepted_;
            pause.expires_after(kPause);
            co_await pause.async_wait(asio::use_awaitable);
        }
    }
    asio::awaitable<void> listen() {
        std::map<DeviceId, int> messages;
        while (auto event = co_await session_.next_event()) {
            if (const auto* message = std::get_if<Message>(&*event)) ++messages[message->from];
            if (const auto* left = std::get_if<PeerLeft>(&*event))
                sightings_.add({id(), left->peer.id},
                               {left->how, SteadyClock::now(), messages[left->peer.id]});
            if (const auto* end = std::get_if<SessionEnded>(&*event))
                sightings_.add({id(), id()}, {end->how, SteadyClock::now(), 0});
            if (std::holds_alternative<PeerInterrupted>(*event)) ++interrupted_;
        }
    }

    Session session_;
    Sightings& sightings_;
    asio::strand<asio::io_context::executor_type> strand_;
    std::atomic<int> accepted_ = 0, interrupted_ = 0;
    std::future<void> talking_, listening_;
};

/// The context is run by four threads; the test's own thread decides who stops.
class StopsTest : public StoryTest {
public:
    void SetUp() override {
        StoryTest::SetUp();
        for (int i = 0; i < 4; ++i) threads_.emplace_back([this] { context.run(); });
    }
    void TearDown() override {
        guard_.reset();
        for (auto& thread : threads_) thread.join();
        StoryTest::TearDown();
    }

    void begin() {
        auto made = muster::host(context.get_executor(), host_options(), asio::use_future).get();
        ASSERT_TRUE(made) << made.error().explain();
        port_ = made->port();
        coordinator_ = std::make_unique<Peer>(context, std::move(*made), sightings_);
        members_.resize(kMembers);
        for (auto& member : members_) replace(member);
    }
    std::future<Result<Member>> start_join() {
        JoinOptions options;
        options.group = "stage";
        options.name = "member";
        options.identity = Identity::ephemeral();
        options.discover = false;
        options.patience = 3s;  // who joins a coordinator that has just closed waits as long
        options.at = {"127.0.0.1:" + std::to_string(port_)};
        return muster::join(context.get_executor(), std::move(options), asio::use_future);
    }
    void replace(std::unique_ptr<Peer>& member) {
        auto joined = start_join().get();
        ASSERT_TRUE(joined) << joined.error().explain();
        member = std::make_unique<Peer>(context, std::move(*joined), sightings_);
    }

    /// Calls close() in one of the ways in which applications do. Returns the time just before.
    TimePoint stop(Peer& peer, CloseCode code, const std::string& reason, unsigned way) {
        const TimePoint begun = SteadyClock::now();
        if (way % 3 == 0) {  // from another thread
            const auto closed = peer.session().close(code, reason, kGoodbye, asio::use_future).get();
            EXPECT_TRUE(closed) << closed.error().explain();
        } else if (way % 3 == 1) {  // from two at once: the first one counts
            auto first = peer.session().close(code, reason, kGoodbye, asio::use_future);
            auto second = peer.session().close(code + 1, "too late", kGoodbye, asio::use_future);
            EXPECT_TRUE(first.get());
            EXPECT_TRUE(second.get());
        } else {  // from the session's own strand
            std::promise<Result<void>> closed;
            asio::post(peer.session().get_executor(), [&] {
                peer.session().close(code, reason, kGoodbye,
                                     [&](Result<void> how) { closed.set_value(std::move(how)); });
            });
            EXPECT_TRUE(closed.get_future().get());
        }
        return begun;
    }
    /// `viewer` was told that `who` (or its own session) was closed so, in time. Returns how many messages came first.
    int expect_heard(Peer& viewer, const DeviceId& who, CloseCode code, const std::string& reason,
                     TimePoint begun) {
        const auto seen = sightings_.wait({viewer.id(), who});
        if (!seen) return ADD_FAILURE() << "nobody told", -1;
        EXPECT_TRUE(seen->how.is_closed()) << seen->how.cause().explain();
        if (seen->how.is_lost()) return -1;
        EXPECT_EQ(seen->how.closed().code, code);
        EXPECT_EQ(seen->how.closed().reason, reason);
        EXPECT_LE(seen->when - begun, kHeardWithin);
        slowest_ = std::max(slowest_, seen->when - begun);
        EXPECT_EQ(viewer.interrupted(), 0);
        return seen->messages;
    }

    void stop_member(std::size_t which, CloseCode code, unsigned way) {
        const std::string reason = "stop " + std::to_string(code);
        std::unique_ptr<Peer> leaving = std::move(members_[which]);
        const TimePoint begun = stop(*leaving, code, reason, way);
        leaving->finish();
        const int arrived = expect_heard(*coordinator_, leaving->id(), code, reason, begun);
        EXPECT_EQ(arrived, leaving->accepted()) << "what was accepted has arrived";
        for (auto& member : members_)
            if (member) (void)expect_heard(*member, leaving->id(), code, reason, begun);
        replace(members_[which]);
    }
    /// While somebody joins: that ends too, with a member or an error.
    void stop_coordinator(CloseCode code, unsigned way) {
        const std::string reason = "stop " + std::to_string(code);
        auto joining = start_join();
        const TimePoint begun = stop(*coordinator_, code, reason, way);
        for (auto& member : members_) {
            (void)expect_heard(*member, member->id(), code, reason, begun);
            member->finish();
        }
        coordinator_->finish();
        const auto newcomer = joining.get();
        if (!newcomer) {
            EXPECT_THAT(newcomer.error().code(),
                        testing::AnyOf(Errc::closed, Errc::lost, Errc::unreachable, Errc::handshake_failed))
                << newcomer.error().explain();
        }
    }
    void end() {
        (void)stop(*coordinator_, 0, "done", 0);
        for (auto& member : members_) member->finish();
        coordinator_->finish();
        members_.clear();
        coordinator_.reset();
    }

    asio::executor_work_guard<asio::io_context::executor_type> guard_ = asio::make_work_guard(context);
    std::vector<std::thread> threads_;
    Sightings sightings_;
    std::uint16_t port_ = 0;
    std::unique_ptr<Peer> coordinator_;
    std::vector<std::unique_ptr<Peer>> members_;
    Duration slowest_{};
};

TEST_F(StopsTest, EverybodyHearsTheReasonWhileAllOthersTalk) {
    asio::steady_timer{context, 1ms}.async_wait(asio::use_future).get();
    const auto before = open_descriptors();  // with those of the event loop
    std::mt19937 random{12};                 // NOLINT(cert-msc32-c,cert-msc51-cpp): the same stops each time
    begin();
    for (CloseCode code = 1; code <= static_cast<CloseCode>(stops_wanted()) && !HasFailure(); ++code) {
        SCOPED_TRACE("stop " + std::to_string(code));
        const std::size_t which = random() % (kMembers + 1);
        const auto way = static_cast<unsigned>(random());
        if (which < kMembers) {
            stop_member(which, code, way);
        } else {
            stop_coordinator(code, way);
            begin();
        }
    }
    end();
    RecordProperty("slowest_ms", static_cast<int>(slowest_ / 1ms));
    for (const TimePoint patience = SteadyClock::now() + kGivenUp;
         open_descriptors() != before && SteadyClock::now() < patience;)
        std::this_thread::sleep_for(10ms);
    EXPECT_EQ(open_descriptors(), before) << "descriptors that nobody needs any more";
}

// The control: who drops its session has said no goodbye, and nobody may take it for one.
TEST_F(StopsTest, WhoOnlyGoesIsLost) {
    begin();
    const DeviceId gone = members_[0]->id();
    members_[0]->session().abort();
    members_[0]->finish();
    for (auto* viewer : {coordinator_.get(), members_[1].get()}) {
        const auto seen = sightings_.wait({viewer->id(), gone});
        ASSERT_TRUE(seen);
        EXPECT_TRUE(seen->how.is_lost());
    }
    replace(members_[0]);
    end();
}

}  // namespace
}  // namespace muster
