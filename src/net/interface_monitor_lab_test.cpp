// The monitor on a real kernel: how soon it tells, and what it leaves out. In namespaces of its own.
#include <chrono>
#include <functional>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/interfaces.h"
#include "net/interface_monitor.h"
#include "os/lab_namespace.h"

namespace muster::net {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using testing::Contains;

class MonitorLab : public os::TwoHosts {
protected:
    MonitorLab() {
        auto opened =
            InterfaceMonitor::open(io_.get_executor(), [this](const auto& snapshot, const auto& diff) {
                told_at_ = SteadyClock::now();
                told_.push_back({snapshot, diff});
                if (on_told_) on_told_();
            });
        EXPECT_TRUE(opened.has_value());
        monitor_ = std::move(*opened);
    }

    bool until(const std::function<bool()>& holds) {
        const auto deadline = SteadyClock::now() + 2s;
        while (!holds() && SteadyClock::now() < deadline) io_.run_one_for(100ms);
        return holds();
    }

    bool was_lost(InterfaceIndex index) const {
        return std::ranges::any_of(told_, [&](const auto& told) {
            return std::ranges::find(told.diff.lost, index) != told.diff.lost.end();
        });
    }

    asio::io_context io_;
    std::vector<InterfaceDebouncer::Delivery> told_;
    TimePoint told_at_;
    std::function<void()> on_told_;
    std::unique_ptr<InterfaceMonitor> monitor_;
};

TEST_F(MonitorLab, KnowsEverythingBeforeTheFirstEvent) {
    EXPECT_EQ(monitor_->snapshot().revision, 1u);
    EXPECT_EQ(eligible_interfaces(monitor_->snapshot().interfaces).size(), 2u);
    EXPECT_TRUE(told_.empty());
}

TEST_F(MonitorLab, TellsALostCarrierWithinMilliseconds) {
    far_.enter();
    os::run("ip link set far0 down");
    const auto done = SteadyClock::now();
    near_.enter();
    ASSERT_TRUE(until([&] { return was_lost(index("near0")); }));
    // The kernel's own link watch takes up to 17 ms on a veth; the rest is generosity towards a busy machine.
    EXPECT_LT(told_at_ - done, 100ms);
    RecordProperty("microseconds", static_cast<int>((told_at_ - done) / 1us));
    EXPECT_FALSE(is_usable(*find_interface(monitor_->snapshot().interfaces, index("near0"))));
}

TEST_F(MonitorLab, ABurstOfGainsIsFewEventsAndTheLastStateIsExact) {
    os::run("for i in $(seq 1 60); do echo addr add 10.99.0.$i/24 dev near1; done | ip -batch -");
    ASSERT_TRUE(until([&] {
        return find_interface(monitor_->snapshot().interfaces, index("near1"))->addresses.size() == 62;
    }));
    EXPECT_LE(told_.size(), 4u) << "60 kernel messages";
    EXPECT_EQ(monitor_->snapshot().revision, 1 + told_.size());
}

TEST_F(MonitorLab, MayBeDestroyedFromItsOwnCallback) {
    on_told_ = [this] { monitor_.reset(); };
    os::run("ip link set near0 down");
    ASSERT_TRUE(until([&] { return monitor_ == nullptr; }));
    const auto told = told_.size();
    os::run("ip link set near1 down");
    io_.run_for(50ms);
    EXPECT_EQ(told_.size(), told) << "nobody is told after the end";
    EXPECT_TRUE(io_.stopped()) << "nothing is left waiting";
}

}  // namespace
}  // namespace muster::net
