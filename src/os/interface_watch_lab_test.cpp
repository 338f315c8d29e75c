// Interface events of a real kernel. Each test runs in namespaces of its own.
#include <algorithm>
#include <chrono>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include "os/interface_watch.h"
#include "os/lab_hear.h"
#include "os/lab_namespace.h"

namespace muster::os {
namespace {

using testing::SizeIs;

// ---------------------------------------------------------------------------------------------

class WatchLab : public TwoHosts {
protected:
    WatchLab() {
        auto opened = InterfaceWatch::open();
        EXPECT_TRUE(opened.has_value());
        watch_ = std::move(*opened);
    }

    const Interface* find(const std::string& name) {
        last_ = watch_->interfaces();
        const auto found = std::ranges::find(last_, name, &Interface::name);
        return found == last_.end() ? nullptr : &*found;
    }

    /// Reads events until the condition holds; false if it does not within kPatience.
    bool until(const std::function<bool()>& holds) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds{kPatience};
        while (!holds() && std::chrono::steady_clock::now() < deadline) {
            pollfd wait{watch_->native_handle(), POLLIN, 0};
            ::poll(&wait, 1, 100);
            watch_->receive();
        }
        return holds();
    }

    std::unique_ptr<InterfaceWatch> watch_;
    std::vector<Interface> last_;  // those that find() points into
};

TEST_F(WatchLab, IsCompleteFromTheStart) {
    const auto* link = find("near0");
    ASSERT_NE(link, nullptr);
    EXPECT_EQ(link->index, index("near0"));
    EXPECT_TRUE(link->up && link->carrier && link->multicast && !link->loopback);
    EXPECT_EQ(link->mtu, 1500u);
    EXPECT_THAT(link->addresses, testing::UnorderedElementsAre(InterfaceAddress{ip("10.77.0.1"), 24, false},
                                                               InterfaceAddress{ip("fe80::1"), 64, false}));
    ASSERT_NE(find("lo"), nullptr);
    EXPECT_TRUE(find("lo")->loopback);
    EXPECT_FALSE(watch_->receive()) << "nothing has changed since";
}

TEST_F(WatchLab, FollowsCarrierAddressesNameMtuAndRemoval) {
    far_.enter();
    run("ip link set far0 down");
    near_.enter();
    EXPECT_TRUE(until([&] { return !find("near0")->carrier; }));
    EXPECT_TRUE(find("near0")->up);
    far_.enter();
    run("ip link set far0 up");
    near_.enter();
    EXPECT_TRUE(until([&] { return find("near0")->carrier; }));
    run("ip addr add 192.0.2.9/28 dev near0");
    EXPECT_TRUE(until([&] { return find("near0")->addresses.size() == 3; }));
    run("ip addr del 192.0.2.9/28 dev near0");
    EXPECT_TRUE(until([&] { return find("near0")->addresses.size() == 2; }));
    run("ip link set near0 mtu 1400");
    EXPECT_TRUE(until([&] { return find("near0")->mtu == 1400; }));
    run("ip link set near0 down");
    EXPECT_TRUE(until([&] { return !find("near0")->up; }));
    EXPECT_THAT(find("near0")->addresses, SizeIs(1)) << "going down takes the IPv6 addresses away";
    run("ip link set near0 name other0");
    EXPECT_TRUE(until([&] { return find("other0") != nullptr && find("near0") == nullptr; }));
    run("ip link del other0");
    EXPECT_TRUE(until([&] { return find("other0") == nullptr; }));
}

TEST_F(WatchLab, ShowsAddressesAsTentativeUntilTheyAreSettled) {
    run("ip addr add fe80::77/64 dev near0");  // with duplicate address detection: about one second
    const auto tentative = [&] {
        const auto& all = find("near0")->addresses;
        const auto found = std::ranges::find(all, ip("fe80::77"), &InterfaceAddress::address);
        return found == all.end() ? -1 : static_cast<int>(found->tentative);
    };
    EXPECT_TRUE(until([&] { return tentative() == 1; }));
    EXPECT_TRUE(until([&] { return tentative() == 0; })) << "detection ends within two seconds";
}

TEST_F(WatchLab, APortOfABridgeStaysAnInterface) {
    run("ip link add br0 type bridge && ip link set near0 master br0 && ip link set br0 up");
    EXPECT_TRUE(until([&] { return find("br0") != nullptr && find("br0")->carrier; }));
    run("ip link set near0 nomaster");
    EXPECT_TRUE(until([&] { return !find("br0")->carrier; }));
    EXPECT_NE(find("near0"), nullptr);
}

TEST_F(WatchLab, ReadsEverythingAfreshWhenEventsWereLost) {
    // The smallest buffer, filled without reading: the kernel has to drop events.
    const int tiny = 1;
    ASSERT_EQ(::setsockopt(watch_->native_handle(), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny), 0);
    run("for i in $(seq 1 60); do ip addr add 10.99.0.$i/24 dev near1; done");
    EXPECT_TRUE(watch_->receive());
    EXPECT_GE(watch_->resyncs(), 1u);
    EXPECT_FALSE(watch_->is_stale());
    EXPECT_THAT(find("near1")->addresses, SizeIs(62));
    run("ip addr flush dev near1");
    EXPECT_TRUE(until([&] { return find("near1")->addresses.empty(); }));
}

TEST_F(WatchLab, WhatIsQueuedBeforeALossBringsNothingBack) {
    const int tiny = 1;
    ASSERT_EQ(::setsockopt(watch_->native_handle(), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny), 0);
    // The first messages fit, and say that the addresses and the bridge are there; those that say they are gone do not.
    run("ip link add br9 type bridge && for i in $(seq 1 60); do ip addr add 10.99.0.$i/32 dev near1; done");
    run("for i in $(seq 1 60); do ip addr del 10.99.0.$i/32 dev near1; done; ip link del br9");
    watch_->receive();
    EXPECT_GE(watch_->resyncs(), 1u);
    EXPECT_THAT(find("near1")->addresses, SizeIs(2));
    EXPECT_EQ(find("br9"), nullptr);
}

TEST(InterfaceDump, AKernelThatDoesNotAnswerIsWaitedForASecondInAll) {
    const FileDescriptor socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)};
    sock_filter nothing BPF_STMT(BPF_RET | BPF_K, 0);
    const sock_fprog program{1, &nothing};
    ASSERT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
    const auto begin = SteadyClock::now();
    const auto table = InterfaceDump{socket.get()}.read();
    ASSERT_FALSE(table.has_value());
    EXPECT_EQ(table.error().code(), Errc::timed_out);
    EXPECT_LT(SteadyClock::now() - begin, std::chrono::milliseconds{1500});
}

}  // namespace
}  // namespace muster::os
