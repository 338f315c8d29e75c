// The public InterfaceMonitor on a real kernel. In namespaces of its own.
#include <algorithm>
#include <optional>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/lab_namespace.h"

#include "muster/interface_monitor.h"

namespace muster {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

class MonitorLab : public os::TwoHosts {
protected:
    MonitorLab() : monitor_(InterfaceMonitor::open(io_.get_executor()).value()) {}

    static const Interface* find(const InterfaceSnapshot& in, const std::string& name) {
        const auto found = std::ranges::find(in.interfaces, name, &Interface::name);
        return found == in.interfaces.end() ? nullptr : &*found;
    }

    void ask(asio::cancellation_signal* signal = nullptr) {
        answer_.reset();
        auto note = asio::bind_executor(
            io_, [this](Result<InterfaceChange> change) { answer_.emplace(std::move(change)); });
        if (signal != nullptr)
            monitor_->next_change(asio::bind_cancellation_slot(signal->slot(), std::move(note)));
        else
            monitor_->next_change(std::move(note));
    }
    bool is_answered(Duration within = 2s) {
        const auto deadline = SteadyClock::now() + within;
        while (!answer_ && SteadyClock::now() < deadline) io_.run_one_for(10ms);
        return answer_.has_value();
    }
    void let_pass(Duration time) {
        const auto deadline = SteadyClock::now() + time;
        while (SteadyClock::now() < deadline) io_.run_one_for(5ms);
    }

    asio::io_context io_;
    std::optional<InterfaceMonitor> monitor_;
    std::optional<Result<InterfaceChange>> answer_;
};

TEST_F(MonitorLab, KnowsAllInterfacesBeforeAnythingHasRun) {
    EXPECT_EQ(monitor_->snapshot().revision, 1u);
    EXPECT_EQ(monitor_->snapshot().interfaces, interfaces().value());
    EXPECT_EQ(monitor_->resyncs(), 0u);
}

TEST_F(MonitorLab, MissesNothingThatHappensBeforeItsExecutorRuns) {
    os::run("ip link set near0 mtu 1400");
    ask();
    ASSERT_TRUE(is_answered());
    const InterfaceChange& change = answer_->value();
    EXPECT_THAT(change.diff.changed, ElementsAre(index("near0")));
    EXPECT_EQ(find(change.before, "near0")->mtu, 1500u);
    EXPECT_EQ(find(change.now, "near0")->mtu, 1400u);
    EXPECT_EQ(change.now.revision, 2u);
    EXPECT_EQ(monitor_->snapshot(), change.now);
}

TEST_F(MonitorLab, WhoAsksLateIsToldTheSumAndNotWhatWasUndone) {
    os::run("ip link add br0 type bridge");
    let_pass(150ms);
    os::run("ip link set near1 mtu 1300");
    let_pass(150ms);
    os::run("ip link del br0");
    let_pass(150ms);
    EXPECT_GE(monitor_->snapshot().revision, 3u);
    ask();
    ASSERT_TRUE(is_answered());
    EXPECT_THAT(answer_->value().diff.appeared, IsEmpty());
    EXPECT_THAT(answer_->value().diff.gone, IsEmpty());
    EXPECT_THAT(answer_->value().diff.changed, ElementsAre(index("near1")));
    os::run("ip link set near1 mtu 1500");
    let_pass(150ms);
    os::run("ip link set near1 mtu 1300");
    let_pass(150ms);
    ask();
    EXPECT_FALSE(is_answered(200ms)) << "it is as it was when it was told last";
}

TEST_F(MonitorLab, ALossIsToldAtOnceAndAFlapLeavesItsCount) {
    const auto changes = find(monitor_->snapshot(), "near0")->carrier_changes;
    let_pass(100ms);
    far_.enter();
    os::run("ip link set far0 down");
    near_.enter();
    ask();
    ASSERT_TRUE(is_answered());
    EXPECT_THAT(answer_->value().diff.lost, Contains(index("near0")));
    EXPECT_EQ(find(answer_->value().now, "near0")->carrier_changes, changes + 1);
}

TEST_F(MonitorLab, StopEndsAWaitAndTheNextWithClosed) {
    ask();
    let_pass(10ms);
    monitor_->stop();
    ASSERT_TRUE(is_answered());
    EXPECT_EQ(answer_->error().code(), Errc::closed);
    ask();
    ASSERT_TRUE(is_answered());
    EXPECT_EQ(answer_->error().code(), Errc::closed);
    EXPECT_EQ(monitor_->snapshot().revision, 1u) << "it still knows what it knew";
}

TEST_F(MonitorLab, ASecondWaitIsRefusedAndACancelledOneLosesNothing) {
    asio::cancellation_signal signal;
    ask(&signal);
    let_pass(10ms);
    std::optional<Errc> second;
    monitor_->next_change(asio::bind_executor(io_, [&](Result<InterfaceChange> change) {
        second = change ? Errc::system : change.error().code();
    }));
    let_pass(10ms);
    EXPECT_EQ(second, Errc::bad_input);
    signal.emit(asio::cancellation_type::total);
    os::run("ip link set near0 mtu 1400");
    ASSERT_TRUE(is_answered());
    EXPECT_EQ(answer_->error().code(), Errc::cancelled);
    ask();
    ASSERT_TRUE(is_answered());
    EXPECT_THAT(answer_->value().diff.changed, ElementsAre(index("near0")));
}

TEST_F(MonitorLab, ItsEndLeavesNothingBehind) {
    ask();
    let_pass(10ms);
    monitor_.reset();
    ASSERT_TRUE(is_answered());
    EXPECT_EQ(answer_->error().code(), Errc::closed);
    io_.run_for(100ms);
    EXPECT_TRUE(io_.stopped()) << "nothing is left waiting";
}

TEST_F(MonitorLab, RefusesWaitsThatMakeNoSense) {
    InterfaceMonitorOptions options;
    options.quiet = -1ms;
    EXPECT_EQ(InterfaceMonitor::open(io_.get_executor(), options).error().code(), Errc::bad_input);
    options.quiet = 0ms;
    options.max_delay = 2h;
    EXPECT_EQ(InterfaceMonitor::open(io_.get_executor(), options).error().code(), Errc::bad_input);
}

}  // namespace
}  // namespace muster
