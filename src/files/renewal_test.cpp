#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "files/files_rig.h"

namespace muster::files {
namespace {

using namespace std::chrono_literals;
using testing::content_of;
using ::testing::HasSubstr;
using testing::seeded;
using testing::some_octets;
using testing::TransferRig;

constexpr char kPath[] = "out/film.bin";

TEST(FileRenewal, AFileGoesOnAtTheOctetWhenItsStreamIsLost) {
    const Bytes content = some_octets(300'000);
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        TransferRig rig{seeded(seed)};
        SeededRandomness dice{seed};
        const std::uint64_t often = 20 + uniform(dice, 2'000);
        rig.source_files.put(kPath, content);
        rig.start(kPath);
        int losses = 0;
        rig.run([&](std::size_t) {
            if (losses == 5 || uniform(dice, often) != 0) return;
            ++losses;
            rig.lose_stream();
        });
        if (!rig.offer) continue;  // lost before the receiver knew of it
        ASSERT_TRUE(rig.received && *rig.received) << rig.received->error().explain();
        ASSERT_TRUE(rig.sent && *rig.sent) << rig.sent->error().explain();
        EXPECT_EQ((*rig.sent)->sha256, (*rig.received)->sha256);
        EXPECT_EQ(content_of(rig.sink_files, "in/film.bin"), content);
        EXPECT_FALSE(rig.part_left());
    }
}

TEST(FileRenewal, WhatHasArrivedIsNotSentAgain) {
    const auto octets_with = [](bool lose) {
        TransferRig rig{seeded(4)};
        rig.source_files.put(kPath, some_octets(1'000'000));
        rig.start(kPath);
        bool lost = false;
        rig.run([&](std::size_t) {
            if (!lose || lost || rig.handed_out() < 700'000) return;
            lost = true;
            rig.lose_stream();
        });
        EXPECT_EQ(lost, lose);
        EXPECT_TRUE(*rig.sent);
        return rig.handed_out();
    };
    // What was under way is lost: the pipe, and what the receiver's frame was cut at.
    EXPECT_LT(octets_with(true), octets_with(false) + 20'000);
}

TEST(FileRenewal, ProgressNeverGoesBack) {
    TransferRig rig{seeded(9)};
    rig.source_files.put(kPath, some_octets(500'000));
    rig.start(kPath);
    rig.run([&](std::size_t step) {
        if (step % 500 == 499) rig.lose_stream();
    });
    ASSERT_TRUE(*rig.sent);
    for (const auto* seen : {&rig.sender_progress, &rig.receiver_progress})
        EXPECT_TRUE(std::ranges::is_sorted(*seen, {}, &FileProgress::octets_done));
}

TEST(FileRenewal, ASenderThatDoesNotComeBackIsGivenUp) {
    TransferRig rig{seeded(2)};
    rig.source_files.put(kPath, some_octets(300'000));
    rig.start(kPath);
    TimePoint lost_at{};
    rig.run([&](std::size_t step) {
        if (step != 150) return;
        lost_at = rig.now;
        const Error gone{Errc::lost, "the coordinator was started anew"};
        ASSERT_TRUE(rig.receiver->on_stream_lost(gone, rig.now));
        rig.sender->on_stream_reset(gone, rig.now);
        rig.freeze_receiver = true;  // nothing more comes
    });
    EXPECT_EQ(TransferRig::code(rig.received), Errc::timed_out);
    EXPECT_GE(rig.now, lost_at + 30s);
    EXPECT_LE(rig.now, lost_at + 90s);
    EXPECT_FALSE(rig.part_left());
}

TEST(FileRenewal, AFileThatChangesMeanwhileIsNotFinished) {
    TransferRig rig{seeded(5)};
    rig.source_files.put(kPath, some_octets(300'000));
    rig.start(kPath);
    rig.run([&](std::size_t step) {
        if (step != 150) return;
        rig.source_files.put(kPath, some_octets(300'000, 43));
        rig.lose_stream();
    });
    EXPECT_EQ(TransferRig::code(rig.sent), Errc::source_changed);
    EXPECT_EQ(TransferRig::code(rig.received), Errc::source_changed);
    EXPECT_FALSE(rig.part_left());
}

TEST(FileRenewal, AnotherFileIsNotTakenForTheSame) {
    for (const bool other_size : {false, true}) {
        TransferRig rig{seeded(6)};
        rig.source_files.put(kPath, some_octets(300'000));
        rig.start(kPath);
        rig.run([&](std::size_t step) {
            if (step != 150) return;
            const Error gone{Errc::lost, "the coordinator was started anew"};
            rig.sender->on_stream_reset(gone, rig.now);
            ASSERT_TRUE(rig.receiver->on_stream_lost(gone, rig.now));
            rig.receiver->on_stream_renewed(rig.now);
            OfferFrame offer{.id = {1, 2, 3}, .size = 300'000, .name = "film.bin"};
            if (other_size)
                ++offer.size;
            else
                offer.id = {1, 2, 4};
            rig.receiver->on_stream_bytes(encode(offer).view(), rig.now);
        });
        EXPECT_EQ(TransferRig::code(rig.received), Errc::protocol_violation);
        EXPECT_THAT(rig.received->error().message(), HasSubstr("another file"));
        EXPECT_FALSE(rig.part_left());
    }
}

TEST(FileRenewal, AStreamThatIsLostWhileThePartIsMadeGoesOn) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        TransferRig rig{seeded(seed)};
        rig.source_files.put(kPath, some_octets(100'000));
        rig.start(kPath);
        bool is_lost = false;
        rig.run([&](std::size_t) {
            if (rig.offer && !std::exchange(is_lost, true)) rig.lose_stream();
        });
        ASSERT_TRUE(rig.received && *rig.received) << rig.received->error().explain();
        ASSERT_TRUE(rig.sent && *rig.sent) << rig.sent->error().explain();
    }
}

TEST(FileRenewal, TheReceiverSaysNothingBeforeTheFileIsOfferedAgain) {
    for (const Duration slow :
         {200ms, 6000ms}) {  // to open the file again: a report is due, or a sign of life
        for (std::uint64_t seed = 1; seed <= 50; ++seed) {
            SCOPED_TRACE("seed " + std::to_string(seed));
            TransferRig rig{seeded(seed)};
            rig.source_files.put(kPath, some_octets(300'000));
            rig.start(kPath);
            bool is_lost = false;
            rig.run([&](std::size_t) {
                if (is_lost || rig.handed_out() < 100'000) return;
                is_lost = true;
                rig.lose_stream();
                rig.now += slow;
                rig.sender->on_timer(rig.now);
                rig.receiver->on_timer(rig.now);
            });
            ASSERT_TRUE(rig.sent && *rig.sent) << rig.sent->error().explain();
            ASSERT_TRUE(rig.received && *rig.received) << rig.received->error().explain();
        }
    }
}

}  // namespace
}  // namespace muster::files
