#include "node/journal_file.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "node/sqlite.h"
#include "os/files.h"

namespace muster::node {
namespace {

using namespace std::chrono_literals;
using session::JournalBatch;
using session::JournalEntry;
using session::JournalKey;
using session::JournalPart;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class JournalFileTest : public testing::Test {
public:
    JournalFileTest() {
        std::string pattern = testing::TempDir() + "muster-journal-XXXXXX";
        EXPECT_NE(mkdtemp(pattern.data()), nullptr);
        directory = pattern;
        path = directory + "/stage.journal";
        owner.device.bytes.fill(7);
        owner.group = "stage";
        open();
    }
    ~JournalFileTest() override {
        journal.reset();
        std::filesystem::remove_all(directory);
    }

    void open() {
        auto opened = JournalFile::open(path, owner);
        ASSERT_TRUE(opened) << opened.error().explain();
        journal = std::move(*opened);
        journal->start(context.get_executor(), {.on_written = [this] { ++written; },
                                                .on_failed = [this](const Error& why) { failure = why; }});
    }
    JournalFile::Contents reopen() {
        journal.reset();
        open();
        return journal->take_contents();
    }
    void write(JournalBatch batch) {
        const int before = written;
        journal->write(std::move(batch));
        for (int i = 0; i < 1000 && written == before && !failure; ++i) context.run_one_for(5ms);
    }
    static JournalKey key(std::uint32_t session, std::uint64_t offset) {
        return {session, JournalPart::octets, 4, offset};
    }
    static Slice octets(std::string_view text) { return Slice::copy_of(as_bytes(text)); }
    void write_two_sessions() {
        JournalBatch batch;
        batch.put({0, JournalPart::owner}, 3, octets("own"));
        for (const std::uint32_t session : {1u, 2u}) {
            batch.put({session, JournalPart::identity}, 0, octets("somebody"));
            batch.put(key(session, 0), 11, octets("recognisable"));
            batch.put(key(session, 12), (std::uint64_t{1} << 62) - 1, {});
        }
        write(std::move(batch));
        ASSERT_EQ(written, 1);
    }
    /// Changes the first place in the file where `from` stands.
    void forge(std::string_view from, std::string_view to) {
        journal.reset();
        std::ifstream in(path, std::ios::binary);
        std::string all{std::istreambuf_iterator<char>(in), {}};
        const auto place = all.find(from);
        ASSERT_NE(place, std::string::npos);
        all.replace(place, to.size(), to);
        std::ofstream(path, std::ios::binary) << all;
    }

    std::string directory, path;
    JournalFile::Owner owner;
    boost::asio::io_context context;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{context.get_executor()};
    int written = 0;
    std::optional<Error> failure;
    std::unique_ptr<JournalFile> journal;
};

TEST_F(JournalFileTest, KeepsWhatWasWrittenInTheOrderOfItsKeys) {
    write_two_sessions();
    JournalBatch batch;
    batch.put(key(2, 12), 5, octets("new"));
    batch.put(key(2, 20), 6, octets("last"));
    batch.erase_below(key(2, 12));
    batch.erase_session(1);
    write(std::move(batch));
    const auto contents = reopen();
    EXPECT_THAT(contents.damage, IsEmpty());
    ASSERT_THAT(contents.sessions.entries, SizeIs(4));
    EXPECT_EQ(as_text(contents.sessions.entries[0].value.view()), "own");
    EXPECT_EQ(contents.sessions.entries[0].number, 3);
    EXPECT_EQ(contents.sessions.entries[2].key, key(2, 12));
    EXPECT_EQ(as_text(contents.sessions.entries[2].value.view()), "new");
    EXPECT_EQ(contents.sessions.entries[3].key, key(2, 20));
}

TEST_F(JournalFileTest, KeepsLargeNumbersAndEmptyValues) {
    write_two_sessions();
    const auto contents = reopen();
    ASSERT_THAT(contents.sessions.entries, SizeIs(7));
    EXPECT_EQ(contents.sessions.entries[3].number, (std::uint64_t{1} << 62) - 1);
    EXPECT_TRUE(contents.sessions.entries[3].value.empty());
}

TEST_F(JournalFileTest, IsForNobodyElsesEyes) {
    write_two_sessions();
    for (const auto& file : std::filesystem::directory_iterator(directory))
        EXPECT_EQ(file.status().permissions(), std::filesystem::perms{0600}) << file.path();
}

TEST_F(JournalFileTest, AFileThatWasThereIsForNobodyElsesEyesFromNowOn) {
    journal.reset();
    for (const bool has_sessions : {false, true}) {
        if (!has_sessions) std::ofstream(path, std::ios::trunc).close();
        std::filesystem::permissions(path, std::filesystem::perms{0666});
        open();
        EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms{0600});
        written = 0;
        write_two_sessions();
        journal.reset();
    }
}

TEST_F(JournalFileTest, ALinkIsNotFollowed) {
    journal.reset();
    const std::string link = directory + "/link";
    std::filesystem::create_symlink(path, link);
    const auto opened = JournalFile::open(link, owner);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Errc::storage);
}

TEST_F(JournalFileTest, RemembersThePort) {
    ASSERT_TRUE(journal->note_port(4711));
    journal.reset();
    open();
    EXPECT_EQ(journal->port(), 4711);
}

TEST_F(JournalFileTest, IsUsedByOneProcessAtATime) {
    const auto second = JournalFile::open(path, owner);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), Errc::already_exists);
    EXPECT_THAT(second.error().explain(), HasSubstr("another process"));
}

TEST_F(JournalFileTest, IsNotMistakenForAnothers) {
    write_two_sessions();
    journal.reset();
    owner.group = "elsewhere";
    const auto taken = JournalFile::open(path, owner);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code(), Errc::bad_input);
    EXPECT_THAT(taken.error().explain(), HasSubstr("'stage'"));
    owner.group = "stage";
    EXPECT_THAT(reopen().sessions.entries, SizeIs(7)) << "and is left as it was";
}

TEST_F(JournalFileTest, AMembersIsNotMistakenForACoordinators) {
    write_two_sessions();
    journal.reset();
    owner.role = JournalFile::Role::member;
    const auto taken = JournalFile::open(path, owner);
    ASSERT_FALSE(taken);
    EXPECT_THAT(taken.error().explain(), HasSubstr("belongs to a coordinator"));
    owner.role = JournalFile::Role::coordinator;
    EXPECT_THAT(reopen().sessions.entries, SizeIs(7));
}

TEST_F(JournalFileTest, OneOfAnotherVersionIsLeftAloneAndSaysSo) {
    write_two_sessions();
    journal.reset();
    ASSERT_TRUE(Database::open(path).value().run("PRAGMA user_version = 9"));
    const auto opened = JournalFile::open(path, owner);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Errc::bad_input);
    EXPECT_THAT(opened.error().explain(), HasSubstr("another version"));
    EXPECT_FALSE(std::filesystem::exists(path + ".damaged"));
}

TEST_F(JournalFileTest, ADiskThatHangsHasFailed) {
    int told = 0;
    journal->start(
        context.get_executor(),
        {.on_written = [this] { ++written; }, .on_failed = [&](const Error& why) { failure = why, ++told; }},
        0ms);
    JournalBatch batch;
    for (std::uint64_t i = 0; i < 64; ++i) batch.put(key(1, i), 0, Slice::from(Bytes(std::size_t{1} << 20)));
    write(std::move(batch));
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->code(), Errc::timed_out);
    for (int i = 0; i < 1000 && std::filesystem::exists(path); ++i) context.run_one_for(5ms);
    EXPECT_FALSE(std::filesystem::exists(path)) << "another process would take up what is not so any more";
    EXPECT_EQ(told, 1);
    EXPECT_EQ(written, 0);
}

TEST_F(JournalFileTest, AFileOfSomebodyElsesIsLeftAlone) {
    journal.reset();
    const std::string text = "this is somebody's diary, and a mistyped path is no reason to move it away";
    std::ofstream(path, std::ios::binary) << text;
    const auto opened = JournalFile::open(path, owner);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Errc::bad_input);
    EXPECT_EQ(os::read_file(path).value(), text);
}

TEST_F(JournalFileTest, ADamagedJournalIsPutAside) {
    write_two_sessions();
    journal.reset();
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(100);
    file << std::string(4000, 'x');
    file.close();
    open();
    const auto contents = journal->take_contents();
    EXPECT_THAT(contents.sessions.entries, IsEmpty());
    EXPECT_THAT(contents.damage, HasSubstr(".damaged"));
    EXPECT_TRUE(std::filesystem::exists(path + ".damaged"));
}

TEST_F(JournalFileTest, AJournalThatWasCutShortIsPutAside) {
    write_two_sessions();
    journal.reset();
    std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
    open();
    EXPECT_THAT(journal->take_contents().damage, HasSubstr(".damaged"));
}

TEST_F(JournalFileTest, ALogThatWasCutShortEndsWithTheLastWholeBatch) {
    write_two_sessions();
    JournalBatch batch;
    batch.put(key(2, 99), 5, octets(std::string(100'000, 'x')));
    write(std::move(batch));
    // As after a crash: the log has not been folded into the file.
    const std::string copy = directory + "/copy.journal";
    std::filesystem::copy_file(path, copy);
    std::filesystem::copy_file(path + "-wal", copy + "-wal");
    std::filesystem::resize_file(copy + "-wal", std::filesystem::file_size(copy + "-wal") - 5000);
    path = copy;
    const auto contents = reopen();
    EXPECT_THAT(contents.damage, IsEmpty());
    EXPECT_THAT(contents.sessions.entries, SizeIs(7)) << "the batch that is not whole is gone as a whole";
}

TEST_F(JournalFileTest, AFlippedBitCostsOneSession) {
    write_two_sessions();
    forge("recognisable", "recognisablE");
    open();
    const auto contents = journal->take_contents();
    EXPECT_THAT(contents.sessions.damaged, SizeIs(1));
    EXPECT_THAT(contents.sessions.entries, SizeIs(4)) << "the other one, and the coordinator's own";
}

TEST_F(JournalFileTest, AFullDiskIsToldAndLeavesNoFileThatMisleads) {
    write_two_sessions();
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{64 * 1024, RLIM_INFINITY};
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    JournalBatch batch;
    batch.put(key(1, 99), 0, octets(std::string(1'000'000, 'x')));
    write(std::move(batch));
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->code(), Errc::storage);
    EXPECT_THAT(failure->explain(), HasSubstr(path));
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(JournalFileTest, FollowsLinksToItsDirectoryAndNoneToItself) {
    journal.reset();
    std::filesystem::create_directory_symlink(directory, directory + "/elsewhere");
    path = directory + "/elsewhere/stage.journal";
    open();
    journal.reset();
    std::filesystem::create_symlink(directory + "/stage.journal", directory + "/linked.journal");
    EXPECT_FALSE(JournalFile::open(directory + "/linked.journal", owner));
}

TEST_F(JournalFileTest, NeedsItsDirectory) {
    const auto opened = JournalFile::open(directory + "/nowhere/stage.journal", owner);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Errc::storage);
}

}  // namespace
}  // namespace muster::node
