// Coordinator and members on real sockets over loopback, in one process, through the public API only.
#include <future>
#include <thread>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <boost/json.hpp>

#include "test_story.h"

namespace muster {
namespace {

using namespace asio::experimental::awaitable_operators;
using NodeTest = StoryTest;

TEST_F(NodeTest, HostJoinExchangeLeave) {
    run([](NodeTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        EXPECT_TRUE(host) << host.error().explain();
        auto options = test.join_options(*host, "left");
        options.info = {{"role", "light"}};
        auto member = co_await muster::join(executor, std::move(options));
        EXPECT_TRUE(member) << member.error().explain();
        if (!member) co_return;
        EXPECT_EQ(member->coordinator().id, host->id());
        EXPECT_EQ(member->roster().peers.size(), 2u);

        const auto joined = co_await next<PeerJoined>(*host);
        EXPECT_EQ(joined->peer.name, "left");
        EXPECT_EQ(joined->peer.info.at("role"), "light");
        EXPECT_EQ(joined->peer.id, member->id());

        EXPECT_TRUE(co_await member->send(Recipients::coordinator(), to_bytes("hello")));
        EXPECT_EQ(as_text((co_await next<Message>(*host))->payload), "hello");
        EXPECT_TRUE(co_await host->send(Recipients::everyone(), to_bytes("welcome")));
        EXPECT_EQ(as_text((co_await next<Message>(*member))->payload), "welcome");

        const auto path = co_await host->path_to(member->id());
        EXPECT_TRUE(path && path->interface == "lo");

        EXPECT_TRUE(co_await member->close(7, "going home"));
        const auto left = co_await next<PeerLeft>(*host);
        EXPECT_TRUE(left && left->how.is_closed());
        EXPECT_EQ(left->how.closed().code, 7u);
        EXPECT_EQ(left->how.closed().reason, "going home");
        EXPECT_TRUE(co_await next<SessionEnded>(*member));
        EXPECT_EQ((co_await member->next_event()).error().code(), Errc::closed);
        EXPECT_TRUE(co_await host->close(0, "done"));
    }(*this));
}

TEST_F(NodeTest, ExplainsHowAPeerIsReachedAndWhatHasHappened) {
    run([](NodeTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        (void)co_await next<PeerJoined>(*host);
        const std::pair<Session*, DeviceId> ends[] = {{&*host, member->id()}, {&*member, host->id()}};
        for (const auto& [end, peer] : ends) {
            const Explanation how = co_await end->explain(peer);
            EXPECT_EQ(how.peer, peer);
            EXPECT_TRUE(how.is_connected());
            EXPECT_TRUE(how.paths[0].in_use);
            EXPECT_EQ(how.paths[0].interface, "lo");
            EXPECT_NE(how.to_text().find("in use"), std::string::npos) << how.to_text();
        }
        const Explanation before = co_await host->explain(member->id());
        EXPECT_EQ(kind_of(before.timeline.entries.back().what), "joined");
        EXPECT_TRUE(co_await member->close(7, "going home"));
        (void)co_await next<PeerLeft>(*host);
        const Explanation after = co_await host->explain(member->id());
        EXPECT_FALSE(after.is_connected());
        const auto is_left = [](const TimelineEntry& entry) { return kind_of(entry.what) == "left"; };
        const auto entry = std::ranges::find_if(after.timeline.entries, is_left);  // its link may end later
        if (entry == after.timeline.entries.end()) co_return test.fail(after.to_text());
        EXPECT_EQ(std::get<seen::Left>(entry->what).how.closed().reason, "going home");
        const auto json = boost::json::parse(after.to_json());
        EXPECT_EQ(json.at("timeline").at("entries").as_array().size(), after.timeline.entries.size());

        EXPECT_FALSE(json.at("connected").as_bool());
    }(*this));
}

TEST_F(NodeTest, MembersReachEachOtherThroughTheCoordinator) {
    run([](NodeTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto left = co_await muster::join(executor, test.join_options(*host, "left"));
        auto right = co_await muster::join(executor, test.join_options(*host, "right"));
        EXPECT_TRUE(left && right);
        (void)co_await next<PeerJoined>(*left);
        EXPECT_TRUE(co_await left->send(Recipients::one(right->id()), to_bytes("psst")));
        const auto message = co_await next<Message>(*right);
        EXPECT_EQ(message->from, left->id());
        EXPECT_EQ(as_text(message->payload), "psst");
        (void)co_await host->close(0, "over");
        const auto end = co_await next<SessionEnded>(*right);
        EXPECT_TRUE(end->how.is_closed());
        EXPECT_EQ(end->how.closed().reason, "over");
    }(*this));
}

// A coroutine on the strand that awaits what completes at once must not pile up on the stack.
TEST_F(NodeTest, AHundredThousandSendsInARowFromTheStrand) {
    static constexpr int kMany = 100'000;
    run([](NodeTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        EXPECT_TRUE(member);
        const auto send_all = [](Member& from) -> asio::awaitable<void> {
            for (int i = 0; i < kMany; ++i) {
                Bytes one(1);
                EXPECT_TRUE(co_await from.send(Recipients::coordinator(), std::move(one)));
            }
        };
        asio::co_spawn(member->get_executor(), send_all(*member), [](std::exception_ptr) {});
        int arrived = 0;
        while (arrived < kMany && co_await next<Message>(*host)) ++arrived;
        EXPECT_EQ(arrived, kMany);
        (void)co_await host->close();
    }(*this));
}

TEST_F(NodeTest, SendsThatWaitGoOnWithoutWhoNeverReads) {
    run([](NodeTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto lazy = co_await muster::join(executor, test.join_options(*host, "lazy"));
        auto keen = co_await muster::join(executor, test.join_options(*host, "keen"));
        if (!lazy || !keen) co_return test.fail("nobody joined");
        constexpr int kMany = 100;
        const auto send_all = [&]() -> asio::awaitable<void> {
            for (int i = 0; i < kMany; ++i)
                EXPECT_TRUE(co_await host->send(Recipients::everyone(), Bytes(200'000)));
        };
        const auto read_all = [&]() -> asio::awaitable<void> {
            for (int i = 0; i < kMany; ++i) EXPECT_TRUE(co_await next<Message>(*keen));
        };
        co_await (send_all() && read_all());
        (void)co_await host->close();
    }(*this));
}

TEST_F(NodeTest, AWaitMayBeForEver) {
    run([](NodeTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto options = test.join_options(*host, "patient");
        options.patience = Duration::max();
        auto member = co_await muster::join(executor, std::move(options));
        if (!member) co_return test.fail(member.error().explain());
        SendFileOptions send;
        send.patience = send.stall = Duration::max();
        OutgoingFile file = member->send_file(host->id(), test.file("film", 100'000), send);
        const auto offered = co_await next<FileOffered>(*host);
        (void)offered;
        file.cancel("seen");
        EXPECT_TRUE(co_await member->send(Recipients::coordinator(), to_bytes("last words")));
        EXPECT_TRUE(co_await member->close(0, "", Duration::max())) << "it has the time to be heard";
    }(*this));
}

TEST_F(NodeTest, ARefusalTellsItsReason) {
    run([](NodeTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto options = test.host_options();
        options.admit = [](const JoinRequest& request) {
            return as_text(request.context) == "ticket 42" ? Admission::accept()
                                                           : Admission::refuse("no ticket");
        };
        auto host = co_await muster::host(executor, std::move(options));
        auto without = co_await muster::join(executor, test.join_options(*host, "stranger"));
        EXPECT_FALSE(without);
        EXPECT_EQ(without.error().code(), Errc::refused);
        EXPECT_NE(without.error().message().find("no ticket"), std::string::npos)
            << without.error().message();
        auto again = test.join_options(*host, "guest");
        again.context = to_bytes("ticket 42");
        auto with = co_await muster::join(executor, std::move(again));
        EXPECT_TRUE(with);
        (void)co_await host->close();
    }(*this));
}

TEST_F(NodeTest, FilesArriveWholeAndAreNeverOverwritten) {
    run([](NodeTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        const std::string source = test.file("show.bin", 3'000'001);
        for (const char* expected : {"/in/show.bin", "/in/show (2).bin"}) {
            std::filesystem::create_directories(test.directory + "/in");
            OutgoingFile outgoing = host->send_file(member->id(), source);
            auto offered = co_await next<FileOffered>(*member);
            EXPECT_EQ(offered->file.offer().name, "show.bin");
            EXPECT_EQ(offered->file.offer().size, 3'000'001u);
            ReceiveFileOptions receive;
            receive.directory = test.directory + "/in";
            offered->file.accept(receive);
            int steps = 0;
            while (auto progress = co_await outgoing.next_progress()) ++steps;
            EXPECT_GE(steps, 1);
            const auto sent = co_await outgoing.finished();
            const auto got = co_await offered->file.finished();
            EXPECT_TRUE(sent) << sent.error().explain();
            EXPECT_TRUE(got) << got.error().explain();
            if (!sent || !got) co_return;
            EXPECT_EQ(got->path, test.directory + expected);
            EXPECT_EQ(sent->sha256, got->sha256);
            EXPECT_EQ(std::filesystem::file_size(got->path), 3'000'001u);
        }
        OutgoingFile unwanted = member->send_file(host->id(), source);
        auto offered = co_await next<FileOffered>(*host);
        offered->file.decline("no room for it");
        const auto declined = co_await unwanted.finished();
        EXPECT_FALSE(declined);
        EXPECT_EQ(declined.error().code(), Errc::declined);
        EXPECT_NE(declined.error().explain().find("no room for it"), std::string::npos);
        (void)co_await host->close();
    }(*this));
}

TEST_F(NodeTest, StreamsCarryOctetsBothWaysThroughTheCoordinator) {
    run([](NodeTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto left = co_await muster::join(executor, test.join_options(*host, "left"));
        auto right = co_await muster::join(executor, test.join_options(*host, "right"));
        (void)co_await next<PeerJoined>(*left);
        auto opened = co_await left->open_stream(right->id(), "console");
        EXPECT_TRUE(opened) << opened.error().explain();
        auto incoming = co_await next<StreamOpened>(*right);
        EXPECT_EQ(incoming->stream.name(), "console");
        EXPECT_EQ(incoming->stream.peer(), left->id());

        const std::string text(700'000, 'x');
        auto echo = [](ByteStream& stream, std::size_t size) -> asio::awaitable<void> {
            std::string got(size, ' ');
            co_await asio::async_read(stream, asio::buffer(got), asio::use_awaitable);
            co_await asio::async_write(stream, asio::buffer(got), asio::use_awaitable);
            stream.shutdown_send();
        };
        auto ask = [](ByteStream& stream, const std::string& said) -> asio::awaitable<void> {
            co_await asio::async_write(stream, asio::buffer(said), asio::use_awaitable);
            stream.shutdown_send();
            std::string back(said.size(), ' ');
            co_await asio::async_read(stream, asio::buffer(back), asio::use_awaitable);
            EXPECT_EQ(back, said);
        };
        co_await (echo(incoming->stream, text.size()) && ask(*opened, text));
        (void)co_await host->close();
    }(*this));
}

TEST_F(NodeTest, WaitingCanBeCancelledAndLosesNothing) {
    run([](NodeTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        (void)co_await next<PeerJoined>(*host);
        asio::steady_timer soon(executor, 20ms);
        const auto first = co_await (host->next_event() || soon.async_wait(asio::use_awaitable));
        EXPECT_EQ(first.index(), 1u);
        (void)co_await member->send(Recipients::coordinator(), to_bytes("later"));
        EXPECT_EQ(as_text((co_await next<Message>(*host))->payload), "later");
        (void)co_await host->close();
    }(*this));
}

TEST_F(NodeTest, NobodyThereIsSaidInWords) {
    run([](NodeTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        JoinOptions options;
        options.group = "nobody";
        options.identity = Identity::ephemeral();
        options.discover = false;
        options.at = {"127.0.0.1:9"};
        options.patience = 300ms;
        const auto member = co_await muster::join(executor, std::move(options));
        EXPECT_FALSE(member);
        EXPECT_EQ(member.error().code(), Errc::unreachable) << member.error().explain();
        EXPECT_FALSE(member.error().evidence().empty());
        (void)test;
    }(*this));
}

TEST_F(NodeTest, AJournalIsForASessionWithSomebodyInParticular) {
    run([](NodeTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        for (const bool is_named : {false, true}) {
            JoinOptions options;
            options.identity = Identity::ephemeral();
            options.discover = false;
            options.at = {"127.0.0.1:9"};
            options.patience = 300ms;
            options.journal = test.directory + "/journal";
            if (is_named) options.coordinator = Identity::ephemeral().id();
            const auto member = co_await muster::join(executor, std::move(options));
            EXPECT_EQ(member.error().code(), is_named ? Errc::unreachable : Errc::bad_input);
            EXPECT_EQ(std::filesystem::exists(test.directory + "/journal"), is_named);
        }
    }(*this));
}

TEST_F(NodeTest, DroppingTheHandleIsSeenAsLostNotClosed) {
    run([](NodeTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        {
            auto member = co_await muster::join(executor, test.join_options(*host, "careless"));
            EXPECT_TRUE(member);
        }
        const auto left = co_await next<PeerLeft>(*host);
        EXPECT_TRUE(left && left->how.is_lost());
        (void)co_await host->close();
    }(*this));
}

TEST_F(NodeTest, CloseSaysWhetherItWasHeardAndSaysItAgain) {
    run([](NodeTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto polite = co_await muster::join(executor, test.join_options(*host, "polite"));
        auto late = co_await muster::join(executor, test.join_options(*host, "late"));
        EXPECT_TRUE(polite && late);
        if (!polite || !late) co_return;
        EXPECT_TRUE(co_await polite->close());
        EXPECT_TRUE(co_await polite->close(7, "again"));
        host->abort();
        EXPECT_TRUE((co_await next<SessionEnded>(*late))->how.is_lost());
        for (int i = 0; i < 2; ++i) {
            const auto closed = co_await late->close();
            EXPECT_FALSE(closed);
            if (!closed) EXPECT_EQ(closed.error().code(), Errc::lost) << closed.error().explain();
        }
        const auto aborted = co_await host->close();
        EXPECT_TRUE(!aborted && aborted.error().code() == Errc::cancelled);
    }(*this));
}

TEST_F(NodeTest, PinsTheCoordinatorAtFirstUse) {
    run([](NodeTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        const auto device = Identity::load(test.directory + "/device");
        EXPECT_TRUE(device);
        auto honest = co_await muster::host(executor, test.host_options());
        auto options = test.join_options(*honest, "left");
        options.identity = *device;
        auto first = co_await muster::join(executor, options);
        EXPECT_TRUE(first) << first.error().explain();
        (void)co_await first->close();
        (void)co_await honest->close();
        asio::steady_timer timer{executor};
        for (int i = 0; i < 1000 && device->pins()->empty(); ++i) {  // the disk takes its time
            timer.expires_after(5ms);
            co_await timer.async_wait(asio::use_awaitable);
        }

        auto other = co_await muster::host(executor, test.host_options());
        options.at = {"127.0.0.1:" + std::to_string(other->port())};
        options.patience = 500ms;
        auto second = co_await muster::join(executor, options);
        EXPECT_FALSE(second);
        EXPECT_EQ(second.error().code(), Errc::untrusted) << second.error().explain();
        EXPECT_FALSE(second.error().cure().empty());
        (void)co_await other->close();
    }(*this));
}

TEST_F(NodeTest, FuturesAndCallbacksWorkFromOtherThreads) {
    auto guard = asio::make_work_guard(context);
    std::thread runner([this] { context.run(); });
    auto host = muster::host(context.get_executor(), host_options(), asio::use_future).get();
    ASSERT_TRUE(host);
    auto member = muster::join(context.get_executor(), join_options(*host, "left"), asio::use_future).get();
    ASSERT_TRUE(member) << member.error().explain();
    for (int i = 0; i < 100; ++i)
        ASSERT_TRUE(member->send(Recipients::coordinator(), to_bytes("x"), {}, asio::use_future).get());
    int messages = 0;
    while (messages < 100) {
        auto event = host->next_event(asio::use_future).get();
        ASSERT_TRUE(event);
        if (std::holds_alternative<Message>(*event)) ++messages;
    }
    std::promise<void> closed;
    member->close(0, "done", 1s, [&closed](Result<void>) { closed.set_value(); });
    closed.get_future().wait();
    EXPECT_TRUE(host->close(0, "done", 1s, asio::use_future).get());
    guard.reset();
    runner.join();
}

}  // namespace
}  // namespace muster
