#include "files/frames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/writer.h"

namespace muster::files {
namespace {

using namespace std::chrono_literals;

// The body of a control frame in one piece.
Bytes body_of(const Slice& frame) {
    FileFrameReader reader;
    ByteView in = frame.view();
    const auto piece = reader.next(in, 0);
    EXPECT_TRUE(piece && in.empty() && reader.at_boundary());
    return piece ? to_bytes(piece->body) : Bytes{};
}

OfferFrame sample_offer() {
    OfferFrame offer{.id = {9, 8, 7}, .size = 1ull << 40, .name = "report.pdf"};
    offer.modified = FileTime{-5ns};
    offer.hints = {{"type", "application/pdf"}, {"note", ""}};
    return offer;
}

TEST(FileFrames, OfferSurvivesTheWire) {
    const auto parsed = parse_offer(body_of(encode(sample_offer())));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, sample_offer());
}

TEST(FileFrames, OfferCutAnywhereOrWithLeftoverIsRefused) {
    Bytes body = body_of(encode(sample_offer()));
    for (std::size_t size = 0; size < body.size(); ++size)
        EXPECT_FALSE(parse_offer(ByteView{body}.first(size))) << size;
    body.push_back(std::byte{0});
    EXPECT_FALSE(parse_offer(body));
}

TEST(FileFrames, OtherVersionIsUnsupportedNotGarbage) {
    Bytes body = body_of(encode(sample_offer()));
    body[0] = std::byte{2};
    EXPECT_EQ(parse_offer(body).error().code(), Errc::unsupported);
}

TEST(FileFrames, OfferStaysBelowItsLimitHoweverMuchIsHinted) {
    OfferFrame offer = sample_offer();
    offer.name.assign(5000, 'x');
    offer.hints.assign(50, FileHint{std::string(500, 'k'), std::string(5000, 'v')});
    const Bytes body = body_of(encode(offer));
    EXPECT_LE(body.size(), kMaxControlBody);
    ASSERT_TRUE(parse_offer(body));
    EXPECT_EQ(parse_offer(body)->hints.size(), kMaxHints);
}

TEST(FileFrames, EveryErrorCodeMeansTheSameOnTheOtherEnd) {
    for (const Errc code : {Errc::declined, Errc::bad_name, Errc::already_exists, Errc::storage,
                            Errc::checksum_mismatch, Errc::source_changed, Errc::timed_out,
                            Errc::protocol_violation, Errc::too_large, Errc::unsupported}) {
        const auto reason = parse_reason(body_of(encode(FileFrame::cancel, reason_of(Error{code, "why"}))));
        ASSERT_TRUE(reason);
        EXPECT_EQ(error_of(*reason), (Error{code, "why"}));
    }
    EXPECT_EQ(error_of(reason_of(Error{Errc::cancelled, "why"})).code(), Errc::cancelled_by_peer);
    EXPECT_EQ(error_of({static_cast<FileCode>(200), "later"}).code(), Errc::cancelled_by_peer);
}

TEST(FileFrames, LongReasonIsCutAndCleaned) {
    const Error error{Errc::storage, std::string(2000, 'x') + "\x1b"};
    const auto reason = parse_reason(body_of(encode(FileFrame::verdict, reason_of(error))));
    ASSERT_TRUE(reason);
    EXPECT_EQ(reason->reason.size(), kMaxReason);
}

TEST(FileFrames, ReaderPutsFramesTogetherHoweverTheyWereCut) {
    FileFrameQueue queue;
    queue.push(encode(sample_offer()));
    queue.push_data(Slice::from(Bytes(300, std::byte{5})));
    queue.push(encode_keep_alive());
    queue.push(encode_end(Sha256Digest{1}));
    Bytes wire;
    while (!queue.empty()) {
        const Slice part = queue.pop(7);
        wire.insert(wire.end(), part.view().begin(), part.view().end());
    }
    SeededRandomness random{1};
    for (int round = 0; round < 200; ++round) {
        FileFrameReader reader;
        std::vector<FileFrame> types;
        std::size_t data = 0;
        for (ByteView rest{wire}; !rest.empty();) {
            ByteView piece = rest.first(1 + uniform(random, rest.size()));
            rest = rest.subspan(piece.size());
            while (const auto got = reader.next(piece, 64)) {
                if (got->type == FileFrame::data) data += got->body.size();
                if (types.empty() || types.back() != got->type) types.push_back(got->type);
            }
            ASSERT_FALSE(reader.failed());
        }
        EXPECT_EQ(data, 300u);
        EXPECT_THAT(types, ::testing::ElementsAre(FileFrame::offer, FileFrame::data, FileFrame::keep_alive,
                                                  FileFrame::end));
        EXPECT_TRUE(reader.at_boundary());
    }
}

TEST(FileFrames, ReaderRefusesUnknownTypesAndSizesBeyondTheLimits) {
    const auto fails = [](std::uint8_t type, std::uint64_t size) {
        Bytes head;
        Writer{head}.write(type).write_varint(size);
        FileFrameReader reader;
        ByteView in{head};
        reader.next(in, 64);
        return reader.failed();
    };
    EXPECT_TRUE(fails(0x00, 1));
    EXPECT_TRUE(fails(0x77, 1));
    EXPECT_TRUE(fails(0x02, 0));
    EXPECT_TRUE(fails(0x02, kMaxDataBody + 1));
    EXPECT_TRUE(fails(0x01, kMaxControlBody + 1));
    EXPECT_TRUE(fails(0x14, kVarintMax));
    EXPECT_FALSE(fails(0x02, kMaxDataBody));
    EXPECT_FALSE(fails(0x01, kMaxControlBody));
}

TEST(FileFrames, QueueDropsOnlyFramesThatHaveNotBegun) {
    for (std::size_t taken = 0; taken <= 20; ++taken) {
        FileFrameQueue queue;
        queue.push_data(Slice::from(Bytes(8, std::byte{1})));  // 2 octets of head, 8 of body
        queue.push_data(Slice::from(Bytes(8, std::byte{2})));
        Bytes wire;
        while (wire.size() < taken) {
            const Slice part = queue.pop(1);
            wire.push_back(part.view()[0]);
        }
        queue.drop_unstarted();
        std::size_t rest = 0;
        while (!queue.empty()) rest += queue.pop(100).size();
        EXPECT_EQ((taken + rest) % 10, 0u) << taken;
        EXPECT_EQ(queue.octets(), 0u);
    }
}

}  // namespace
}  // namespace muster::files
