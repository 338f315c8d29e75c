// One engine against a peer that is scripted by hand: lies, violations, and the offset of
// a continued transfer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "files/files_rig.h"

namespace muster::files {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::some_octets;

template <class Engine>
std::optional<Result<FileReceipt>> result_of(Engine& engine) {
    while (auto event = engine.next_event())
        if (auto* finished = std::get_if<FileFinished>(&*event)) return finished->result;
    return std::nullopt;
}

template <class Engine>
Bytes output_of(Engine& engine) {
    Bytes out;
    while (engine.want_write()) {
        const Slice slice = engine.next_output(1 << 20, TimePoint{});
        out.insert(out.end(), slice.view().begin(), slice.view().end());
    }
    return out;
}

class HostileSender : public ::testing::Test {
protected:
    HostileSender() : receiver_({}, TimePoint{}), worker_(storage_) {}

    void feed(const Slice& frame) {
        ByteView rest = frame.view();
        for (int i = 0; !rest.empty() && i < 1000; ++i) {
            rest = rest.subspan(receiver_.on_stream_bytes(rest, TimePoint{}));
            work();
        }
    }
    void feed_data(const Bytes& body) {
        feed(encode_data_header(body.size()));
        feed(Slice::copy_of(body));
    }
    void work() {
        while (auto request = receiver_.next_request(TimePoint{}))
            receiver_.on_storage(worker_.run(*request), TimePoint{});
    }
    void offer_and_accept(std::uint64_t size) {
        feed(encode(OfferFrame{.id = {1}, .size = size, .name = "f"}));
        ReceiveFileOptions receive;
        receive.directory = "in";
        receiver_.accept(receive, TimePoint{});
        work();
        ASSERT_EQ(storage_.files().size(), 1u);
    }
    void expect_failed(Errc code, const char* text) {
        work();
        const auto result = result_of(receiver_);
        ASSERT_TRUE(result && !*result);
        EXPECT_EQ(result->error().code(), code);
        EXPECT_THAT(result->error().message(), HasSubstr(text));
        EXPECT_TRUE(storage_.files().empty());
    }

    MemoryStorage storage_;
    FileReceiver receiver_;
    SinkWorker worker_;
};

TEST_F(HostileSender, WrongDigestLeavesNoFile) {
    offer_and_accept(100);
    feed_data(some_octets(100));
    feed(encode_end(Sha256Digest{}));
    expect_failed(Errc::checksum_mismatch, "SHA-256");
    ByteView out;
    const Bytes all = output_of(receiver_);
    out = all;
    FileFrameReader reader;
    EXPECT_EQ(reader.next(out, 0)->type, FileFrame::accept);
    const auto verdict = reader.next(out, 0);
    ASSERT_EQ(verdict->type, FileFrame::verdict);
    EXPECT_EQ(parse_reason(verdict->body)->code, FileCode::checksum_mismatch);
}

TEST_F(HostileSender, MoreOctetsThanOffered) {
    offer_and_accept(100);
    feed_data(some_octets(101));
    expect_failed(Errc::protocol_violation, "more octets");
}

TEST_F(HostileSender, FewerOctetsThanOffered) {
    offer_and_accept(100);
    feed_data(some_octets(99));
    feed(encode_end(sha256(some_octets(99))));
    expect_failed(Errc::protocol_violation, "too early");
}

TEST_F(HostileSender, EndOfStreamBeforeEndOfFile) {
    offer_and_accept(100);
    feed_data(some_octets(100));
    receiver_.on_stream_end(TimePoint{});
    expect_failed(Errc::protocol_violation, "ended the stream");
}

TEST_F(HostileSender, SecondOffer) {
    offer_and_accept(100);
    feed(encode(OfferFrame{.id = {2}, .size = 1, .name = "g"}));
    expect_failed(Errc::protocol_violation, "second file");
}

TEST_F(HostileSender, DataBeforeAcceptance) {
    feed(encode(OfferFrame{.id = {1}, .size = 100, .name = "f"}));
    feed_data(some_octets(10));
    expect_failed(Errc::protocol_violation, "not asked for");
    receiver_.accept({}, TimePoint{});
    EXPECT_FALSE(receiver_.next_request(TimePoint{})) << "there is nothing to take any more";
}

TEST_F(HostileSender, NamesThatClimbOutOfTheDirectory) {
    feed(encode(OfferFrame{.id = {1}, .size = 1, .name = "../../root/.ssh/authorized_keys"}));
    expect_failed(Errc::bad_name, "path separator");
}

TEST_F(HostileSender, NothingAtAllEndsWithTheStallDeadline) {
    EXPECT_EQ(receiver_.next_wakeup(), TimePoint{} + 30s);
    receiver_.on_timer(TimePoint{} + 30s);
    expect_failed(Errc::timed_out, "silent");
}

TEST_F(HostileSender, SizeOverTheLimitIsDeclined) {
    FileReceiver::Options options;
    options.size_limit = 1000;
    FileReceiver strict{options, TimePoint{}};
    strict.on_stream_bytes(encode(OfferFrame{.id = {1}, .size = 1001, .name = "f"}).view(), TimePoint{});
    EXPECT_EQ(result_of(strict)->error().code(), Errc::too_large);
}

TEST_F(HostileSender, OctetsBeyondTheRoomAreNotTaken) {
    offer_and_accept(10'000'000);
    const Bytes flood = some_octets(1 << 20);
    std::size_t taken = 0;
    for (int i = 0; i < 10; ++i) {
        const Slice header = encode_data_header(flood.size());
        if (receiver_.on_stream_bytes(header.view(), TimePoint{}) < header.size()) break;
        const std::size_t now = receiver_.on_stream_bytes(flood, TimePoint{});
        taken += now;
        if (now < flood.size()) break;
    }
    // Four chunks are with the storage that never answers, a fifth is being filled.
    EXPECT_FALSE(receiver_.want_bytes());
    EXPECT_LE(taken, 5u * 256 * 1024);
    EXPECT_EQ(receiver_.next_wakeup(), kNever) << "no request was taken, and the sender is not to blame";
}

class HostileReceiver : public ::testing::Test {
protected:
    void start(std::size_t size) {
        storage_.put("f", some_octets(size));
        FileSender::Options options;
        options.path = "f";
        options.chunk = 4096;
        sender_.emplace(options, TimePoint{});
        worker_.emplace(storage_, "f");
        work();
    }
    void work() {
        while (auto request = sender_->next_request(TimePoint{}))
            sender_->on_storage(worker_->run(*request), TimePoint{});
    }
    void feed(const Slice& frame) {
        sender_->on_stream_bytes(frame.view(), TimePoint{});
        work();
    }
    void expect_failed(Errc code, const char* text) {
        const auto result = result_of(*sender_);
        ASSERT_TRUE(result && !*result);
        EXPECT_EQ(result->error().code(), code);
        EXPECT_THAT(result->error().message(), HasSubstr(text));
    }
    Bytes sent_octets() {
        Bytes data;
        while (sender_->want_write()) {
            const Bytes out = output_of(*sender_);
            for (ByteView rest{out}; !rest.empty();) {
                const auto piece = reader_.next(rest, 1 << 20);
                if (piece && piece->type == FileFrame::data)
                    data.insert(data.end(), piece->body.begin(), piece->body.end());
                if (piece && piece->type == FileFrame::end) digest_ = parse_end(piece->body);
            }
            work();
        }
        return data;
    }

    MemoryStorage storage_;
    std::optional<FileSender> sender_;
    std::optional<SourceWorker> worker_;
    FileFrameReader reader_;
    std::optional<Sha256Digest> digest_;
};

TEST_F(HostileReceiver, ContinuesFromWhateverOffsetAndStillProvesTheWholeFile) {
    for (const std::size_t offset : {0u, 1u, 4095u, 4096u, 4097u, 9'999u, 10'000u}) {
        start(10'000);
        sent_octets();
        feed(encode(FileFrame::accept, offset));
        const Bytes whole = some_octets(10'000);
        const Bytes rest(whole.begin() + static_cast<std::ptrdiff_t>(offset), whole.end());
        EXPECT_EQ(sent_octets(), rest) << offset;
        EXPECT_EQ(digest_, sha256(whole)) << offset;
        feed(encode(FileFrame::verdict, ReasonFrame{}));
        const auto result = result_of(*sender_);
        ASSERT_TRUE(result && *result) << offset;
        reader_ = {};
    }
}

TEST_F(HostileReceiver, OffsetBeyondTheFile) {
    start(100);
    feed(encode(FileFrame::accept, 101));
    expect_failed(Errc::protocol_violation, "not offered");
}

TEST_F(HostileReceiver, SecondAcceptance) {
    start(100'000);
    feed(encode(FileFrame::accept, 0));
    feed(encode(FileFrame::accept, 0));
    expect_failed(Errc::protocol_violation, "not offered");
}

TEST_F(HostileReceiver, ProgressBeyondWhatWasSent) {
    start(10'000'000);
    feed(encode(FileFrame::accept, 0));
    feed(encode(FileFrame::progress, 9'999'999));
    expect_failed(Errc::protocol_violation, "cannot be");
}

TEST_F(HostileReceiver, ConfirmationBeforeTheEnd) {
    start(10'000'000);
    feed(encode(FileFrame::accept, 0));
    feed(encode(FileFrame::verdict, ReasonFrame{}));
    expect_failed(Errc::protocol_violation, "not sent yet");
}

TEST_F(HostileReceiver, FramesOfASender) {
    start(100);
    feed(encode(OfferFrame{.id = {1}, .size = 1, .name = "f"}));
    expect_failed(Errc::protocol_violation, "only a sender");
}

TEST_F(HostileReceiver, ReadsNothingBeforeItIsAccepted) {
    start(100'000);
    EXPECT_EQ(storage_.operations(), 1u) << "open";
}

}  // namespace
}  // namespace muster::files
