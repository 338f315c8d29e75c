#include "node/file_threads.h"

#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace muster::node {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

TEST(FileWork, AnswersOnTheStrandWhatTheDiskHasDone) {
    asio::io_context disk, strand;
    FileWork work{disk.get_executor()};
    std::string story;
    work.submit([&] { story += "call "; }, strand.get_executor(), [&] { story += "answer"; });
    strand.poll();
    EXPECT_EQ(story, "");
    disk.poll();
    EXPECT_EQ(story, "call ");
    strand.restart();
    strand.poll();
    EXPECT_EQ(story, "call answer");
}

TEST(FileWork, AfterTheEndWhatWasAskedIsDoneAndNobodyIsTold) {
    asio::io_context disk;
    auto strand = std::make_unique<asio::io_context>();
    const auto held = std::make_shared<int>();
    bool done = false, told = false;
    FileWork work{disk.get_executor()};
    work.submit([&] { done = true; }, strand->get_executor(), [&told, held] { told = true; });
    EXPECT_EQ(held.use_count(), 2);
    work.close();
    EXPECT_EQ(held.use_count(), 1) << "the answer, with what it holds, is gone before close() returns";
    strand.reset();
    disk.poll();
    EXPECT_TRUE(done);
    EXPECT_FALSE(told);
    work.submit([&] { ADD_FAILURE() << "asked after the end"; }, disk.get_executor(), [] {});
    disk.restart();
    disk.poll();
}

TEST(FileWork, TheEndTellsWhoeverWaitsForAnAnswer) {
    asio::io_context disk, strand;
    std::string story;
    FileWork work{disk.get_executor()};
    const auto ask = [&] {
        work.submit([&] { story += "call "; }, strand.get_executor(), [&] { story += "answer "; },
                    [&] { story += "gone "; });
    };
    ask();
    disk.poll();
    ask();
    work.close();
    ask();
    strand.poll();
    EXPECT_EQ(story, "call answer gone gone ") << "each of them once, and never from inside the caller";
    disk.restart();
    disk.poll();
    strand.restart();
    strand.poll();
    EXPECT_EQ(story, "call answer gone gone call ");
}

TEST(FileThreads, OneThreadIsEnough) {
    int asked = 0;
    const auto threads = FileThreads::start([&](std::function<void()> body) {
        if (++asked == 2) throw std::runtime_error{"Resource temporarily unavailable"};
        std::thread{std::move(body)}.detach();
    });
    ASSERT_TRUE(threads) << threads.error().explain();
    std::promise<void> done;
    asio::io_context strand;
    (*threads)->work()->submit([&] { done.set_value(); }, strand.get_executor(), [] {});
    EXPECT_EQ(done.get_future().wait_for(20s), std::future_status::ready);
}

TEST(FileThreads, NoneAtAllIsAnErrorWithACure) {
    const auto threads = FileThreads::start(
        [](const std::function<void()>&) { throw std::runtime_error{"Resource temporarily unavailable"}; });
    ASSERT_FALSE(threads);
    EXPECT_EQ(threads.error().code(), Errc::system);
    EXPECT_NE(threads.error().message().find("Resource temporarily unavailable"), std::string::npos);
    EXPECT_NE(threads.error().cure().find("TasksMax"), std::string::npos);
}

TEST(FileThreads, TheEndLetsTheDiskFinish) {
    auto threads = *FileThreads::start();
    asio::io_context strand;
    int done = 0;
    std::mutex mutex;
    for (int i = 0; i < 10; ++i) {
        const auto call = [&] {
            const std::lock_guard lock(mutex);
            ++done;
        };
        threads->work()->submit(call, strand.get_executor(), [] {});
    }
    threads.reset();
    EXPECT_EQ(done, 10);
}

TEST(FileThreads, ADiskThatHangsDoesNotHoldUpTheEnd) {
    auto threads = *FileThreads::start();
    auto strand = std::make_unique<asio::io_context>();
    const auto disk_answers = std::make_shared<std::promise<void>>();
    std::promise<void> freed;
    struct Part {  // the file that the call holds
        std::promise<void>& freed;
        ~Part() { freed.set_value(); }
    };
    auto part = std::make_shared<Part>(freed);
    std::promise<void> begun;
    threads->work()->submit(
        [&begun, part = std::move(part), disk = disk_answers->get_future().share()] {
            begun.set_value();
            disk.wait();
        },
        strand->get_executor(), [] { ADD_FAILURE() << "told after the end"; });
    begun.get_future().wait();
    const TimePoint before = SteadyClock::now();
    threads.reset();
    EXPECT_LT(SteadyClock::now() - before, kDiskPatience + 5s);
    strand.reset();
    disk_answers->set_value();
    EXPECT_EQ(freed.get_future().wait_for(20s), std::future_status::ready);
}

}  // namespace
}  // namespace muster::node
