// A group on real cables: a sender that only knows its own interface, and interfaces that come and go.
#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/multicast_driver.h"
#include "os/lab_namespace.h"
#include "os/socket_message.h"

#include "muster/multicast_sender.h"

namespace muster::net {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using os::run;

constexpr std::uint16_t kPort = 5600;

class MulticastDriverLab : public os::TwoHosts, public testing::WithParamInterface<const char*> {
protected:
    ~MulticastDriverLab() override {
        if (driver_) driver_->stop();
    }

    static IpAddress group() { return *IpAddress::parse(GetParam()); }

    /// Listens at the far host.
    void listen(std::vector<std::string> interfaces = {}, std::vector<IpAddress> sources = {}) {
        far_.enter();
        MulticastDriverOptions options;
        options.group = group();
        options.port = kPort;
        options.sources = std::move(sources);
        options.engine.interfaces = std::move(interfaces);
        MulticastHandlers handlers;
        handlers.on_datagram = [this](const os::ReceivedDatagram& datagram) {
            heard_.emplace_back(as_text(datagram.octets));
        };
        driver_ =
            std::make_shared<MulticastDriver>(io_.get_executor(), std::move(options), std::move(handlers));
        ASSERT_TRUE(driver_->start().has_value());
    }

    /// Sends from the near host by these of its interfaces; all if there are none.
    std::vector<MulticastSent> say(const std::string& text, std::vector<std::string> interfaces = {}) {
        near_.enter();
        MulticastSenderOptions options{group(), kPort};
        options.interfaces = std::move(interfaces);
        auto sender = MulticastSender::open(std::move(options));
        EXPECT_TRUE(sender.has_value());
        auto sent = sender->send(as_bytes(text));
        far_.enter();
        return sent;
    }

    bool until(const std::function<bool()>& holds, Duration patience = 3s) {
        const auto deadline = SteadyClock::now() + patience;
        while (!holds() && SteadyClock::now() < deadline) io_.run_one_for(20ms);
        return holds();
    }
    bool hears(const std::string& text) {
        return until([&] { return std::ranges::find(heard_, text) != heard_.end(); });
    }

    asio::io_context io_;
    std::vector<std::string> heard_;
    std::shared_ptr<MulticastDriver> driver_;
};

TEST_P(MulticastDriverLab, HearsEachCableOnceAndCountsByInterface) {
    listen();
    const auto sent = say("hello");
    ASSERT_EQ(sent.size(), 2u);
    EXPECT_TRUE(sent[0].is_sent() && sent[1].is_sent());
    EXPECT_TRUE(until([&] { return heard_.size() == 2; }));
    EXPECT_FALSE(until([&] { return heard_.size() > 2; }, 50ms)) << "what comes by one interface comes once";
    for (const MulticastInterface& each : driver_->status().interfaces)
        EXPECT_EQ(each.datagrams, 1u) << each.name;
}

TEST_P(MulticastDriverLab, HearsOnlyTheChosenInterfaceAndTheChosenSources) {
    const bool v6 = group().is_v6();
    listen({"far1"}, {*IpAddress::parse(v6 ? "fe80::1" : "10.78.0.1")});
    say("by the wrong cable", {"near0"});
    say("by the right one", {"near1"});
    EXPECT_TRUE(hears("by the right one"));
    EXPECT_EQ(heard_.size(), 1u);
    driver_->stop();
    heard_.clear();
    listen({"far1"}, {*IpAddress::parse(v6 ? "fe80::99" : "10.78.0.99")});
    say("by somebody else", {"near1"});
    EXPECT_FALSE(until([&] { return !heard_.empty(); }, 50ms));
}

TEST_P(MulticastDriverLab, HearsAgainByAnInterfaceThatWasMadeAnew) {
    listen();
    say("before", {"near0"});
    ASSERT_TRUE(hears("before"));
    far_.enter();
    run("ip link del far0");
    near_.enter();
    run("ip link add near0 type veth peer name far0 netns " + far_.name());
    run("ip addr add 10.77.0.1/24 dev near0 && ip link set near0 up");
    run("ip link set near0 addrgenmode none && ip addr add fe80::1/64 nodad dev near0");
    far_.enter();
    run("ip link set far0 up");
    EXPECT_TRUE(until([&] {
        say("after", {"near0"});
        return std::ranges::find(heard_, "after") != heard_.end();
    }));
}

TEST_P(MulticastDriverLab, SharesThePortAndSaysWhoDoesNot) {
    listen();
    const auto first = driver_;
    listen();
    EXPECT_EQ(driver_->status().state, MulticastState::listening);
    first->stop();
    driver_->stop();
    os::MulticastOptions alone;
    alone.group = group();
    alone.port = kPort;
    const auto other = os::MulticastSocket::open(alone);
    ASSERT_TRUE(other.has_value());
    MulticastDriverOptions options;
    options.group = group();
    options.port = kPort;
    const auto refused = std::make_shared<MulticastDriver>(io_.get_executor(), options, MulticastHandlers{});
    const auto started = refused->start();
    ASSERT_FALSE(started.has_value());
    EXPECT_EQ(started.error().code(), Errc::already_exists);
}

TEST_P(MulticastDriverLab, LivesBesideAProgramThatHasThePortOfAnAddressForItself) {
    far_.enter();
    const bool v6 = group().is_v6();
    const auto other = os::open_udp(v6 ? os::IpFamily::v6 : os::IpFamily::v4);
    ASSERT_TRUE(other.has_value());
    const Endpoint own{*IpAddress::parse(v6 ? "fe80::2" : "10.77.0.2"), kPort, index("far0")};
    ASSERT_TRUE(os::bind_udp(other->get(), own).has_value());
    listen();
    say("hello", {"near0"});
    EXPECT_TRUE(hears("hello"));
}

TEST_P(MulticastDriverLab, SendsByTheInterfacesThatAreThereHoweverMuchHasChangedBefore) {
    near_.enter();
    auto sender = MulticastSender::open({group(), kPort});
    ASSERT_TRUE(sender.has_value());
    std::string many;
    for (int i = 0; i < 300; ++i) many += "link add many" + std::to_string(i) + " type veth\n";
    run("printf '" + many + "' | ip -batch -");
    run("ip link set near0 down");
    const auto sent = sender->send(as_bytes("hello"));
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].name, "near1");
}

INSTANTIATE_TEST_SUITE_P(BothFamilies, MulticastDriverLab,
                         testing::Values("239.7.7.7", "ff02::7:7", "ff15::7:7"), [](const auto& info) {
                             const std::string group{info.param};
                             return group == "239.7.7.7"   ? "v4"
                                    : group == "ff02::7:7" ? "v6_link"
                                                           : "v6_site";
                         });

}  // namespace
}  // namespace muster::net
