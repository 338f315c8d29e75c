// Streams and files over a cable that goes and comes back, through the public API.
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include "os/lab_namespace.h"

#include "muster/coordinator.h"
#include "muster/member.h"

namespace muster {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

std::string content_of(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
}

/// A coordinator on `far`, a member on `near`, one cable between them.
class ResumeLab : public os::TwoHosts {
public:
    ResumeLab() {
        std::string pattern = testing::TempDir() + "muster-resume-XXXXXX";
        EXPECT_NE(mkdtemp(pattern.data()), nullptr);
        directory = pattern;
        os::run("ip link set near1 down");
    }
    ~ResumeLab() override { std::filesystem::remove_all(directory); }

    void run(asio::awaitable<void> story) {
        bool finished = false;
        asio::co_spawn(context, std::move(story), [&](std::exception_ptr error) {
            finished = true;
            if (error) std::rethrow_exception(error);
        });
        context.run_for(60s);
        EXPECT_TRUE(finished) << "the story did not come to its end";
    }
    asio::awaitable<void> begin() {
        HostOptions host_options;
        host_options.identity = Identity::ephemeral();
        host_options.advertise = false;
        host_options.grace = 30s;
        host_options.profile = Profile::realtime;
        far_.enter();
        auto hosting = co_await muster::host(context.get_executor(), std::move(host_options));
        near_.enter();
        host.emplace(std::move(hosting).value());
        JoinOptions options;
        options.identity = Identity::ephemeral();
        options.discover = false;
        options.grace = 30s;
        options.profile = Profile::realtime;
        options.at = {"10.77.0.2:" + std::to_string(host->port())};
        auto joined = co_await muster::join(context.get_executor(), std::move(options));
        member.emplace(std::move(joined).value());
        (void)co_await ResumeLab::next<PeerJoined>(*host);
    }
    template <class Wanted>
    static asio::awaitable<std::optional<Wanted>> next(Session& session) {
        while (auto event = co_await session.next_event())
            if (auto* wanted = std::get_if<Wanted>(&*event)) co_return std::move(*wanted);
        co_return std::nullopt;
    }
    asio::awaitable<void> pause(Duration time) {
        asio::steady_timer timer{context, time};
        co_await timer.async_wait(asio::use_awaitable);
    }
    /// Both ends are told that the link is gone, and that it is back.
    asio::awaitable<void> cut_for(Duration outage) {
        os::run("ip link set near0 down");
        EXPECT_TRUE(co_await ResumeLab::next<PeerInterrupted>(*member));
        EXPECT_FALSE(co_await member->path_to(host->id())) << "there is no path now";
        co_await pause(outage);
        const Explanation meanwhile = co_await member->explain(host->id());
        EXPECT_FALSE(meanwhile.is_connected());
        EXPECT_FALSE(meanwhile.tried.empty()) << "what is being tried is told while it is";
        os::run("ip link set near0 up");
        const auto back = co_await ResumeLab::next<PeerResumed>(*member);
        if (!back) co_return ADD_FAILURE() << "the session ended";
        EXPECT_EQ(back->peer.id, host->id());
        EXPECT_GE(back->after, outage);
        EXPECT_TRUE(co_await ResumeLab::next<PeerInterrupted>(*host));
        const auto there = co_await ResumeLab::next<PeerResumed>(*host);
        EXPECT_TRUE(there && there->peer.id == member->id());
        EXPECT_TRUE(co_await member->path_to(host->id()));
        EXPECT_TRUE(co_await host->path_to(member->id()));
    }

    asio::io_context context;
    std::string directory;
    std::optional<Coordinator> host;
    std::optional<Member> member;
};

TEST_F(ResumeLab, AByteStreamStandsStillAndGoesOn) {
    const auto story = [](ResumeLab& test) -> asio::awaitable<void> {
        co_await test.begin();
        auto opened = co_await test.member->open_stream(test.host->id(), "telemetry");
        auto incoming = co_await ResumeLab::next<StreamOpened>(*test.host);
        if (!opened || !incoming) co_return ADD_FAILURE() << "no stream";
        std::string said(6'000'000, ' '), heard(said.size(), ' ');
        for (std::size_t i = 0; i < said.size(); ++i) said[i] = static_cast<char>(i * 2654435761u >> 24);
        bool written = false, read = false;
        const auto write_all = [&]() -> asio::awaitable<void> {
            co_await asio::async_write(*opened, asio::buffer(said), asio::use_awaitable);
            written = true;
        };
        const auto read_all = [&]() -> asio::awaitable<void> {
            for (std::size_t at = 0; at < heard.size();
                 at += 100'000) {  // slowly: the cuts are in the middle
                co_await asio::async_read(incoming->stream, asio::buffer(&heard[at], 100'000),
                                          asio::use_awaitable);
                co_await test.pause(5ms);
            }
            read = true;
        };
        asio::co_spawn(test.context, write_all(), [](std::exception_ptr) {});
        asio::co_spawn(test.context, read_all(), [](std::exception_ptr) {});
        for (int i = 0; i < 3; ++i) {
            co_await test.cut_for(300ms);
            EXPECT_FALSE(read) << "over before the cut: this test tests nothing";
            co_await test.pause(30ms);
        }
        for (int i = 0; i < 1000 && !(written && read); ++i) co_await test.pause(10ms);
        EXPECT_TRUE(written && read);
        EXPECT_TRUE(said == heard);
        EXPECT_TRUE(co_await test.member->close());
        (void)co_await test.host->close();
    };
    run(story(*this));
}

// Longer than the sender's patience: its clock stands still with the session.
TEST_F(ResumeLab, AFileUnderWayWaits) {
    const auto story = [](ResumeLab& test) -> asio::awaitable<void> {
        co_await test.begin();
        os::run("tc qdisc add dev near0 root tbf rate 80mbit burst 64k latency 100ms");
        const std::string source = test.directory + "/film.bin";
        {
            std::ofstream out(source, std::ios::binary);
            for (std::uint32_t i = 0; i < 2'500'000; ++i)
                out.write(reinterpret_cast<const char*>(&i), sizeof i);
        }
        std::filesystem::create_directory(test.directory + "/in");
        SendFileOptions options;
        options.stall = 1s;
        OutgoingFile file = test.member->send_file(test.host->id(), source, options);
        auto offered = co_await ResumeLab::next<FileOffered>(*test.host);
        if (!offered) co_return ADD_FAILURE() << "no offer";
        ReceiveFileOptions receive;
        receive.directory = test.directory + "/in";
        offered->file.accept(receive);
        while (auto progress = co_await file.next_progress())
            if (progress->octets_done > 1'000'000) break;
        co_await test.cut_for(2s);
        const auto sent = co_await file.finished();
        const auto got = co_await offered->file.finished();
        EXPECT_TRUE(sent) << (sent ? "" : sent.error().explain());
        EXPECT_TRUE(got) << (got ? "" : got.error().explain());
        if (sent && got) EXPECT_TRUE(content_of(source) == content_of(got->path));
        EXPECT_TRUE(co_await test.member->close());
        (void)co_await test.host->close();
    };
    run(story(*this));
}

TEST_F(ResumeLab, ACloseWhileInterruptedIsHeardWhenTheCableIsBack) {
    const auto story = [](ResumeLab& test) -> asio::awaitable<void> {
        co_await test.begin();
        os::run("ip link set near0 down");
        EXPECT_TRUE(co_await ResumeLab::next<PeerInterrupted>(*test.member));
        EXPECT_TRUE(co_await test.member->send(Recipients::coordinator(), to_bytes("last words")));
        bool heard = false;
        test.member->close(7, "enough", 10s, [&heard](const Result<void>& how) { heard = how.has_value(); });
        co_await test.pause(500ms);
        EXPECT_FALSE(heard);
        os::run("ip link set near0 up");
        EXPECT_EQ(as_text((co_await ResumeLab::next<Message>(*test.host))->payload), "last words");
        const auto left = co_await ResumeLab::next<PeerLeft>(*test.host);
        EXPECT_TRUE(left && left->how.is_closed() && left->how.closed().code == 7);
        (void)co_await ResumeLab::next<SessionEnded>(*test.member);
        EXPECT_TRUE(heard);
        (void)co_await test.host->close();
    };
    run(story(*this));
}

}  // namespace
}  // namespace muster
