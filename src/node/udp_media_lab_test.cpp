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

}  // namespace
}  // namespace muster::node
