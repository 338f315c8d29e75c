#include "node/completion.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace muster::node {
namespace {

namespace asio = boost::asio;

/// Has one wait for a number.
struct Owner {
    explicit Owner(asio::io_context& context) : io(context), waiter(context.get_executor(), "waiting") {}

    const asio::any_io_executor& strand() const { return executor; }

    asio::io_context& io;
    asio::any_io_executor executor = io.get_executor();
    SingleWaiter<void(Result<int>)> waiter;
};

class SingleWaiterTest : public testing::Test {
protected:
    using Handler = SingleWaiter<void(Result<int>)>::Handler;

    /// Begins a wait as the public handles do.
    void wait(Handler handler) {
        const auto id = on_cancel(owner, handler, [](Owner& own, WaitId wait) { own.waiter.cancel(wait); });
        (void)owner->waiter.begin(id, std::move(handler));
    }
    Handler into(std::vector<Result<int>>& told) {
        return Handler{[&told](Result<int> outcome) { told.push_back(std::move(outcome)); }};
    }
    Handler into(std::vector<Result<int>>& told, asio::cancellation_signal& from) {
        return Handler{asio::bind_cancellation_slot(
            from.slot(), [&told](Result<int> outcome) { told.push_back(std::move(outcome)); })};
    }
    void run() {
        io.restart();
        io.poll();
    }

    asio::io_context io;
    std::shared_ptr<Owner> owner = std::make_shared<Owner>(io);
    asio::cancellation_signal signal;
    std::vector<Result<int>> first, second;
};

TEST_F(SingleWaiterTest, HandlersNeverRunInsideTheCall) {
    wait(into(first));
    owner->waiter.deliver(Result<int>{1});
    EXPECT_TRUE(first.empty());
    EXPECT_FALSE(owner->waiter.is_waiting());
    run();
    ASSERT_EQ(first.size(), 1u);
    EXPECT_EQ(*first[0], 1);
}

TEST_F(SingleWaiterTest, CancelledMeansCancelled) {
    wait(into(first, signal));
    signal.emit(asio::cancellation_type::total);
    EXPECT_TRUE(first.empty());
    run();
    ASSERT_EQ(first.size(), 1u);
    EXPECT_EQ(first[0].error().code(), Errc::cancelled);
    signal.emit(asio::cancellation_type::total);  // twice is harmless
    run();
    EXPECT_EQ(first.size(), 1u);
}

TEST_F(SingleWaiterTest, ASignalAfterTheEndEndsNoOtherWait) {
    wait(into(first, signal));
    owner->waiter.deliver(Result<int>{1});
    run();
    wait(into(second));
    signal.emit(asio::cancellation_type::total);
    run();
    EXPECT_TRUE(second.empty());
    owner->waiter.deliver(Result<int>{2});
    run();
    ASSERT_EQ(second.size(), 1u);
    EXPECT_EQ(*second[0], 2);
}

TEST_F(SingleWaiterTest, ASignalWhileTheResultIsOnItsWayEndsNoOtherWait) {
    wait(into(first, signal));
    owner->waiter.deliver(Result<int>{1});
    wait(into(second));
    signal.emit(asio::cancellation_type::total);
    run();
    ASSERT_EQ(first.size(), 1u);
    EXPECT_EQ(*first[0], 1);
    EXPECT_TRUE(second.empty());
    EXPECT_TRUE(owner->waiter.is_waiting());
}

TEST_F(SingleWaiterTest, AHandlerMayWaitAgainAndItsSignalIsSpent) {
    wait(Handler{asio::bind_cancellation_slot(signal.slot(), [&](const Result<int>&) {
        wait(into(second));
        signal.emit(asio::cancellation_type::total);
    })});
    owner->waiter.deliver(Result<int>{1});
    run();
    EXPECT_TRUE(second.empty());
    EXPECT_TRUE(owner->waiter.is_waiting());
}

TEST_F(SingleWaiterTest, ASignalAfterTheOwnerIsHarmless) {
    wait(into(first, signal));
    owner.reset();
    signal.emit(asio::cancellation_type::total);
    run();
    EXPECT_TRUE(first.empty());
}

TEST_F(SingleWaiterTest, ASecondWaitIsRefusedAndTheFirstGoesOn) {
    wait(into(first));
    wait(into(second, signal));
    run();
    ASSERT_EQ(second.size(), 1u);
    EXPECT_EQ(second[0].error().code(), Errc::bad_input);
    EXPECT_TRUE(first.empty());
    signal.emit(asio::cancellation_type::total);  // the refused one's, not the first's
    run();
    EXPECT_TRUE(first.empty());
    owner->waiter.deliver(Result<int>{1});
    run();
    ASSERT_EQ(first.size(), 1u);
    EXPECT_EQ(*first[0], 1);
}

TEST_F(SingleWaiterTest, StreamsAreToldInTheFormOfAsio) {
    using StreamWaiter = SingleWaiter<void(boost::system::error_code, std::size_t)>;
    std::vector<boost::system::error_code> told;
    const auto note = [&told](boost::system::error_code ec, std::size_t) { told.push_back(ec); };
    StreamWaiter waiter{io.get_executor(), "reading"};
    EXPECT_TRUE(waiter.begin(fresh_wait(), StreamWaiter::Handler{note}));
    EXPECT_FALSE(waiter.begin(fresh_wait(), StreamWaiter::Handler{note}));
    waiter.give_up();
    run();
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[0], make_error_code(Errc::bad_input));
    EXPECT_EQ(told[1], asio::error::operation_aborted);
}

}  // namespace
}  // namespace muster::node
