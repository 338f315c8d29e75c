// Waiting for an address on a link, on a real kernel: near0 leads to the device, and has no address yet. The default route is near1's.
#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>

#include "os/lab_namespace.h"

#include "muster/socket_scope.h"

namespace muster {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

class ScopeWaitLab : public os::TwoHosts {
protected:
    ScopeWaitLab() { os::run("ip addr flush dev near0 && ip route add default via 10.78.0.2"); }

    static Endpoint device(const char* address = "192.168.4.1") {
        return {*IpAddress::parse(address), 80, index("near0")};
    }

    /// Waits, does something 100 ms after the beginning, and returns what came of it.
    Result<SocketScope> wait(const Endpoint& remote, Duration patience,
                             std::function<void()> meanwhile = {}) {
        std::optional<Result<SocketScope>> told;
        wait_for_scope(io_.get_executor(), remote, patience,
                       asio::bind_cancellation_slot(
                           signal_.slot(), [&](Result<SocketScope> scope) { told = std::move(scope); }));
        asio::steady_timer timer{io_, 100ms};
        if (meanwhile) timer.async_wait([&](const boost::system::error_code&) { meanwhile(); });
        const auto began = std::chrono::steady_clock::now();
        io_.restart();
        io_.run();
        took_ = std::chrono::steady_clock::now() - began;
        return told ? *told : Error{Errc::timed_out, "it has not completed"};
    }

    asio::io_context io_{1};
    asio::cancellation_signal signal_;
    std::chrono::nanoseconds took_{};
};

TEST_F(ScopeWaitLab, EndsWithTheAddress) {
    const auto scope = wait(device(), 10s, [] { os::run("ip addr add 192.168.4.77/24 dev near0"); });
    ASSERT_TRUE(scope.has_value()) << scope.error().explain();
    EXPECT_EQ(scope->source, *IpAddress::parse("192.168.4.77"));
    EXPECT_EQ(scope->interface_name, "near0");
    EXPECT_LT(took_, 5s);
    EXPECT_TRUE(wait(device("::ffff:192.168.4.1"), 10s).has_value()) << "it is there already";
}

TEST_F(ScopeWaitLab, SaysWhatIsStillMissing) {
    EXPECT_EQ(wait(device(), 200ms).error().code(), Errc::no_address);
    const auto off = wait(device(), 300ms, [] { os::run("ip link set near0 down"); });
    EXPECT_EQ(off.error().code(), Errc::no_interface);
    EXPECT_GE(took_, 250ms) << "it may be switched on again";
    EXPECT_EQ(wait({}, 10s).error().code(), Errc::bad_input);
}

TEST_F(ScopeWaitLab, DoesNotWaitForAnInterfaceThatIsGone) {
    EXPECT_EQ(wait(device(), 10s, [] { os::run("ip link del near0"); }).error().code(), Errc::no_interface);
    EXPECT_LT(took_, 5s);
}

TEST_F(ScopeWaitLab, ANewNameChangesNothing) {
    const auto scope = wait(device(), 10s, [] {
        os::run(
            "ip link set near0 down && ip link set near0 name wlan0 && ip link set wlan0 up && "
            "ip addr add 192.168.4.77/24 dev wlan0");
    });
    ASSERT_TRUE(scope.has_value()) << scope.error().explain();
    EXPECT_EQ(scope->interface_name, "wlan0");
}

TEST_F(ScopeWaitLab, CanBeCancelled) {
    EXPECT_EQ(wait(device(), 10s, [&] { signal_.emit(asio::cancellation_type::total); }).error().code(),
              Errc::cancelled);
    EXPECT_LT(took_, 5s);
}

TEST_F(ScopeWaitLab, AnExecutorThatIsDestroyedTakesTheWaitAlong) {
    auto held = std::make_shared<int>(0);
    const std::weak_ptr<int> handler = held;
    {
        asio::io_context io;
        wait_for_scope(io.get_executor(), device(), 10s, [held](const Result<SocketScope>&) {});
        held.reset();
        io.run_for(100ms);
        EXPECT_FALSE(handler.expired());
    }
    EXPECT_TRUE(handler.expired());
}

}  // namespace
}  // namespace muster
