// The public call on a real kernel: near0 has 10.77.0.1/24 and the far end 10.77.0.2.
#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/lab_namespace.h"

#include "muster/why.h"

namespace muster {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using testing::HasSubstr;

class WhyLab : public os::TwoHosts {
protected:
    static WhyOptions about(const char* target) { return WhyOptions{target}; }

    Result<WhyAnswer> ask(WhyOptions options) {
        std::optional<Result<WhyAnswer>> told;
        why(io_.get_executor(), std::move(options),
            [&](Result<WhyAnswer> answer) { told = std::move(answer); });
        io_.restart();
        io_.run();
        if (!told) return Error{Errc::timed_out, "it has not completed"};
        return *told;
    }
    WhyCause cause(WhyOptions options) {
        const auto answer = ask(std::move(options));
        if (!answer || answer->findings.empty()) return WhyCause::own_address;
        return answer->findings.front().cause;
    }

    asio::io_context io_{1};
};

TEST_F(WhyLab, TellsWhatAnswersFromWhatDoesNot) {
    const auto answer = ask(about("10.77.0.2"));
    ASSERT_TRUE(answer.has_value());
    EXPECT_TRUE(answer->reaches) << answer->explain();
    ASSERT_TRUE(answer->way.has_value());
    EXPECT_EQ(answer->way->next_hop, LinkProof::verified);
    EXPECT_EQ(cause(about("10.77.0.2:81")), WhyCause::port_closed);
    EXPECT_EQ(cause(about("192.0.2.1:81")), WhyCause::no_route);
}

TEST_F(WhyLab, BadInputIsSaidAtOnce) {
    for (const char* target : {"",
                               ":",
                               ":80",
                               "10.77.0.2:",
                               "10.77.0.2:0",
                               "10.77.0.2:65536",
                               "10.77.0.2:http",
                               "[10.77.0.2",
                               "[::1]x",
                               "[::1]:",
                               "a b",
                               "fe80::1%",
                               "0.0.0.0",
                               "239.1.1.1",
                               "a/b",
                               "::ffff:0.0.0.0",
                               "::ffff:239.1.1.1",
                               "10.77.0.255",
                               "10.77.0.255:80",
                               "255.255.255.255%near0"}) {
        const auto answer = ask(about(target));
        ASSERT_FALSE(answer.has_value()) << target;
        EXPECT_EQ(answer.error().code(), Errc::bad_input) << target;
        EXPECT_FALSE(answer.error().cure().empty()) << target;
    }
}

TEST_F(WhyLab, OneInterfaceIsMeant) {
    WhyOptions options = about("fe80::2%near0");
    options.interface = "near1";
    EXPECT_EQ(ask(options).error().code(), Errc::bad_input);
    options.interface = "near0";
    EXPECT_TRUE(ask(options)->reaches);
}

TEST_F(WhyLab, AMappedAddressIsOneOfIpv4) {
    const auto answer = ask(about("[::ffff:10.77.0.2]:81"));
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->findings.front().cause, WhyCause::port_closed) << answer->explain();
}

TEST_F(WhyLab, NamesOfInterfacesAreAnswersAndNoBadInput) {
    for (const char* name : {"fifteen_octets_", "sixteen_octets__", "99999", "../../etc"}) {
        WhyOptions options = about("10.77.0.2");
        options.interface = name;
        EXPECT_EQ(cause(options), WhyCause::interface_missing) << name;
    }
    WhyOptions by_index = about("10.77.0.2");
    by_index.interface = std::to_string(static_cast<std::uint32_t>(index("near0")));
    EXPECT_TRUE(ask(by_index)->reaches);
}

TEST_F(WhyLab, EndsWithinItsPatience) {
    WhyOptions options = about("10.77.0.99:80");
    options.patience = 300ms;
    const auto began = std::chrono::steady_clock::now();
    const auto answer = ask(options);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
    ASSERT_TRUE(answer.has_value());
    EXPECT_FALSE(answer->reaches);
}

// As root. Another connection to the host goes on meanwhile, and its filter answers neither pings nor TCP: that is no filter here.
TEST_F(WhyLab, WhatElseTheHostSendsIsNoAnswer) {
    far_.enter();
    os::run(
        "nft 'table inet wall { chain in { type filter hook input priority 0; tcp dport 81 drop; "
        "icmpv6 type echo-request drop; ip6 daddr fe80::2 udp dport 9 drop; }; }'");
    asio::ip::tcp::acceptor server{io_, {asio::ip::address_v4::any(), 80}};
    near_.enter();
    asio::ip::tcp::socket ours{io_};
    ours.connect({asio::ip::make_address("10.77.0.2"), 80});
    auto theirs = server.accept();
    server.close();
    std::optional<Result<WhyAnswer>> told;
    WhyOptions options = about("10.77.0.2:81");
    options.patience = 400ms;
    why(io_.get_executor(), options, [&](Result<WhyAnswer> answer) { told = std::move(answer); });
    while (!told) {
        asio::write(theirs, asio::buffer("hello", 5));
        io_.run_one();
    }
    ASSERT_TRUE(told->has_value() && !(*told)->findings.empty());
    EXPECT_EQ((*told)->findings.front().cause, WhyCause::filtered) << (*told)->explain();
    options = about("fe80::2%near0");
    options.patience = 400ms;
    EXPECT_EQ(cause(options), WhyCause::filtered) << "it answers neighbour discovery";
}

TEST_F(WhyLab, WhatItHasNoDescriptorForIsNoSilenceOfTheHost) {
    far_.enter();
    asio::ip::tcp::acceptor server{io_, {asio::ip::address_v4::any(), 80}};
    near_.enter();
    const auto with_room_for = [&](int count) {
        std::vector<os::FileDescriptor> room;
        room.reserve(static_cast<std::size_t>(count));
        for (int i = 0; i < count; ++i) room.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        const os::NoMoreDescriptors limit;
        room.clear();
        return ask(about("10.77.0.2:80"));
    };
    int room = 0;
    for (; room < 20; ++room) {
        const auto answer = with_room_for(room);
        if (answer && answer->reaches) break;
        ASSERT_FALSE(answer.has_value()) << room << " descriptors: " << answer->explain();
        EXPECT_EQ(answer.error().code(), Errc::system) << room;
    }
    EXPECT_GE(room, 4) << "the kernel's tables, pings, port 9 and the port";
}

TEST_F(WhyLab, WhatTheKernelRefusesIsNotWaitedFor) {
    os::run(
        "nft 'table inet wall { chain out { type filter hook output priority 0; ip daddr 10.77.0.2 drop; }; "
        "}'");
    for (const auto& [target, most] : {std::pair{"10.77.0.2", 600ms}, std::pair{"10.77.0.2:80", 2000ms}}) {
        const auto began = std::chrono::steady_clock::now();
        EXPECT_EQ(cause(about(target)), WhyCause::own_firewall_out);
        EXPECT_LT(std::chrono::steady_clock::now() - began, most) << target << ": the patience is 3 s";
    }
}

TEST_F(WhyLab, AHostThatProhibitsPort9IsThereAndItsOtherPortsMayBe) {
    far_.enter();
    os::run(
        "nft 'table inet wall { chain in { type filter hook input priority 0; udp dport 9 reject with icmpx "
        "admin-prohibited; "
        "icmp type echo-request drop; tcp dport 81 drop; }; }'");
    near_.enter();
    const auto began = std::chrono::steady_clock::now();
    EXPECT_TRUE(ask(about("10.77.0.2"))->reaches);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 2s) << "it was heard, and drops pings";
    WhyOptions options = about("10.77.0.2:81");
    options.patience = 400ms;
    const auto answer = ask(options);
    ASSERT_TRUE(answer.has_value() && !answer->findings.empty());
    EXPECT_EQ(answer->findings.front().cause, WhyCause::filtered);
    EXPECT_EQ(answer->findings.front().certainty, WhyCertainty::likely) << answer->explain();
}

TEST_F(WhyLab, CanBeCancelled) {
    asio::cancellation_signal signal;
    std::optional<Result<WhyAnswer>> told;
    why(io_.get_executor(), about("10.77.0.99:80"),
        asio::bind_cancellation_slot(signal.slot(),
                                     [&](Result<WhyAnswer> answer) { told = std::move(answer); }));
    asio::steady_timer timer{io_, 50ms};
    timer.async_wait(
        [&](const boost::system::error_code&) { signal.emit(asio::cancellation_type::terminal); });
    const auto began = std::chrono::steady_clock::now();
    io_.run();
    EXPECT_LT(std::chrono::steady_clock::now() - began, 2s) << "the patience is 3 s";
    ASSERT_TRUE(told.has_value());
    ASSERT_FALSE(told->has_value());
    EXPECT_EQ(told->error().code(), Errc::cancelled);
}

TEST_F(WhyLab, AnExecutorThatIsDestroyedTakesItAlong) {
    auto held = std::make_shared<int>(0);
    const std::weak_ptr<int> handler = held;
    {
        asio::io_context io;
        why(io.get_executor(), about("10.77.0.99:80"), [held](const Result<WhyAnswer>&) {});
        held.reset();
        io.run_for(50ms);
        EXPECT_FALSE(handler.expired());
    }
    EXPECT_TRUE(handler.expired());
}

TEST_F(WhyLab, AnInterfaceThatGoesMeanwhile) {
    std::optional<Result<WhyAnswer>> told;
    WhyOptions options = about("10.77.0.99:80");
    options.patience = 500ms;
    why(io_.get_executor(), options, [&](Result<WhyAnswer> answer) { told = std::move(answer); });
    asio::steady_timer timer{io_, 100ms};
    timer.async_wait([&](const boost::system::error_code&) { os::run("ip link del near0"); });
    io_.run();
    ASSERT_TRUE(told.has_value() && told->has_value());
    ASSERT_FALSE((*told)->findings.empty());
    EXPECT_EQ((*told)->findings.front().cause, WhyCause::interface_missing);
    EXPECT_THAT((*told)->findings.front().signal, HasSubstr("went"));
}

}  // namespace
}  // namespace muster
