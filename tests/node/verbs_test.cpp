// Verbs of the public handles that the stories of node_test.cpp do not use.
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>

#include "test_story.h"

namespace muster {
namespace {

using VerbsTest = StoryTest;

asio::awaitable<void> pause(Duration how_long) {
    asio::steady_timer timer(co_await asio::this_coro::executor, how_long);
    co_await timer.async_wait(asio::use_awaitable);
}

TEST_F(VerbsTest, ARemovedMemberSeesCodeAndReason) {
    run([](VerbsTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto left = co_await muster::join(executor, test.join_options(*host, "left"));
        auto right = co_await muster::join(executor, test.join_options(*host, "right"));
        if (!left || !right) co_return test.fail("nobody joined");
        host->remove(left->id(), 9, "no seat for you");
        const auto end = co_await next<SessionEnded>(*left);
        EXPECT_TRUE(end && end->how.is_closed());
        EXPECT_EQ(end->how.closed().by, Closed::By::peer);
        EXPECT_EQ(end->how.closed().code, 9u);
        EXPECT_EQ(end->how.closed().reason, "no seat for you");
        const auto seen = co_await next<PeerLeft>(*right);
        EXPECT_TRUE(seen && seen->peer.id == left->id() && seen->how.is_closed());
        host->remove(left->id(), 9, "again");  // of nobody: harmless
        EXPECT_TRUE(co_await right->send(Recipients::coordinator(), to_bytes("still here")));
        EXPECT_EQ(as_text((co_await next<Message>(*host))->payload), "still here");
        (void)co_await host->close();
    }(*this));
}

TEST_F(VerbsTest, RequestsAreAnsweredByTheirTickets) {
    run([](VerbsTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto options = test.host_options();
        options.ask = true;
        auto host = co_await muster::host(executor, std::move(options));
        std::optional<Result<Member>> guest, stranger;
        muster::join(executor, test.join_options(*host, "guest"),
                     [&guest](Result<Member> how) { guest.emplace(std::move(how)); });
        const auto first = co_await next<JoinRequest>(*host);
        muster::join(executor, test.join_options(*host, "stranger"),
                     [&stranger](Result<Member> how) { stranger.emplace(std::move(how)); });
        const auto second = co_await next<JoinRequest>(*host);
        EXPECT_EQ(first->name, "guest");
        EXPECT_EQ(second->name, "stranger");
        host->refuse(second->ticket, "not tonight");
        host->accept(first->ticket);
        host->accept(first->ticket);     // answered already: ignored
        host->refuse(12'345, "nobody");  // never given: ignored
        EXPECT_EQ((co_await next<PeerJoined>(*host))->peer.name, "guest");
        while (!guest || !stranger) co_await pause(1ms);
        EXPECT_TRUE(*guest);
        EXPECT_FALSE(*stranger);
        EXPECT_EQ(stranger->error().code(), Errc::refused);
        EXPECT_NE(stranger->error().message().find("not tonight"), std::string::npos);
        (void)co_await host->close();
    }(*this));
}

TEST_F(VerbsTest, ADecisionThatThrowsIsARefusal) {
    run([](VerbsTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        HostOptions options = test.host_options();
        options.admit = [](const JoinRequest& request) -> Admission {
            if (request.name == "left") throw std::runtime_error("the data base is gone");
            return Admission::accept();
        };
        auto host = co_await muster::host(executor, std::move(options));
        const auto left = co_await muster::join(executor, test.join_options(*host, "left"));
        EXPECT_TRUE(!left && left.error().code() == Errc::refused);
        if (!left) EXPECT_THAT(left.error().message(), testing::EndsWith("could not decide"));
        const auto right = co_await muster::join(executor, test.join_options(*host, "right"));
        EXPECT_TRUE(right) << right.error().explain();
        (void)co_await host->close();
    }(*this));
}

TEST_F(VerbsTest, AnAllowListLetsInWhomItNames) {
    run([](VerbsTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        const Identity friendly = Identity::ephemeral();
        auto options = test.host_options();
        options.trust = TrustPolicy::allow({friendly.id()});
        auto host = co_await muster::host(executor, std::move(options));
        const auto stranger = co_await muster::join(executor, test.join_options(*host, "stranger"));
        EXPECT_FALSE(stranger);
        EXPECT_EQ(stranger.error().code(), Errc::refused) << stranger.error().explain();
        auto known = test.join_options(*host, "friend");
        known.identity = friendly;
        const auto member = co_await muster::join(executor, std::move(known));
        EXPECT_TRUE(member) << member.error().explain();
        (void)co_await host->close();
    }(*this));
}

TEST_F(VerbsTest, AnAbortIsSeenAsLost) {
    run([](VerbsTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        if (!member) co_return test.fail("nobody joined");
        member->abort();
        member->abort();  // twice is harmless
        const auto own = co_await next<SessionEnded>(*member);
        EXPECT_TRUE(own && own->how.is_lost());
        EXPECT_EQ(own->how.cause().code(), Errc::cancelled);
        const auto left = co_await next<PeerLeft>(*host);
        EXPECT_TRUE(left && left->how.is_lost());
        EXPECT_EQ((co_await member->send(Recipients::coordinator(), to_bytes("x"))).error().code(),
                  Errc::not_connected);
        (void)co_await host->close();
    }(*this));
}

TEST_F(VerbsTest, TrySendSaysWhenTheQueueIsFullAndAllOfItArrives) {
    run([](VerbsTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        if (!member) co_return test.fail("nobody joined");
        const auto fill = [](Member& from) -> asio::awaitable<int> {  // on the member's strand
            const Bytes piece(100'000);
            int taken = 0;
            while (from.try_send(Recipients::coordinator(), piece)) ++taken;
            EXPECT_EQ(from.try_send(Recipients::coordinator(), piece).error().code(), Errc::queue_full);
            co_return taken;
        };
        const int taken = co_await asio::co_spawn(member->get_executor(), fill(*member), asio::use_awaitable);
        EXPECT_GE(taken, 10);
        const auto drain = [](Coordinator& at, int wanted) -> asio::awaitable<int> {
            int messages = 0;
            while (messages < wanted) {
                auto event = at.try_next_event();
                if (!event) co_await pause(1ms);
                if (event && std::holds_alternative<Message>(*event)) ++messages;
            }
            co_return messages;
        };
        EXPECT_EQ(co_await asio::co_spawn(host->get_executor(), drain(*host, taken), asio::use_awaitable),
                  taken);
        (void)co_await host->close();
    }(*this));
}

TEST_F(VerbsTest, MessagesToSeveralInEveryDelivery) {
    run([](VerbsTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto a = co_await muster::join(executor, test.join_options(*host, "a"));
        auto b = co_await muster::join(executor, test.join_options(*host, "b"));
        auto c = co_await muster::join(executor, test.join_options(*host, "c"));
        if (!a || !b || !c) co_return test.fail("nobody joined");
        while (a->roster().peers.size() < 4) co_await pause(1ms);
        const auto both = Recipients::several({b->id(), c->id()});
        for (const Delivery how : {Delivery::ordered, Delivery::unordered, Delivery::unreliable}) {
            const SendOptions options{how};
            EXPECT_TRUE(co_await a->send(both, to_bytes("to you two"), options));
            for (Member* one : {&*b, &*c}) {
                const auto got = co_await next<Message>(*one);
                EXPECT_EQ(as_text(got->payload), "to you two");
                EXPECT_EQ(got->delivery, how);
                EXPECT_EQ(got->from, a->id());
            }
        }
        const SendOptions unreliable{Delivery::unreliable};
        Bytes large(100'000);
        EXPECT_EQ((co_await a->send(both, std::move(large), unreliable)).error().code(), Errc::too_large);
        EXPECT_TRUE(co_await a->send(Recipients::coordinator(), to_bytes("the first for you")));
        EXPECT_EQ(as_text((co_await next<Message>(*host))->payload), "the first for you");
        (void)co_await host->close();
    }(*this));
}

TEST_F(VerbsTest, WhatCannotBePassedOnComesBackByItsCookie) {
    run([](VerbsTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto left = co_await muster::join(executor, test.join_options(*host, "left"));
        auto right = co_await muster::join(executor, test.join_options(*host, "right"));
        if (!left || !right) co_return test.fail("nobody joined");
        while (left->roster().peers.size() < 3) co_await pause(1ms);
        host->remove(right->id(), 1, "out");  // left has not heard of it when it sends
        SendOptions options;
        options.cookie = 4711;
        const auto to = Recipients::one(right->id());
        EXPECT_TRUE(co_await left->send(to, to_bytes("too late"), options));
        const auto back = co_await next<Undelivered>(*left);
        EXPECT_TRUE(back.has_value());
        EXPECT_EQ(back->cookie, 4711u);
        EXPECT_EQ(back->to, right->id());
        EXPECT_EQ(back->why, Errc::unknown_peer);
        (void)co_await host->close();
    }(*this));
}

TEST_F(VerbsTest, AResetStreamTellsThePeer) {
    run([](VerbsTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        if (!member) co_return test.fail("nobody joined");
        auto stream = co_await member->open_stream(host->id(), "console");
        auto incoming = co_await next<StreamOpened>(*host);
        stream->reset("enough");
        stream->reset("twice is harmless");
        char octet = 0;
        boost::system::error_code ec;
        co_await incoming->stream.async_read_some(asio::buffer(&octet, 1),
                                                  asio::redirect_error(asio::use_awaitable, ec));
        EXPECT_EQ(ec, make_error_code(Errc::cancelled_by_peer));
        co_await stream->async_write_some(asio::buffer(&octet, 1),
                                          asio::redirect_error(asio::use_awaitable, ec));
        EXPECT_EQ(ec, make_error_code(Errc::cancelled));
        (void)co_await host->close();
    }(*this));
}

TEST_F(VerbsTest, EitherEndMayCancelAFile) {
    run([](VerbsTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        if (!member) co_return test.fail("nobody joined");
        const std::string source = test.file("film.bin", 1000);
        std::filesystem::resize_file(source, 1'000'000'000);  // it must not be over before the cancel
        const std::string in = test.directory + "/in";
        std::filesystem::create_directories(in);
        for (const bool by_sender : {true, false}) {
            OutgoingFile sending = host->send_file(member->id(), source);
            auto offered = co_await next<FileOffered>(*member);
            ReceiveFileOptions receive;
            receive.directory = in;
            offered->file.accept(receive);
            (void)co_await sending.next_progress();
            FileTransfer& canceller = by_sender ? static_cast<FileTransfer&>(sending) : offered->file;
            FileTransfer& other = by_sender ? static_cast<FileTransfer&>(offered->file) : sending;
            canceller.cancel("changed my mind");
            const auto own = co_await canceller.finished();
            const auto theirs = co_await other.finished();
            EXPECT_TRUE(!own && own.error().code() == Errc::cancelled);
            EXPECT_TRUE(!theirs && theirs.error().code() == Errc::cancelled_by_peer);
            EXPECT_NE(theirs.error().explain().find("changed my mind"), std::string::npos);
            canceller.cancel("twice is harmless");
        }
        EXPECT_TRUE(std::filesystem::is_empty(in)) << "nothing of them is kept";
        (void)co_await host->close();
    }(*this));
}

TEST_F(VerbsTest, AnOfferThatIsDroppedIsDeclinedAnAcceptedFileIsCancelled) {
    run([](VerbsTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        if (!member) co_return test.fail("nobody joined");
        const std::string source = test.file("film.bin", 1000);
        std::filesystem::resize_file(source, 1'000'000'000);  // it must not be over before the cancel
        for (const bool accepts : {false, true}) {
            OutgoingFile sending = host->send_file(member->id(), source);
            {
                auto offered = co_await next<FileOffered>(*member);
                ReceiveFileOptions receive;
                receive.directory = test.directory;
                receive.name = "in.bin";
                if (accepts) offered->file.accept(receive);
            }
            const auto how = co_await sending.finished();
            EXPECT_FALSE(how);
            if (!how) EXPECT_EQ(how.error().code(), accepts ? Errc::cancelled_by_peer : Errc::declined);
        }
        (void)co_await host->close();
    }(*this));
}

// Whoever had a file or a stream under way hears the goodbye in the words in which it was said.
TEST_F(VerbsTest, AGoodbyeReachesFilesAndStreams) {
    run([](VerbsTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto left = co_await muster::join(executor, test.join_options(*host, "left"));
        auto right = co_await muster::join(executor, test.join_options(*host, "right"));
        if (!left || !right) co_return test.fail("not all have joined");
        const std::string source = test.file("film.bin", 1000);
        const std::vector<Session*> others{&*host, &*right};
        std::vector<OutgoingFile> files;
        std::vector<ByteStream> streams;
        std::vector<std::optional<FileOffered>> offered;  // kept: who drops a handle declines
        std::vector<std::optional<StreamOpened>> opened;
        for (Session* other : others) {
            files.push_back(other->send_file(left->id(), source));
            offered.push_back(co_await next<FileOffered>(*left));
            auto stream = co_await other->open_stream(left->id(), "telemetry");
            EXPECT_TRUE(stream && !stream->failure());
            streams.push_back(std::move(*stream));
            opened.push_back(co_await next<StreamOpened>(*left));
        }
        OutgoingFile own = left->send_file(host->id(), source);
        offered.push_back(co_await next<FileOffered>(*host));
        EXPECT_TRUE(co_await left->close(7, "lunch"));
        for (OutgoingFile& file : files) {
            const auto how = co_await file.finished();
            EXPECT_TRUE(!how && how.error().code() == Errc::closed);
            if (!how) EXPECT_THAT(how.error().message(), testing::EndsWith("with code 7: lunch"));
        }
        for (ByteStream& stream : streams) {
            char octet = 0;
            boost::system::error_code ec;
            co_await stream.async_read_some(asio::buffer(&octet, 1),
                                            asio::redirect_error(asio::use_awaitable, ec));
            EXPECT_EQ(ec, make_error_code(Errc::closed));
            const auto why = stream.failure();
            EXPECT_TRUE(why && why->code() == Errc::closed);
            if (why) EXPECT_THAT(why->message(), testing::EndsWith("with code 7: lunch"));
        }
        const auto how = co_await own.finished();
        EXPECT_TRUE(!how && how.error().code() == Errc::closed);
        if (!how)
            EXPECT_THAT(how.error().message(),
                        testing::EndsWith("this end closed the session with code 7: lunch"));
        (void)co_await host->close();
    }(*this));
}

TEST_F(VerbsTest, ALossReachesFilesAndStreamsWithItsCause) {
    run([](VerbsTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        if (!member) co_return test.fail("nobody joined");
        OutgoingFile file = member->send_file(host->id(), test.file("film.bin", 1000));
        const auto offered = co_await next<FileOffered>(*host);
        auto stream = co_await member->open_stream(host->id(), "telemetry");
        EXPECT_TRUE(stream);
        const auto opened = co_await next<StreamOpened>(*host);
        host->abort();
        const auto end = co_await next<SessionEnded>(*member);
        if (!end || !end->how.is_lost()) co_return test.fail("the session was not lost");
        const Error& cause = end->how.cause();
        const auto how = co_await file.finished();
        EXPECT_TRUE(!how && how.error().code() == Errc::lost);
        if (!how) {
            EXPECT_THAT(how.error().message(), testing::EndsWith(cause.message()));
            EXPECT_EQ(how.error().evidence(), cause.evidence());
        }
        const auto why = stream->failure();
        EXPECT_TRUE(why && why->code() == Errc::lost && why->message() == cause.message());
    }(*this));
}

// A coordinator that reads nothing, and a flood of datagrams from a member.
TEST_F(VerbsTest, WhoReadsNothingIsNotFloodedByDatagrams) {
    run([](VerbsTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        if (!member) co_return test.fail("nobody joined");
        EXPECT_EQ(host->events_dropped(), EventsDropped{});
        const SendOptions unreliable{Delivery::unreliable};
        for (int i = 0; host->events_dropped().unreliable == 0 && i < 100'000; ++i) {
            Bytes piece(1000);
            EXPECT_TRUE(co_await member->send(Recipients::coordinator(), std::move(piece), unreliable));
            if (i % 16 == 0) co_await pause(1ms);
        }
        EXPECT_GT(host->events_dropped().unreliable, 0u);
        EXPECT_TRUE(co_await member->send(Recipients::coordinator(), to_bytes("reliable")));
        std::size_t octets = 0;
        while (auto message = co_await next<Message>(*host)) {
            octets += message->payload.size();
            if (message->delivery == Delivery::ordered) break;
        }
        EXPECT_LE(octets, 4u << 20);
        (void)co_await host->close();
    }(*this));
}

}  // namespace
}  // namespace muster
