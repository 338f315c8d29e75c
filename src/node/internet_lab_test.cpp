// The public call on a real kernel: near0 and near1 lead to one other host, which plays the internet, or a captive portal.
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/lab_namespace.h"

#include "muster/internet.h"

namespace muster {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using asio::ip::tcp;
using testing::HasSubstr;

/// Answers one connection with what it was told to, whatever is asked; an empty answer is silence until the end.
class OneAnswer {
public:
    OneAnswer(const char* address, std::string answer)
        : acceptor_(io_, {asio::ip::make_address(address), 80}), answer_(std::move(answer)) {
        acceptor_.async_accept(socket_, [this](const boost::system::error_code& error) {
            if (!error) serve();
        });
        thread_ = std::thread{[this] { io_.run(); }};
    }
    ~OneAnswer() {
        io_.stop();
        thread_.join();
    }
    OneAnswer(const OneAnswer&) = delete;
    OneAnswer& operator=(const OneAnswer&) = delete;

    /// What was asked; valid when the answer has come.
    const std::string& asked() const { return asked_; }

private:
    void serve() {
        asio::async_read_until(socket_, asio::dynamic_buffer(asked_), "\r\n\r\n", [this](auto error, auto) {
            if (error || answer_.empty()) return;
            asio::async_write(socket_, asio::buffer(answer_), [this](auto, auto) { socket_.close(); });
        });
    }

    asio::io_context io_{1};
    tcp::acceptor acceptor_;
    tcp::socket socket_{io_};
    std::string answer_, asked_;
    std::thread thread_;
};

class InternetLab : public os::TwoHosts {
protected:
    std::unique_ptr<OneAnswer> far_answers(std::string answer, const char* address = "0.0.0.0") {
        far_.enter();
        auto server = std::make_unique<OneAnswer>(address, std::move(answer));
        near_.enter();
        return server;
    }
    static InternetProbe probe(const char* url = "http://10.77.0.2/generate_204") {
        InternetProbe wanted{url};
        wanted.patience = 3s;
        return wanted;
    }
    Result<InternetProof> verify(InternetProbe wanted) {
        std::optional<Result<InternetProof>> told;
        verify_internet(io_.get_executor(), std::move(wanted),
                        [&](Result<InternetProof> proof) { told = std::move(proof); });
        io_.restart();
        io_.run();
        return told ? *told : Error{Errc::timed_out, "it has not completed"};
    }
    InternetProof proof(InternetProbe wanted) {
        auto told = verify(std::move(wanted));
        EXPECT_TRUE(told.has_value()) << told.error().explain();
        return told ? *told : InternetProof{};
    }

    asio::io_context io_{1};
};

TEST_F(InternetLab, TheExpectedAnswerVerifies) {
    const auto server = far_answers("HTTP/1.1 204 No Content\r\n\r\n");
    const auto told = proof(probe());
    EXPECT_EQ(told.state, InternetState::verified) << told.explain();
    EXPECT_EQ(told.interface_name, "near0");
    EXPECT_EQ(told.status, 204u);
    EXPECT_LT(told.took, 1s);
    EXPECT_FALSE(told.failure.has_value());
    EXPECT_THAT(server->asked(), testing::StartsWith("GET /generate_204 HTTP/1.1\r\nHost: 10.77.0.2\r\n"));
}

TEST_F(InternetLab, APortalIsNotTheInternet) {
    const auto server = far_answers(
        "HTTP/1.1 302 Found\r\nLocation: http://portal.example/\x9b\r\nContent-Length: 0\r\n\r\n");
    const auto told = proof(probe());
    EXPECT_EQ(told.state, InternetState::intercepted);
    EXPECT_EQ(told.status, 302u);
    EXPECT_THAT(told.explain(), HasSubstr("leads to http://portal.example/"));
    EXPECT_EQ(told.explain().find('\x9b'), std::string::npos);
}

TEST_F(InternetLab, ThePageCountsToo) {
    InternetProbe wanted = probe();
    wanted.status = 200;
    wanted.body = "Success";
    {
        const auto server = far_answers("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nSuccess\n");
        EXPECT_EQ(proof(wanted).state, InternetState::verified);
    }
    {
        const auto server = far_answers("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nSign in!");
        EXPECT_EQ(proof(wanted).state, InternetState::intercepted) << "status 200 alone says nothing";
    }
    {
        const auto server =
            far_answers("HTTP/1.1 200 OK\r\nContent-Length: 4000000000000\r\n\r\nSuccess, and more");
        EXPECT_EQ(proof(wanted).state, InternetState::verified) << "no more is read than is compared";
    }
    {
        const auto server = far_answers("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nSucc");
        EXPECT_EQ(proof(wanted).state, InternetState::intercepted);
    }
}

TEST_F(InternetLab, WhatIsNoHttpIsNoInternet) {
    for (const std::string& answer : {std::string{"SSH-2.0-OpenSSH_9.2\r\n"},
                                      std::string{"HTTP/1.1 204 No Content\r\nX: "} + std::string(20000, 'x'),
                                      std::string{"HTTP/9.9 204\r\n\r\n"}, std::string{"\r\n"}}) {
        const auto server = far_answers(answer);
        const auto told = proof(probe());
        EXPECT_EQ(told.state, InternetState::unreachable) << answer.substr(0, 30);
        EXPECT_TRUE(told.failure.has_value());
    }
}

TEST_F(InternetLab, SilenceEndsWithThePatience) {
    const auto server = far_answers("");
    InternetProbe wanted = probe();
    wanted.patience = 200ms;
    const auto told = proof(wanted);
    EXPECT_EQ(told.state, InternetState::unreachable);
    ASSERT_TRUE(told.failure.has_value());
    EXPECT_EQ(told.failure->code(), Errc::timed_out);
    EXPECT_GE(told.took, 200ms);
    EXPECT_LT(told.took, 2s);
}

TEST_F(InternetLab, NobodyAndNoRouteAreProofsAndNoErrors) {
    const auto refused = proof(probe());
    EXPECT_EQ(refused.state, InternetState::unreachable);
    EXPECT_THAT(refused.explain(), HasSubstr("10.77.0.2:80"));
    const auto away = proof(probe("http://192.0.2.1/"));
    EXPECT_EQ(away.failure->code(), Errc::no_route) << away.explain();
    InternetProbe missing = probe();
    missing.interface = "nowhere0";
    EXPECT_EQ(proof(missing).failure->code(), Errc::no_interface);
    const auto unnamed = proof(probe("http://no-such-name.invalid/"));
    EXPECT_EQ(unnamed.state, InternetState::unreachable);
    EXPECT_THAT(unnamed.explain(), HasSubstr("no-such-name.invalid"));
}

// The control is the question without an interface, which another network answers.
TEST_F(InternetLab, AnInterfaceIsAskedByItself) {
    os::run("ip route add 203.0.113.1/32 via 10.78.0.2 dev near1");
    os::run("ip route add 203.0.113.1/32 via 10.77.0.2 dev near0 metric 100");
    far_.enter();
    os::run("ip addr add 203.0.113.1/32 dev lo");
    near_.enter();
    {
        const auto server = far_answers("HTTP/1.1 204 No Content\r\n\r\n");
        EXPECT_EQ(proof(probe("http://203.0.113.1/")).interface_name, "near1");
    }
    InternetProbe by_near0 = probe("http://203.0.113.1/");
    by_near0.interface = "near0";
    {
        const auto server = far_answers("HTTP/1.1 204 No Content\r\n\r\n");
        const auto told = proof(by_near0);
        EXPECT_EQ(told.state, InternetState::verified) << told.explain();
        EXPECT_EQ(told.interface_name, "near0");
    }
    os::run("ip addr flush dev near0");
    EXPECT_EQ(proof(by_near0).failure->code(), Errc::no_address);
}

TEST_F(InternetLab, BadUrlsAreSaidAtOnce) {
    const auto told = verify(probe("https://example.net/"));
    ASSERT_FALSE(told.has_value());
    EXPECT_EQ(told.error().code(), Errc::bad_input);
}

TEST_F(InternetLab, ACancelledQuestionEndsAtOnce) {
    const auto server = far_answers("");
    asio::cancellation_signal stop;
    std::optional<Errc> told;
    verify_internet(io_.get_executor(), probe(),
                    asio::bind_cancellation_slot(stop.slot(), [&](const Result<InternetProof>& proof) {
                        told = proof ? Errc{} : proof.error().code();
                    }));
    asio::steady_timer soon{io_, 100ms};
    soon.async_wait([&](const boost::system::error_code&) { stop.emit(asio::cancellation_type::terminal); });
    const auto began = std::chrono::steady_clock::now();
    io_.run();
    EXPECT_EQ(told, Errc::cancelled);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 2s) << "of 3 s of patience";
}

}  // namespace
}  // namespace muster
