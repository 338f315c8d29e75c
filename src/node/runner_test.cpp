#include "node/runner.h"

#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/udp_socket.h"

namespace muster::node {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using testing::ElementsAre;

/// A core with one deadline that writes down what it is told.
class Listening final : public Core {
public:
    void on_datagram(const link::Path&, ByteView, std::uint8_t, TimePoint) override {
        told.emplace_back("datagram");
        if (postpones) deadline = kNever;
    }
    void on_refused(const link::Path&, SendRefusal, TimePoint) override {}
    void on_icmp(const IcmpReport&, TimePoint) override {}
    void on_findings(const link::Path&, const PathFindings&, TimePoint) override {}
    void on_interfaces(std::span<const Interface>, TimePoint) override {}
    void on_timer(TimePoint) override {
        told.emplace_back("timer");
        deadline = kNever;
    }
    TimePoint next_wakeup() const override { return deadline; }
    bool flush(TimePoint) override { return false; }

    TimePoint deadline = kNever;
    bool postpones = false;
    std::vector<std::string> told;
};

/// The deadline passes while others have the thread. A datagram comes when the timer's handler
/// stands in line already.
void run_late(Listening& core) {
    asio::io_context context;
    const auto runner = Runner::open(asio::make_strand(context), 0).value();
    os::UdpOptions options;
    options.family = os::IpFamily::v4;
    const auto peer = os::UdpSocket::open(options).value();
    const Endpoint to{*IpAddress::parse("127.0.0.1"), runner->port(os::IpFamily::v4), InterfaceIndex::none};
    core.deadline = SteadyClock::now() + 20ms;
    runner->start(core, [] {});
    asio::post(context, [&] {
        std::this_thread::sleep_for(40ms);
        asio::post(context, [&] {
            const Bytes octets(10);
            EXPECT_EQ(peer->send({.remote = to, .local = {}, .octets = octets}).status, os::SendStatus::sent);
        });
    });
    context.run_for(200ms);
    runner->stop();
}

TEST(Runner, HearsWhatHasArrivedBeforeALateTimerPassesVerdicts) {
    Listening core;
    run_late(core);
    EXPECT_THAT(core.told, ElementsAre("datagram", "timer"));
}

TEST(Runner, TellsNoTimeToACoreThatHasNothingToDoAnyMore) {
    Listening core;
    core.postpones = true;  // as liveness does when it hears the peer
    run_late(core);
    EXPECT_THAT(core.told, ElementsAre("datagram"));
}

}  // namespace
}  // namespace muster::node
