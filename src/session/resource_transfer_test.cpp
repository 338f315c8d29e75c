// Both engines of a file transfer against each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/resource_rig.h"

namespace muster::session {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::some_octets;
using testing::TransferRig;

TransferRig::Options seeded(std::uint64_t seed) {
    TransferRig::Options options;
    options.seed = seed;
    return options;
}

const Bytes& content_of(const MemoryStorage& storage, const std::string& path) {
    static const Bytes none;
    const auto file = storage.files().find(path);
    return file == storage.files().end() ? none : file->second->octets;
}

TEST(ResourceTransfer, DeliversEverySizeInEveryOrderOfEvents) {
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

TEST(ResourceTransfer, ReadsNoMoreThanItsWindowAheadOfTheStream) {
    TransferRig rig{seeded(3)};
    rig.source_files.put("out/big", some_octets(400'000));
    rig.start("out/big");
    rig.run([&](std::size_t step) { rig.freeze_receiver = step > 100 && rig.now < TimePoint{} + 1s; });
    EXPECT_TRUE(rig.sent && *rig.sent);
    EXPECT_GE(rig.largest_held, 8'192u);
    EXPECT_LE(rig.largest_held, 16'384u);
}

TEST(ResourceTransfer, OfferCarriesTimeAndHints) {
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

TEST(ResourceTransfer, TakenNameGetsANumber) {
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

TEST(ResourceTransfer, TakenNameIsRefusedOnBothEndsIfAskedTo) {
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

TEST(ResourceTransfer, DeclineReachesTheSenderWithItsReason) {
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

TEST(ResourceTransfer, HiddenNameIsDeclinedAndTheSenderSeesWhy) {
    TransferRig rig{seeded(1)};
    rig.source_files.put("out/.bashrc", some_octets(10));
    rig.start("out/.bashrc");
    rig.run();
    EXPECT_EQ(TransferRig::code(rig.sent), Errc::bad_name);
    EXPECT_THAT(rig.sent->error().message(), HasSubstr("begins with a dot"));
    EXPECT_TRUE(rig.sink_files.files().empty());
}

TEST(ResourceTransfer, BadNameOfOnesOwnIsRefusedBeforeAnythingIsSent) {
    TransferRig::Options options;
    options.send.name = "../etc/passwd";
    TransferRig rig{options};
    rig.source_files.put("out/a", some_octets(10));
    rig.start("out/a");
    EXPECT_FALSE(rig.sender->want_write());
    auto event = rig.sender->next_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(std::get<ResourceFinished>(*event).result.error().code(), Errc::bad_name);
    EXPECT_EQ(rig.source_files.operations(), 0u);
}

TEST(ResourceTransfer, MissingFileFailsHereAndSendsNothing) {
    TransferRig rig{seeded(1)};
    rig.start("out/none");
    rig.run();
    EXPECT_EQ(TransferRig::code(rig.sent), Errc::bad_input);
    EXPECT_FALSE(rig.offer);
}

TEST(ResourceTransfer, UnansweredOfferEndsWithThePatience) {
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

TEST(ResourceTransfer, SilentReceiverEndsWithTheStallDeadline) {
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

TEST(ResourceTransfer, SilentSenderEndsWithTheStallDeadline) {
    TransferRig rig{seeded(2)};
    rig.source_files.put("out/a.txt", some_octets(300'000));
    rig.start("out/a.txt");
    rig.run([&](std::size_t step) { rig.freeze_sender = step >= 150; });
    EXPECT_EQ(TransferRig::code(rig.received), Errc::timed_out);
    EXPECT_FALSE(rig.part_left());
}

TEST(ResourceTransfer, SlowDiskOfEitherEndIsNotSilence) {
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

TEST(ResourceTransfer, DeadDiskEndsTheTransferOnBothEnds) {
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

TEST(ResourceTransfer, InterruptionStopsTheDeadlines) {
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

TEST(ResourceTransfer, ProgressIsMonotonicThrottledAndComplete) {
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

TEST(ResourceTransfer, EarlyCheckDeclinesWhatCannotFit) {
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

TEST(ResourceTransfer, DiskThatFillsMidwayFailsBothEndsAndLeavesNothing) {
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

struct Change {
    const char* name;
    void (*apply)(MemoryStorage& storage);
};

class SourceChange : public ::testing::TestWithParam<Change> {};

TEST_P(SourceChange, IsSeenOnBothEndsAtWhateverStepItHappens) {
    int seen = 0;
    for (std::size_t at = 0; at < 600; at += 3) {
        TransferRig rig{seeded(at + 1)};
        rig.source_files.put("out/a", some_octets(60'000));
        rig.start("out/a");
        bool early = false, late = false;
        rig.run([&](std::size_t step) {
            if (step != at) return;
            early = !rig.offer && !rig.sender->want_write();
            late = rig.sent.has_value();
            GetParam().apply(rig.source_files);
        });
        if (TransferRig::code(rig.sent) == Errc::source_changed) {
            ++seen;
            EXPECT_EQ(TransferRig::code(rig.received), Errc::source_changed) << at;
            EXPECT_TRUE(rig.sink_files.files().empty()) << at;
            continue;
        }
        // Otherwise the old file went out whole before the change, or the new one was offered after it.
        ASSERT_TRUE(rig.sent && *rig.sent) << at << ": " << rig.sent->error().message();
        ASSERT_TRUE(rig.received && *rig.received);
        const Bytes& got = content_of(rig.sink_files, "in/a");
        const bool whole = got == some_octets(60'000) || got == content_of(rig.source_files, "out/a");
        EXPECT_TRUE(whole) << at << (early ? " early" : "") << (late ? " late" : "");
    }
    EXPECT_GT(seen, 20);
}

INSTANTIATE_TEST_SUITE_P(
    Every, SourceChange,
    ::testing::Values(Change{"grown", [](MemoryStorage& s) { s.put("out/a", some_octets(60'001)); }},
                      Change{"shrunk", [](MemoryStorage& s) { s.put("out/a", some_octets(100)); }},
                      Change{"rewritten", [](MemoryStorage& s) { s.put("out/a", some_octets(60'000, 43)); }},
                      Change{"replaced",
                             [](MemoryStorage& s) { s.replace("out/a", some_octets(60'000, 44)); }}),
    [](const auto& info) { return std::string(info.param.name); });

// What may be done to a transfer at any step, and what each end may then report.
struct Fault {
    const char* name;
    void (*apply)(TransferRig& rig);
    std::vector<Errc> sender_may, receiver_may;
};

class FaultAtEveryStep : public ::testing::TestWithParam<Fault> {};

void expect_one_of(const std::optional<Result<FileReceipt>>& result, const std::vector<Errc>& allowed,
                   const std::string& where) {
    ASSERT_TRUE(result) << where;
    if (*result) return;
    EXPECT_THAT(allowed, ::testing::Contains(result->error().code()))
        << where << ": " << result->error().message();
}

TEST_P(FaultAtEveryStep, LeavesBothEndsOfOneMindAndNothingBehind) {
    const Fault& fault = GetParam();
    int failed = 0;
    bool reached = true;
    for (std::size_t at = 0; reached; ++at) {
        TransferRig rig{seeded(at % 7 + 1)};
        rig.source_files.put("out/a", some_octets(30'000));
        rig.start("out/a");
        reached = false;
        rig.run([&](std::size_t step) {
            if (step != at) return;
            reached = true;
            fault.apply(rig);
        });
        const std::string where = std::string(fault.name) + " at step " + std::to_string(at);
        expect_one_of(rig.sent, fault.sender_may, where);
        expect_one_of(rig.received, fault.receiver_may, where);
        EXPECT_FALSE(rig.part_left()) << where;
        const bool stored = content_of(rig.sink_files, "in/a").size() == 30'000;
        EXPECT_EQ(stored, rig.received->has_value()) << where;
        // Only a lost session may leave the sender in doubt about a file that was stored.
        if (std::string_view{fault.name} != "lost") EXPECT_EQ(stored, rig.sent->has_value()) << where;
        if (rig.sent->has_value()) EXPECT_TRUE(stored) << where;
        failed += stored ? 0 : 1;
    }
    EXPECT_GT(failed, 30) << fault.name;
}

INSTANTIATE_TEST_SUITE_P(
    Every, FaultAtEveryStep,
    ::testing::Values(Fault{"sender_cancels",
                            [](TransferRig& rig) { rig.sender->cancel("changed my mind", rig.now); },
                            {Errc::cancelled},
                            {Errc::cancelled_by_peer, Errc::protocol_violation}},
                      Fault{"receiver_cancels",
                            [](TransferRig& rig) { rig.receiver->cancel("enough", rig.now); },
                            {Errc::cancelled_by_peer},
                            {Errc::cancelled}},
                      Fault{"both_cancel",
                            [](TransferRig& rig) {
                                rig.sender->cancel("changed my mind", rig.now);
                                rig.receiver->cancel("enough", rig.now);
                            },
                            {Errc::cancelled, Errc::cancelled_by_peer},
                            {Errc::cancelled, Errc::cancelled_by_peer}},
                      Fault{
                          "lost", [](TransferRig& rig) { rig.lose_session(); }, {Errc::lost}, {Errc::lost}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ResourceTransfer, EveryStorageOperationMayFail) {
    for (const bool at_sender : {true, false}) {
        bool reached = true;
        for (std::uint64_t at = 0; reached; ++at) {
            TransferRig rig{seeded(at + 1)};
            rig.source_files.put("out/a", some_octets(30'000));
            MemoryStorage& storage = at_sender ? rig.source_files : rig.sink_files;
            storage.fail_at(at);
            rig.start("out/a");
            rig.run();
            reached = storage.operations() > at;
            const bool opening = at_sender && at == 0;
            if (!reached) {
                EXPECT_TRUE(*rig.sent && *rig.received);
                break;
            }
            EXPECT_EQ(TransferRig::code(rig.sent), Errc::storage) << at;
            // If the file cannot even be opened, the receiver hears of no offer.
            EXPECT_EQ(TransferRig::code(rig.received), opening ? Errc::protocol_violation : Errc::storage)
                << at;
            EXPECT_TRUE(rig.sink_files.files().empty()) << at;
        }
    }
}

TEST(ResourceTransfer, CancelReasonsAreSeenByTheOtherEnd) {
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
}  // namespace muster::session
