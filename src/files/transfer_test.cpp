// Both engines of a file transfer against each other.
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

TEST(FileTransfer, DeliversEverySizeInEveryOrderOfEvents) {
    for (const std::size_t size : {0u, 1u, 4095u, 4096u, 4097u, 50'000u, 200'000u}) {
        for (std::uint64_t seed = 1; seed <= 20; ++seed) {
            TransferRig rig{seeded(seed)};
            rig.source_files.put("out/report.pdf", some_octets(size));
            rig.start("out/report.pdf");
            rig.run();
            ASSERT_TRUE(rig.sent && *rig.sent) << size << " seed " << seed;
            ASSERT_TRUE(rig.received && *rig.received);
            EXPECT_EQ((*rig.received)->path, "in/report.pdf");
            EXPECT_EQ((*rig.received)->octets, size);
            EXPECT_EQ((*rig.sent)->sha256, (*rig.received)->sha256);
            EXPECT_EQ((*rig.sent)->sha256, sha256(some_octets(size)));
            EXPECT_EQ(content_of(rig.sink_files, "in/report.pdf"), some_octets(size));
            EXPECT_EQ(rig.sink_files.files().size(), 1u);
            EXPECT_EQ(rig.offer->size, size);
        }
    }
}

TEST(FileTransfer, ReadsNoMoreThanItsWindowAheadOfTheStream) {
    TransferRig rig{seeded(3)};
    rig.source_files.put("out/big", some_octets(400'000));
    rig.start("out/big");
    rig.run([&](std::size_t step) { rig.freeze_receiver = step > 100 && rig.now < TimePoint{} + 1s; });
    EXPECT_TRUE(rig.sent && *rig.sent);
    EXPECT_GE(rig.largest_held, 8'192u);
    EXPECT_LE(rig.largest_held, 16'384u);
}

TEST(FileTransfer, OfferCarriesTimeAndHints) {
    TransferRig::Options options;
    options.send.hints = {{"type", "application/pdf"}};
    options.send.name = "annual.pdf";
    options.receive.keep_modified_time = true;
    TransferRig rig{options};
    rig.source_files.put("out/x", some_octets(10));
    rig.start("out/x");
    rig.run();
    ASSERT_TRUE(rig.offer);
    EXPECT_EQ(rig.offer->name, "annual.pdf");
    EXPECT_EQ(rig.offer->modified, FileTime{1s});
    ASSERT_EQ(rig.offer->hints.size(), 1u);
    EXPECT_EQ(rig.offer->hints[0].value, "application/pdf");
    EXPECT_EQ(rig.sink_files.files().at("in/annual.pdf")->stat.modified_ns, 1'000'000'000);
}

TEST(FileTransfer, TakenNameGetsANumber) {
    TransferRig rig{seeded(1)};
    rig.source_files.put("out/a.txt", some_octets(10));
    rig.sink_files.put("in/a.txt", to_bytes("old"));
    rig.sink_files.put("in/a (2).txt", to_bytes("older"));
    rig.start("out/a.txt");
    rig.run();
    ASSERT_TRUE(rig.received && *rig.received);
    EXPECT_EQ((*rig.received)->path, "in/a (3).txt");
    EXPECT_EQ(content_of(rig.sink_files, "in/a.txt"), to_bytes("old"));
}

TEST(FileTransfer, TakenNameIsRefusedOnBothEndsIfAskedTo) {
    TransferRig::Options options;
    options.receive.on_name_taken = OnNameTaken::refuse;
    TransferRig rig{options};
    rig.source_files.put("out/a.txt", some_octets(10));
    rig.sink_files.put("in/a.txt", to_bytes("old"));
    rig.start("out/a.txt");
    rig.run();
    EXPECT_EQ(TransferRig::code(rig.sent), Errc::already_exists);
    EXPECT_EQ(TransferRig::code(rig.received), Errc::already_exists);
    EXPECT_EQ(rig.sink_files.files().size(), 1u);
}

TEST(FileTransfer, DeclineReachesTheSenderWithItsReason) {
    TransferRig::Options options;
    options.answer = false;
    TransferRig rig{options};
    rig.source_files.put("out/a.txt", some_octets(10));
    rig.start("out/a.txt");
    rig.run([&](std::size_t) {
        if (rig.offer) rig.receiver->decline("no thanks", rig.now);
    });
    EXPECT_EQ(TransferRig::code(rig.sent), Errc::declined);
    EXPECT_THAT(rig.sent->error().message(), HasSubstr("no thanks"));
    EXPECT_EQ(TransferRig::code(rig.received), Errc::declined);
    EXPECT_FALSE(rig.accepted);
}

TEST(FileTransfer, HiddenNameIsDeclinedAndTheSenderSeesWhy) {
    TransferRig rig{seeded(1)};
    rig.source_files.put("out/.bashrc", some_octets(10));
    rig.start("out/.bashrc");
    rig.run();
    EXPECT_EQ(TransferRig::code(rig.sent), Errc::bad_name);
    EXPECT_THAT(rig.sent->error().message(), HasSubstr("begins with a dot"));
    EXPECT_TRUE(rig.sink_files.files().empty());
}

TEST(FileTransfer, BadNameOfOnesOwnIsRefusedBeforeAnythingIsSent) {
    TransferRig::Options options;
    options.send.name = "../etc/passwd";
    TransferRig rig{options};
    rig.source_files.put("out/a", some_octets(10));
    rig.start("out/a");
    EXPECT_FALSE(rig.sender->want_write());
    auto event = rig.sender->next_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(std::get<FileFinished>(*event).result.error().code(), Errc::bad_name);
    EXPECT_EQ(rig.source_files.operations(), 0u);
}

TEST(FileTransfer, MissingFileFailsHereAndSendsNothing) {
    TransferRig rig{seeded(1)};
    rig.start("out/none");
    rig.run();
    EXPECT_EQ(TransferRig::code(rig.sent), Errc::bad_input);
    EXPECT_FALSE(rig.offer);
}

TEST(FileTransfer, UnansweredOfferEndsWithThePatience) {
    TransferRig::Options options;
    options.answer = false;
    options.send.patience = 20s;
    TransferRig rig{options};
    rig.source_files.put("out/a.txt", some_octets(10));
    rig.start("out/a.txt");
    rig.run();
    EXPECT_EQ(TransferRig::code(rig.sent), Errc::timed_out);
    EXPECT_EQ(TransferRig::code(rig.received), Errc::timed_out);
    EXPECT_LT(rig.now, TimePoint{} + 40s);
}

TEST(FileTransfer, SilentReceiverEndsWithTheStallDeadline) {
    TransferRig rig{seeded(2)};
    rig.source_files.put("out/a.txt", some_octets(300'000));
    rig.start("out/a.txt");
    TimePoint frozen_at{};
    rig.run([&](std::size_t step) {
        if (step != 150) return;
        rig.freeze_receiver = true;
        frozen_at = rig.now;
    });
    EXPECT_EQ(TransferRig::code(rig.sent), Errc::timed_out);
    EXPECT_THAT(rig.sent->error().message(), HasSubstr("silent"));
    EXPECT_TRUE(TransferRig::code(rig.received));
    EXPECT_GE(rig.now, frozen_at + 30s);
    EXPECT_FALSE(rig.part_left());
}

TEST(FileTransfer, PeerThatOnlyKeepsAliveIsGivenUpAfterAnHour) {
    FileReceiver receiver{{}, TimePoint{}};
    MemoryStorage storage;
    SinkWorker worker{storage};
    receiver.on_stream_bytes(encode(OfferFrame{.id = {1}, .size = 9, .name = "f"}).view(), TimePoint{});
    receiver.accept({}, TimePoint{});
    receiver.on_storage(worker.run(*receiver.next_request(TimePoint{})), TimePoint{});
    TimePoint now{};
    const auto is_receiving = [&] { return !receiver.next_request(now); };
    while (is_receiving() && now < TimePoint{} + 2h) {
        now += 10s;
        receiver.on_stream_bytes(encode_keep_alive().view(), now);
        while (!receiver.next_output(1000, now).empty()) {
        }
        receiver.on_timer(now);
    }
    EXPECT_EQ(now, TimePoint{} + 1h);
}

TEST(FileTransfer, SilentSenderEndsWithTheStallDeadline) {
    TransferRig rig{seeded(2)};
    rig.source_files.put("out/a.txt", some_octets(300'000));
    rig.start("out/a.txt");
    rig.run([&](std::size_t step) { rig.freeze_sender = step >= 150; });
    EXPECT_EQ(TransferRig::code(rig.received), Errc::timed_out);
    EXPECT_FALSE(rig.part_left());
}

TEST(FileTransfer, SlowDiskOfEitherEndIsNotSilence) {
    for (const bool at_sender : {true, false}) {
        TransferRig rig{seeded(4)};
        rig.source_files.put("out/a.txt", some_octets(300'000));
        rig.start("out/a.txt");
        rig.run([&](std::size_t step) {
            if (step < 150) return;
            const bool slow = rig.now < TimePoint{} + 300s;
            (at_sender ? rig.freeze_source : rig.freeze_sink) = slow;
        });
        EXPECT_TRUE(rig.sent && *rig.sent) << at_sender;
        EXPECT_TRUE(rig.received && *rig.received) << at_sender;
        EXPECT_GE(rig.now, TimePoint{} + 300s);
    }
}

TEST(FileTransfer, DeadDiskEndsTheTransferOnBothEnds) {
    for (const bool at_sender : {true, false}) {
        TransferRig rig{seeded(4)};
        rig.source_files.put("out/a.txt", some_octets(300'000));
        rig.start("out/a.txt");
        rig.run([&](std::size_t step) {
            const bool wakes_up = rig.sent && rig.received;
            (at_sender ? rig.freeze_source : rig.freeze_sink) = step >= 150 && !wakes_up;
        });
        EXPECT_EQ(TransferRig::code(rig.sent), Errc::storage) << at_sender;
        EXPECT_EQ(TransferRig::code(rig.received), Errc::storage) << at_sender;
        EXPECT_FALSE(rig.part_left());
    }
}

TEST(FileTransfer, InterruptionStopsTheDeadlines) {
    TransferRig rig{seeded(5)};
    rig.source_files.put("out/a.txt", some_octets(300'000));
    rig.start("out/a.txt");
    rig.run([&](std::size_t step) {
        if (step == 150) {
            rig.freeze_sender = rig.freeze_receiver = true;
            rig.sender->on_interrupted();
            rig.receiver->on_interrupted();
        }
        if (step == 400) rig.now += 1h;
        if (step == 500) {
            rig.freeze_sender = rig.freeze_receiver = false;
            rig.sender->on_resumed(rig.now);
            rig.receiver->on_resumed(rig.now);
        }
    });
    EXPECT_TRUE(rig.sent && *rig.sent);
    EXPECT_TRUE(rig.received && *rig.received);
}

TEST(FileTransfer, ProgressIsMonotonicThrottledAndComplete) {
    TransferRig::Options options;
    options.step_time = 5ms;
    TransferRig rig{options};
    rig.source_files.put("out/a.txt", some_octets(300'000));
    rig.start("out/a.txt");
    rig.run();
    for (const auto* seen : {&rig.sender_progress, &rig.receiver_progress}) {
        ASSERT_GE(seen->size(), 5u);
        EXPECT_TRUE(std::ranges::is_sorted(*seen, {}, &FileProgress::octets_done));
        EXPECT_EQ(seen->back().fraction(), 1.0);
        EXPECT_GT(seen->back().octets_per_second, 0.0);
        const auto tenths = static_cast<std::size_t>((rig.now - TimePoint{}) / 100ms);
        EXPECT_LE(seen->size(), tenths + 2);
    }
}

TEST(FileTransfer, EarlyCheckDeclinesWhatCannotFit) {
    TransferRig rig{seeded(1)};
    rig.source_files.put("out/a", some_octets(10'000));
    rig.sink_files.limit_space(9'999);
    rig.start("out/a");
    rig.run();
    EXPECT_EQ(TransferRig::code(rig.sent), Errc::storage);
    EXPECT_EQ(TransferRig::code(rig.received), Errc::storage);
    EXPECT_THAT(rig.sent->error().message(), HasSubstr("No space left"));
    EXPECT_FALSE(rig.received->error().cure().empty());
    EXPECT_FALSE(rig.accepted);
}

TEST(FileTransfer, DiskThatFillsMidwayFailsBothEndsAndLeavesNothing) {
    TransferRig rig{seeded(1)};
    rig.source_files.put("out/a", some_octets(100'000));
    rig.start("out/a");
    rig.run([&](std::size_t) {
        if (rig.accepted) rig.sink_files.limit_space(40'000);
    });
    EXPECT_EQ(TransferRig::code(rig.sent), Errc::storage);
    EXPECT_EQ(TransferRig::code(rig.received), Errc::storage);
    EXPECT_TRUE(rig.accepted);
    EXPECT_TRUE(rig.sink_files.files().empty());
}

TEST(FileTransfer, CancelReasonsAreSeenByTheOtherEnd) {
    TransferRig rig{seeded(9)};
    rig.source_files.put("out/a", some_octets(100'000));
    rig.start("out/a");
    rig.run([&](std::size_t step) {
        if (step == 100) rig.sender->cancel("wrong\nfile", rig.now);
    });
    EXPECT_EQ(TransferRig::code(rig.received), Errc::cancelled_by_peer);
    EXPECT_THAT(rig.received->error().message(), HasSubstr("wrong?file"));
}

}  // namespace
}  // namespace muster::files
