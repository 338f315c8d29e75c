// How waits of the public handles end: cancelled, refused, or with their handle.
#include <list>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "test_story.h"

namespace muster {
namespace {

using CancelTest = StoryTest;

/// An operation that may be cancelled, and what it was told. `token()` is its completion token.
template <class T>
class Watched {
public:
    auto token() {
        return asio::bind_cancellation_slot(signal_.slot(), [this](T told) {
            ++times_;
            told_.emplace(std::move(told));
        });
    }
    void cancel() { signal_.emit(asio::cancellation_type::all); }
    bool is_told() const { return told_.has_value(); }
    int times() const { return times_; }
    T& told() { return *told_; }
    Errc code() { return *told_ ? Errc::system : told_->error().code(); }

private:
    asio::cancellation_signal signal_;
    std::optional<T> told_;
    int times_ = 0;
};

/// The same for reads and writes.
class WatchedTransfer {
public:
    auto token() {
        return asio::bind_cancellation_slot(signal_.slot(),
                                            [this](boost::system::error_code ec, std::size_t size) {
                                                told = ec;
                                                octets = size;
                                            });
    }
    void cancel() { signal_.emit(asio::cancellation_type::all); }

    std::optional<boost::system::error_code> told;
    std::size_t octets = 0;

private:
    asio::cancellation_signal signal_;
};

asio::awaitable<void> pause(Duration how_long) {
    asio::steady_timer timer(co_await asio::this_coro::executor, how_long);
    co_await timer.async_wait(asio::use_awaitable);
}

template <class T>
asio::awaitable<void> until_told(Watched<T>& operation) {
    while (!operation.is_told()) co_await pause(1ms);
}
asio::awaitable<void> until_told(WatchedTransfer& operation) {
    while (!operation.told) co_await pause(1ms);
}

TEST_F(CancelTest, OneWaitForAnEventIsCancelledTheNextGoesOn) {
    run([](CancelTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        (void)co_await next<PeerJoined>(*host);
        Watched<Result<Event>> first, second, third;
        host->next_event(first.token());
        first.cancel();
        EXPECT_FALSE(first.is_told()) << "never from inside the call";
        co_await until_told(first);
        EXPECT_EQ(first.code(), Errc::cancelled);
        host->next_event(second.token());
        host->next_event(third.token());
        co_await until_told(third);
        EXPECT_EQ(third.code(), Errc::bad_input) << "one wait at a time";
        first.cancel();
        third.cancel();
        EXPECT_TRUE(co_await member->send(Recipients::coordinator(), to_bytes("hello")));
        co_await until_told(second);
        EXPECT_TRUE(second.told() && std::holds_alternative<Message>(*second.told()));
        EXPECT_EQ(first.times() + second.times() + third.times(), 3);
        (void)co_await host->close();
    }(*this));
}

TEST_F(CancelTest, ASendIsCancelledWhileItWaitsAndOnlyThen) {
    run([](CancelTest& test) -> asio::awaitable<void> {
        static constexpr int kSends = 100;
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        std::list<Watched<Result<void>>> sends(kSends);
        for (auto& one : sends) {
            Bytes piece(100'000);  // 10 MB: more than the queues of both ends hold
            member->send(Recipients::coordinator(), std::move(piece), {}, one.token());
        }
        co_await until_told(sends.front());
        sends.front().cancel();  // too late
        EXPECT_FALSE(sends.back().is_told());
        sends.back().cancel();
        co_await until_told(sends.back());
        EXPECT_EQ(sends.back().code(), Errc::cancelled);
        EXPECT_TRUE(co_await next<Message>(*host));
        for (int arrived = 1; arrived < kSends - 1; ++arrived) EXPECT_TRUE(co_await next<Message>(*host));
        EXPECT_TRUE(co_await member->send(Recipients::coordinator(), to_bytes("last")));
        EXPECT_EQ(as_text((co_await next<Message>(*host))->payload), "last")
            << "the cancelled one was not sent";
        for (auto& one : sends) EXPECT_EQ(one.times(), 1);
        (void)co_await host->close();
    }(*this));
}

TEST_F(CancelTest, AReadThatWasCancelledLosesNoOctet) {
    run([](CancelTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        auto stream = co_await member->open_stream(host->id(), "console");
        auto incoming = co_await next<StreamOpened>(*host);
        char first_in[8], second_in[8], third_in[8];
        WatchedTransfer first, second, third;
        incoming->stream.async_read_some(asio::buffer(first_in), first.token());
        first.cancel();
        co_await until_told(first);
        EXPECT_EQ(*first.told, asio::error::operation_aborted);
        incoming->stream.async_read_some(asio::buffer(second_in), second.token());
        incoming->stream.async_read_some(asio::buffer(third_in), third.token());
        co_await until_told(third);
        EXPECT_EQ(*third.told, make_error_code(Errc::bad_input)) << "one read at a time";
        first.cancel();
        third.cancel();
        co_await asio::async_write(*stream, asio::buffer("octets", 6), asio::use_awaitable);
        co_await until_told(second);
        EXPECT_FALSE(*second.told);
        EXPECT_EQ((std::string{second_in, second.octets}), "octets");
        (void)co_await host->close();
    }(*this));
}

TEST_F(CancelTest, AWriteThatWaitsIsCancelled) {
    run([](CancelTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        auto stream = co_await member->open_stream(host->id(), "console");
        auto incoming = co_await next<StreamOpened>(*host);
        const std::string piece(256 * 1024, 'x');
        std::size_t written = 0;
        std::list<WatchedTransfer> writes(1);
        while (true) {  // until nobody takes more
            stream->async_write_some(asio::buffer(piece), writes.back().token());
            for (int i = 0; i < 200 && !writes.back().told; ++i) co_await pause(1ms);
            if (!writes.back().told) break;
            written += writes.back().octets;
            writes.emplace_back();
        }
        WatchedTransfer another;
        stream->async_write_some(asio::buffer(piece), another.token());
        co_await until_told(another);
        EXPECT_EQ(*another.told, make_error_code(Errc::bad_input)) << "one write at a time";
        for (auto& one : writes) one.cancel();  // all but the last come late
        co_await until_told(writes.back());
        EXPECT_EQ(*writes.back().told, asio::error::operation_aborted);
        std::string got(written, ' ');
        co_await asio::async_read(incoming->stream, asio::buffer(got), asio::use_awaitable);
        stream->shutdown_send();
        boost::system::error_code ec;
        char more = 0;
        co_await incoming->stream.async_read_some(asio::buffer(&more, 1),
                                                  asio::redirect_error(asio::use_awaitable, ec));
        EXPECT_EQ(ec, asio::error::eof) << "nothing of the cancelled one was written";
        (void)co_await host->close();
    }(*this));
}

TEST_F(CancelTest, WaitsForAFileAreCancelledAndTheTransferGoesOn) {
    run([](CancelTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        OutgoingFile sending = host->send_file(member->id(), test.file("a.bin", 100'000));
        auto offered = co_await next<FileOffered>(*member);
        Watched<Result<FileReceipt>> end, second_end, last_end;
        Watched<Result<FileProgress>> progress, second_progress;
        sending.finished(end.token());
        sending.finished(second_end.token());
        offered->file.next_progress(progress.token());
        offered->file.next_progress(second_progress.token());
        co_await until_told(second_end);
        co_await until_told(second_progress);
        EXPECT_EQ(second_end.code(), Errc::bad_input);
        EXPECT_EQ(second_progress.code(), Errc::bad_input);
        EXPECT_FALSE(end.is_told());
        EXPECT_FALSE(progress.is_told());
        end.cancel();
        progress.cancel();
        co_await until_told(end);
        co_await until_told(progress);
        EXPECT_EQ(end.code(), Errc::cancelled);
        EXPECT_EQ(progress.code(), Errc::cancelled);
        sending.finished(last_end.token());
        end.cancel();
        ReceiveFileOptions receive;
        receive.directory = test.directory;
        receive.name = "b.bin";
        offered->file.accept(receive);
        co_await until_told(last_end);
        EXPECT_TRUE(last_end.told()) << last_end.told().error().explain();
        (void)co_await host->close();
    }(*this));
}

TEST_F(CancelTest, AJoinIsCancelledAndNothingStaysBehind) {
    run([](CancelTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto options = test.host_options();
        options.ask = true;  // and nobody answers
        auto host = co_await muster::host(executor, std::move(options));
        Watched<Result<Member>> joining;
        muster::join(executor, test.join_options(*host, "impatient"), joining.token());
        (void)co_await next<JoinRequest>(*host);
        joining.cancel();
        co_await until_told(joining);
        EXPECT_EQ(joining.code(), Errc::cancelled);
        joining.cancel();
        (void)co_await host->close();
        co_await pause(20ms);
        EXPECT_EQ(joining.times(), 1);
    }(*this));
}

TEST_F(CancelTest, ASignalAfterTheJoinDoesNotEndTheSession) {
    run([](CancelTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        Watched<Result<Member>> joining;
        muster::join(executor, test.join_options(*host, "left"), joining.token());
        co_await until_told(joining);
        joining.cancel();
        Watched<Result<ByteStream>> opening;
        joining.told()->open_stream(host->id(), "console", opening.token());
        opening.cancel();  // completes at once, or not at all
        co_await until_told(opening);
        EXPECT_TRUE(opening.told());
        EXPECT_TRUE(co_await joining.told()->send(Recipients::coordinator(), to_bytes("here")));
        EXPECT_EQ(as_text((co_await next<Message>(*host))->payload), "here");
        (void)co_await host->close();
    }(*this));
}

TEST_F(CancelTest, TheWaitForACloseIsCancelledAndTheGoodbyeGoesOn) {
    run([](CancelTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        auto member = co_await muster::join(executor, test.join_options(*host, "left"));
        int sent = 0;
        Bytes piece(500'000);
        const auto on_strand = [&]() -> asio::awaitable<void> {  // more than the host takes without reading
            while (member->try_send(Recipients::coordinator(), piece)) ++sent;
            co_return;
        };
        co_await asio::co_spawn(member->get_executor(), on_strand(), asio::use_awaitable);
        Watched<Result<void>> closing, second;
        member->close(5, "later", 10s, closing.token());
        member->close(5, "later", 10s, second.token());
        closing.cancel();
        co_await until_told(closing);
        EXPECT_EQ(closing.code(), Errc::cancelled);
        EXPECT_FALSE(second.is_told());
        for (int i = 0; i < sent; ++i) EXPECT_TRUE(co_await next<Message>(*host));
        const auto left = co_await next<PeerLeft>(*host);
        EXPECT_TRUE(left && left->how.is_closed() && left->how.closed().code == 5u);
        co_await until_told(second);
        EXPECT_TRUE(second.told());
        (void)co_await host->close();
    }(*this));
}

// --- handles that end inside what they called

TEST_F(CancelTest, HandlesMayBeDestroyedInTheirOwnHandlers) {
    run([](CancelTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        std::optional<Member> member;
        muster::join(executor, test.join_options(*host, "left"),
                     [&member](Result<Member> how) { member.emplace(std::move(*how)); });
        while (!member) co_await pause(1ms);
        std::optional<ByteStream> stream;
        member->open_stream(host->id(), "console",
                            [&](Result<ByteStream> how) { stream.emplace(std::move(*how)); });
        auto incoming = co_await next<StreamOpened>(*host);
        while (!stream) co_await pause(1ms);
        char octet = 0;
        stream->async_read_some(asio::buffer(&octet, 1),
                                [&stream](boost::system::error_code, std::size_t) { stream.reset(); });
        co_await asio::async_write(incoming->stream, asio::buffer("x", 1), asio::use_awaitable);
        while (stream) co_await pause(1ms);

        std::optional<OutgoingFile> sending{member->send_file(host->id(), test.file("a.bin", 1000))};
        sending->finished([&sending](const Result<FileReceipt>&) { sending.reset(); });
        auto offered = co_await next<FileOffered>(*host);
        std::optional<IncomingFile> receiving{std::move(offered->file)};
        receiving->next_progress([&receiving](const Result<FileProgress>&) { receiving.reset(); });
        receiving->decline("no");
        while (sending || receiving) co_await pause(1ms);

        member->next_event([&member](const Result<Event>&) { member.reset(); });
        EXPECT_TRUE(co_await host->send(Recipients::everyone(), to_bytes("hello")));
        while (member) co_await pause(1ms);
        EXPECT_TRUE((co_await next<PeerLeft>(*host))->how.is_lost());

        std::optional<Coordinator> last{std::move(*host)};
        last->close(0, "", 1s, [&last](const Result<void>&) { last.reset(); });
        while (last) co_await pause(1ms);
    }(*this));
}

TEST_F(CancelTest, WhatWaitsEndsWithItsHandle) {
    run([](CancelTest& test) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto host = co_await muster::host(executor, test.host_options());
        std::optional<Member> member;
        {
            auto joined = co_await muster::join(executor, test.join_options(*host, "left"));
            member.emplace(std::move(*joined));
        }
        auto opened = co_await member->open_stream(host->id(), "console");
        std::optional<ByteStream> stream{std::move(*opened)};
        std::optional<OutgoingFile> file{member->send_file(host->id(), test.file("a.bin", 1000))};
        char octet = 0;
        WatchedTransfer read;
        Watched<Result<FileReceipt>> end;
        Watched<Result<Event>> event;
        stream->async_read_some(asio::buffer(&octet, 1), read.token());
        file->finished(end.token());
        member->next_event(event.token());
        stream.reset();
        co_await until_told(read);
        EXPECT_EQ(*read.told, asio::error::operation_aborted);
        read.cancel();
        file.reset();
        co_await until_told(end);
        EXPECT_EQ(end.code(), Errc::cancelled);
        end.cancel();
        member.reset();
        co_await until_told(event);
        EXPECT_TRUE(event.told() && std::holds_alternative<SessionEnded>(*event.told()));
        event.cancel();
        (void)co_await host->close();
    }(*this));
}

}  // namespace
}  // namespace muster
