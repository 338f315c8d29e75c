// A transfer is disturbed at every step; each end must then know why, agree with the other, and clean up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "files/files_rig.h"

namespace muster::files {
namespace {

using testing::content_of;
using testing::seeded;
using testing::some_octets;
using testing::TransferRig;

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
        const bool in_doubt = std::string_view{fault.name}.starts_with("lost");
        if (!in_doubt) EXPECT_EQ(stored, rig.sent->has_value()) << where;
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
                      Fault{"lost", [](TransferRig& rig) { rig.lose_session(); }, {Errc::lost}, {Errc::lost}},
                      Fault{"lost_with_its_storage",
                            [](TransferRig& rig) {
                                rig.lose_session();
                                rig.lose_storage();
                            },
                            {Errc::lost},
                            {Errc::lost, Errc::closed}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(FileTransfer, EveryStorageOperationMayFail) {
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

}  // namespace
}  // namespace muster::files
