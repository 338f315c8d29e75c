// The public handles used by strands of a pool of threads, with cancellation from there: what ThreadSanitizer is for.
#include <list>
#include <thread>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>

#include "test_story.h"

namespace muster {
namespace {

/// The context is run by four threads; stories run on strands of their own.
class ThreadsTest : public StoryTest {
public:
    void SetUp() override {
        StoryTest::SetUp();
        for (int i = 0; i < 4; ++i) threads.emplace_back([this] { context.run(); });
        host.emplace(muster::host(context.get_executor(), host_options(), asio::use_future).get().value());
        auto joining = muster::join(context.get_executor(), join_options(*host, "member"), asio::use_future);
        member.emplace(joining.get().value());
    }
    void TearDown() override {
        member.reset();
        host.reset();
        guard.reset();
        for (auto& thread : threads) thread.join();
        StoryTest::TearDown();
    }
    std::future<void> spawn(asio::awaitable<void> story) {
        return asio::co_spawn(asio::make_strand(context), std::move(story), asio::use_future);
    }

    asio::executor_work_guard<asio::io_context::executor_type> guard = asio::make_work_guard(context);
    std::vector<std::thread> threads;
    std::optional<Coordinator> host;
    std::optional<Member> member;
};

asio::awaitable<void> send_many(Session& from, Recipients to, int count) {
    for (int i = 0; i < count; ++i) {
        EXPECT_TRUE(co_await from.send(to, to_bytes("word")));
        (void)from.roster();
        (void)from.events_dropped();
    }
}

asio::awaitable<void> ask_for_path(Session& of, DeviceId peer, int count) {
    for (int i = 0; i < count; ++i) EXPECT_TRUE(co_await of.path_to(peer));
}

TEST_F(ThreadsTest, StrandsOfAPoolShareOneSession) {
    static constexpr int kEach = 200, kStrands = 4;
    std::vector<std::future<void>> stories;
    for (int i = 0; i < kStrands; ++i) {
        stories.push_back(spawn(send_many(*member, Recipients::coordinator(), kEach)));
        stories.push_back(spawn(send_many(*host, Recipients::everyone(), kEach)));
        stories.push_back(spawn(ask_for_path(*member, host->id(), kEach)));
    }
    const auto take_all = [](Session& session) -> asio::awaitable<void> {
        for (int taken = 0; taken < kEach * kStrands; ++taken) EXPECT_TRUE(co_await next<Message>(session));
    };
    stories.push_back(spawn(take_all(*host)));
    stories.push_back(spawn(take_all(*member)));
    for (auto& story : stories) story.get();
}

/// Waits for an event again and again, and gives most of the waits up: before, while and after they are answered.
asio::awaitable<void> wait_and_give_up(Session& session, int messages) {
    const auto strand = co_await asio::this_coro::executor;
    std::list<asio::cancellation_signal> signals;  // kept: a late one must reach no other wait
    asio::steady_timer pause(strand);
    int taken = 0, given_up = 0;
    for (int i = 0; taken < messages || given_up == 0; ++i) {
        bool is_told = false;
        auto& signal = signals.emplace_back();
        session.next_event(asio::bind_executor(
            strand, asio::bind_cancellation_slot(signal.slot(), [&](const Result<Event>& told) {
                is_told = true;
                if (told)
                    taken += std::holds_alternative<Message>(*told) ? 1 : 0;
                else
                    EXPECT_EQ(told.error().code(), Errc::cancelled);
                given_up += told ? 0 : 1;
            })));
        if (i % 3 == 1) co_await asio::post(strand, asio::use_awaitable);
        if (i % 3 != 2 || taken == messages) signal.emit(asio::cancellation_type::all);
        while (!is_told) {
            pause.expires_after(50us);
            co_await pause.async_wait(asio::use_awaitable);
        }
        signal.emit(asio::cancellation_type::all);  // too late
        if (signals.size() > 64) signals.pop_front();
    }
}

TEST_F(ThreadsTest, WaitsAreCancelledFromAStrandOfTheirOwn) {
    static constexpr int kMessages = 300;
    auto waiting = spawn(wait_and_give_up(*host, kMessages));
    auto waiting_too = spawn(wait_and_give_up(*member, kMessages));
    auto sending = spawn(send_many(*member, Recipients::coordinator(), kMessages));
    auto sending_too = spawn(send_many(*host, Recipients::everyone(), kMessages));
    for (auto* story : {&waiting, &waiting_too, &sending, &sending_too}) story->get();
}

asio::awaitable<void> write_and_end(Session& session, DeviceId to, std::size_t size) {
    auto stream = co_await session.open_stream(to, "data");
    EXPECT_TRUE(stream);
    const Bytes octets(size);
    EXPECT_EQ(co_await asio::async_write(*stream, asio::buffer(octets), asio::use_awaitable), size);
    stream->shutdown_send();
    char end = 0;
    boost::system::error_code ec;
    auto to_end = asio::redirect_error(asio::use_awaitable, ec);
    (void)co_await stream->async_read_some(asio::buffer(&end, 1), to_end);
    EXPECT_EQ(ec, asio::error::eof);
}

asio::awaitable<void> read_all(ByteStream stream, std::size_t size) {
    Bytes octets(size);
    EXPECT_EQ(co_await asio::async_read(stream, asio::buffer(octets), asio::use_awaitable), size);
    stream.shutdown_send();
}

TEST_F(ThreadsTest, StreamsAndFilesHaveStrandsOfTheirOwn) {
    static constexpr std::size_t kSize = 300'000;
    static constexpr int kOfEach = 3;
    std::vector<std::future<void>> stories;
    std::vector<OutgoingFile> sent;
    for (int i = 0; i < kOfEach; ++i) {
        stories.push_back(spawn(write_and_end(*member, host->id(), kSize)));
        sent.push_back(member->send_file(host->id(), file("f" + std::to_string(i), kSize)));
    }
    std::vector<IncomingFile> received;
    for (int streams = 0; streams < kOfEach || received.size() < kOfEach;) {
        auto event = host->next_event(asio::use_future).get();
        ASSERT_TRUE(event);
        if (auto* opened = std::get_if<StreamOpened>(&*event)) {
            ++streams;
            stories.push_back(spawn(read_all(std::move(opened->stream), kSize)));
        }
        if (auto* offered = std::get_if<FileOffered>(&*event)) {
            ReceiveFileOptions receive;
            receive.directory = directory;
            receive.name = "received" + std::to_string(received.size());
            received.push_back(std::move(offered->file));
            received.back().accept(receive);
        }
    }
    const auto follow = [](FileTransfer& transfer) -> asio::awaitable<void> {
        while (co_await transfer.next_progress()) continue;
        EXPECT_TRUE(co_await transfer.finished());
    };
    for (auto& transfer : sent) stories.push_back(spawn(follow(transfer)));
    for (auto& transfer : received) stories.push_back(spawn(follow(transfer)));
    for (auto& story : stories) story.get();
}

// Everything waits for something when the handles go, each in another thread than the strand.
TEST_F(ThreadsTest, HandlesAreDroppedWhileThreadsWait) {
    std::vector<std::future<Result<Event>>> waits;
    waits.push_back(member->next_event(asio::use_future));
    auto opened = member->open_stream(host->id(), "data", asio::use_future).get();
    ASSERT_TRUE(opened);
    std::array<char, 16> into{};
    auto read = opened->async_read_some(asio::buffer(into), asio::use_future);
    auto transfer = std::make_optional(member->send_file(host->id(), file("f", 1'000'000)));
    auto end = transfer->finished(asio::use_future);
    std::thread first{[&] { transfer.reset(); }};
    std::thread second{[&] { ByteStream gone{std::move(*opened)}; }};
    std::thread third{[&] { member.reset(); }};
    for (auto* thread : {&first, &second, &third}) thread->join();
    EXPECT_ANY_THROW(read.get());
    EXPECT_FALSE(end.get());
    for (auto& wait : waits) (void)wait.get();
}

TEST_F(ThreadsTest, ClosesMeetInTheMiddle) {
    auto left = member->close(1, "left", 2s, asio::use_future);
    auto right = host->close(2, "right", 2s, asio::use_future);
    auto again = member->close(3, "again", 2s, asio::use_future);
    (void)left.get();
    (void)right.get();
    (void)again.get();
    for (Session* session : {static_cast<Session*>(&*member), static_cast<Session*>(&*host)})
        while (session->next_event(asio::use_future).get()) continue;
}

}  // namespace
}  // namespace muster
