#include <algorithm>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "node/udp_media.h"
#include "os/lab_namespace.h"

#include "muster/time.h"

namespace muster::node {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

TEST(UdpMediaLab, AFullDeviceQueueIsTriedNowAndThenAndNotAllTheTime) {
    constexpr int kDatagrams = 60;
    const os::LabNamespace here;
    os::run("tc qdisc add dev lo root tbf rate 64kbit burst 2k limit 4000");
    asio::io_context context;
    const auto from = UdpMedia::open(context.get_executor(), 0).value();
    const auto to = UdpMedia::open(context.get_executor(), 0).value();
    os::make_drops_known(from->port(os::IpFamily::v4));
    int arrived = 0;
    UdpMedia::Handlers handlers{.on_datagram = [](const auto&, ByteView, std::uint8_t) {},
                                .on_batch = [] {},
                                .on_refused = [](const auto&, SendRefusal) {},
                                .on_icmp = [](const auto&) {},
                                .on_findings = [](const auto&, const auto&) {}};
    from->start(handlers);
    handlers.on_datagram = [&](const auto&, ByteView, std::uint8_t) { ++arrived; };
    to->start(handlers);
    const IpAddress loopback = *IpAddress::parse("127.0.0.1");
    const link::Path path{.remote = {loopback, to->port(os::IpFamily::v4), InterfaceIndex::none},
                          .local = {}};
    const Bytes datagram(1000);
    for (int i = 0; i < kDatagrams; ++i) from->send(path, datagram, datagram.size(), 0);

    const std::size_t turns = context.run_for(500ms);
    EXPECT_LT(arrived, 20) << "the queue was not full: this test tests nothing";
    EXPECT_GT(turns, 20u);
    EXPECT_LT(turns, 1500u) << "once per millisecond, and what arrives";

    os::run("tc qdisc del dev lo root");
    constexpr int kInTheQueue = 5;  // 4000 octets of them, and one on its way: deleted with the queue
    const TimePoint end = SteadyClock::now() + 5s;
    while (arrived < kDatagrams - kInTheQueue && SteadyClock::now() < end) context.run_one_for(100ms);
    EXPECT_GE(arrived, kDatagrams - kInTheQueue);
    EXPECT_EQ(from->dropped(), 0u);
}

/// Sockets of a node on `near`, which sends by two cables, near0 and near1, what others on `far` take.
class UdpMediaTwoCables : public os::TwoHosts {
protected:
    UdpMediaTwoCables() {
        from = UdpMedia::open(context.get_executor(), 0).value();
        far_.enter();
        to = UdpMedia::open(context.get_executor(), 0).value();
        near_.enter();
        UdpMedia::Handlers handlers{.on_datagram = [](const auto&, ByteView, std::uint8_t) {},
                                    .on_batch = [] {},
                                    .on_refused = [](const auto&, SendRefusal) {},
                                    .on_icmp = [](const auto&) {},
                                    .on_findings = [](const auto&, const auto&) {}};
        from->start(handlers);
        handlers.on_datagram = [this](const link::Path& path, ByteView octets, std::uint8_t) {
            arrived.at(path.local == far0 ? 0 : 1).push_back(static_cast<int>(octets[0]));
        };
        to->start(handlers);
        send(0, 0), send(1, 0);  // both neighbours are known after it
        EXPECT_TRUE(turn_until([this] { return arrived[0].size() + arrived[1].size() == 2; }, 5s));
        arrived = {};
    }
    void send(std::size_t cable, int number) {
        const std::string name = "near" + std::to_string(cable);
        const link::Path path{.remote = {cable == 0 ? far0 : far1, to->port(os::IpFamily::v4), index(name)},
                              .local = {}};
        Bytes datagram(1000);
        datagram[0] = static_cast<std::byte>(number);
        from->send(path, datagram, datagram.size(), 0);
    }
    template <class Done>
    bool turn_until(Done done, Duration longest) {
        const TimePoint end = SteadyClock::now() + longest;
        while (!done() && SteadyClock::now() < end) context.run_one_for(1ms);
        return done();
    }

    const IpAddress far0 = *IpAddress::parse("10.77.0.2"), far1 = *IpAddress::parse("10.78.0.2");
    asio::io_context context;
    std::unique_ptr<UdpMedia> from, to;
    std::array<std::vector<int>, 2> arrived;  // first octets, by cable
};

TEST_F(UdpMediaTwoCables, AStuckDeviceHoldsUpNothingThatLeavesByAnother) {
    constexpr int kStuck = 60, kOther = 20;
    os::run("tc qdisc add dev near0 root tbf rate 64kbit burst 2k limit 4000");
    for (int i = 0; i < kStuck; ++i) send(0, i);

    std::vector<Duration> delays;
    for (int i = 0; i < kOther; ++i) {
        const TimePoint sent = SteadyClock::now();
        send(1, i);
        EXPECT_TRUE(turn_until([&] { return std::ssize(arrived[1]) > i; }, 1s)) << "datagram " << i;
        delays.push_back(SteadyClock::now() - sent);
    }
    std::ranges::sort(delays);  // one may be late on a busy machine
    EXPECT_LT(delays[kOther / 2], 10ms);
    EXPECT_LT(arrived[0].size(), 40u) << "near0 was not stuck: this test tests nothing";

    os::run("tc qdisc del dev near0 root");
    constexpr std::size_t kInTheQueue = 5;  // 4000 octets of them, and one on its way: deleted with the queue
    EXPECT_TRUE(turn_until([&] { return arrived[0].size() >= kStuck - kInTheQueue; }, 5s))
        << arrived[0].size();
    EXPECT_TRUE(std::ranges::is_sorted(arrived[0])) << "what waited was overtaken";
    EXPECT_EQ(from->dropped(), 0u);
}

TEST_F(UdpMediaTwoCables, WhatWaitsForAStuckDeviceIsBounded) {
    os::run("tc qdisc add dev near0 root tbf rate 64kbit burst 2k limit 4000");
    for (int i = 0; i < 1000; ++i) send(0, 0);
    EXPECT_GT(from->dropped(), 850u);
    const std::uint64_t dropped = from->dropped();
    for (int i = 0; i < 50; ++i) send(1, i);
    EXPECT_TRUE(turn_until([&] { return arrived[1].size() == 50; }, 1s)) << arrived[1].size();
    EXPECT_EQ(from->dropped(), dropped);
}

}  // namespace
}  // namespace muster::node
