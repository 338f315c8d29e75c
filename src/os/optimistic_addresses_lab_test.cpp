// With the kernel's own settings and addresses, in a namespace.
#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include "os/interface_watch.h"
#include "os/lab_namespace.h"
#include "os/optimistic_addresses.h"

namespace muster::os {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 5s;

/// How long after it was switched on the interface lan0 has an address that may be used.
std::chrono::milliseconds usable_after(InterfaceWatch& watch) {
    const auto begin = std::chrono::steady_clock::now();
    run("ip link set lan0 up");
    const auto has_address = [&] {
        for (const Interface& each : watch.interfaces())
            if (each.name == "lan0")
                for (const InterfaceAddress& own : each.addresses)
                    if (!own.tentative) return true;
        return false;
    };
    while (!has_address() && std::chrono::steady_clock::now() - begin < kPatience) {
        pollfd wait{watch.native_handle(), POLLIN, 0};
        ::poll(&wait, 1, 10);
        watch.receive();
    }
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
}

TEST(OptimisticAddressesLab, NewAddressesAreUsableAtOnce) {
    LabNamespace lab;
    lab.enter();
    run("ip link add lan0 type veth peer name lan1");
    run("ip link set lan1 up");
    auto watch = InterfaceWatch::open();
    ASSERT_TRUE(watch);
    const auto without = usable_after(**watch);
    EXPECT_GE(without, 500ms) << "the control: duplicate address detection takes its time";
    run("ip link set lan0 down");
    OptimisticAddresses optimistic;
    optimistic.follow((*watch)->interfaces());
    for (const Evidence& each : optimistic.findings())
        EXPECT_THAT(each.finding, testing::HasSubstr("used at once")) << each.subject;
    (*watch)->receive();
    EXPECT_LE(usable_after(**watch), 200ms);
    RecordProperty("without_ms", static_cast<int>(without.count()));
}

}  // namespace
}  // namespace muster::os
