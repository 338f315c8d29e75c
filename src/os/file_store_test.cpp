#include "os/file_store.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace muster::os {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class FileStoreTest : public ::testing::Test {
protected:
    FileStoreTest() {
        std::string pattern = (fs::temp_directory_path() / "muster-file-store-XXXXXX").string();
        directory_ = ::mkdtemp(pattern.data());
        ::umask(022);
    }
    ~FileStoreTest() override { fs::remove_all(directory_); }

    std::string at(const std::string& name) const { return directory_ + "/" + name; }
    void put(const std::string& name, const std::string& content) const {
        std::ofstream{at(name)} << content;
    }
    std::string content(const std::string& name) const {
        std::ifstream file{at(name)};
        return {std::istreambuf_iterator<char>{file}, {}};
    }
    std::size_t entries() const {
        return static_cast<std::size_t>(std::distance(fs::directory_iterator{directory_}, {}));
    }
    std::unique_ptr<FileSink> part(const std::string& content) {
        auto sink = store_.create({directory_, ".muster-x.part", content.size()});
        EXPECT_TRUE(sink);
        EXPECT_TRUE((*sink)->write_at(0, as_bytes(content)));
        EXPECT_TRUE((*sink)->sync({}));
        return std::move(*sink);
    }

    FileStore store_;
    std::string directory_;
};

TEST_F(FileStoreTest, PublishesUnderTheNameWithTheModeOfTheUmask) {
    auto sink = part("hello");
    const auto path = sink->publish("a.txt");
    ASSERT_TRUE(path);
    EXPECT_EQ(*path, at("a.txt"));
    EXPECT_EQ(content("a.txt"), "hello");
    EXPECT_EQ(entries(), 1u);
    struct stat raw{};
    ASSERT_EQ(::stat(path->c_str(), &raw), 0);
    EXPECT_EQ(raw.st_mode & 07777, 0644u);
}

TEST_F(FileStoreTest, PartFileIsPrivateUntilItIsWhole) {
    auto sink = store_.create({directory_, ".muster-x.part", 5});
    ASSERT_TRUE(sink);
    struct stat raw{};
    ASSERT_EQ(::stat(at(".muster-x.part").c_str(), &raw), 0);
    EXPECT_EQ(raw.st_mode & 07777, 0600u);
}

TEST_F(FileStoreTest, NeverOverwritesAndMayTryAnotherName) {
    put("a.txt", "old");
    auto sink = part("new");
    const auto taken = sink->publish("a.txt");
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code(), Errc::already_exists);
    EXPECT_EQ(content("a.txt"), "old");
    EXPECT_TRUE(sink->publish("a (2).txt"));
    EXPECT_EQ(content("a (2).txt"), "new");
}

TEST_F(FileStoreTest, NeverFollowsASymbolicLinkThatHasTheName) {
    const std::string victim = at("victim");
    ASSERT_EQ(::symlink(victim.c_str(), at("a.txt").c_str()), 0);
    auto sink = part("new");
    EXPECT_EQ(sink->publish("a.txt").error().code(), Errc::already_exists);
    EXPECT_FALSE(fs::exists(victim));
}

TEST_F(FileStoreTest, SymbolicLinkInPlaceOfThePartFileIsNotFollowed) {
    ASSERT_EQ(::symlink(at("victim").c_str(), at(".muster-x.part").c_str()), 0);
    const auto sink = store_.create({directory_, ".muster-x.part", 1});
    ASSERT_FALSE(sink);
    EXPECT_FALSE(fs::exists(at("victim")));
}

TEST_F(FileStoreTest, DirectoryReplacedByALinkMeanwhileLeadsNowhereElse) {
    fs::create_directory(at("in"));
    fs::create_directory(at("elsewhere"));
    auto sink = store_.create({at("in"), ".muster-x.part", 1});
    ASSERT_TRUE(sink);
    fs::rename(at("in"), at("moved"));
    fs::create_directory_symlink(at("elsewhere"), at("in"));
    ASSERT_TRUE((*sink)->publish("a"));
    EXPECT_TRUE(fs::exists(at("moved/a")));
    EXPECT_TRUE(fs::is_empty(at("elsewhere")));
}

// A directory that others may write to: what gets the name must be what was written and checked.
TEST_F(FileStoreTest, AnExchangedPartIsNeitherPublishedNorRemoved) {
    auto sink = part("good");
    fs::rename(at(".muster-x.part"), at("stolen"));
    put(".muster-x.part", "evil");
    const auto published = sink->publish("a.txt");
    ASSERT_FALSE(published);
    EXPECT_EQ(published.error().code(), Errc::storage);
    EXPECT_THAT(published.error().cure(), HasSubstr("only this user"));
    EXPECT_FALSE(fs::exists(at("a.txt")));
    sink.reset();
    EXPECT_EQ(content(".muster-x.part"), "evil") << "it is somebody else's";
}

TEST_F(FileStoreTest, APartThatSomebodyRemovedIsAnError) {
    auto sink = part("good");
    fs::remove(at(".muster-x.part"));
    EXPECT_EQ(sink->publish("a.txt").error().code(), Errc::storage);
    EXPECT_EQ(entries(), 0u);
}

TEST_F(FileStoreTest, LeavesNothingWhenDiscardedOrDestroyed) {
    part("x")->discard();
    EXPECT_EQ(entries(), 0u);
    part("x").reset();
    EXPECT_EQ(entries(), 0u);
}

TEST_F(FileStoreTest, DoesNotDeleteThePartFileOfAnotherTransfer) {
    auto first = part("x");
    const auto second = store_.create({directory_, ".muster-x.part", 1});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), Errc::already_exists);
    EXPECT_TRUE(first->publish("a"));
}

TEST_F(FileStoreTest, KeepsTheTimeItIsGiven) {
    auto sink = part("x");
    ASSERT_TRUE(sink->sync(FileTime{std::chrono::nanoseconds{-1'500'000'000}}));
    ASSERT_TRUE(sink->publish("a"));
    auto source = store_.open(at("a"));
    ASSERT_TRUE(source);
    EXPECT_EQ((*source)->stat()->modified_ns, -1'500'000'000);
}

TEST_F(FileStoreTest, MissingDirectorySaysSoWithItsCureAndWithoutThePathInTheMessage) {
    const auto sink = store_.create({at("none"), ".muster-x.part", 1});
    ASSERT_FALSE(sink);
    EXPECT_EQ(sink.error().code(), Errc::storage);
    EXPECT_THAT(sink.error().message(), HasSubstr("No such file or directory"));
    EXPECT_THAT(sink.error().message(), ::testing::Not(HasSubstr(directory_)));
    EXPECT_THAT(sink.error().explain(), HasSubstr(at("none")));
    EXPECT_THAT(sink.error().cure(), HasSubstr("create the directory"));
}

TEST_F(FileStoreTest, FileThatCannotFitIsRefusedBeforeTheFirstOctet) {
    const auto sink = store_.create({directory_, ".muster-x.part", std::uint64_t{1} << 60});
    ASSERT_FALSE(sink);
    EXPECT_EQ(sink.error().code(), Errc::storage);
    EXPECT_THAT(sink.error().message(), HasSubstr("No space left"));
    EXPECT_EQ(entries(), 0u);
}

TEST_F(FileStoreTest, FileSizeLimitIsRefusedInsteadOfKillingTheProcess) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const rlimit small{1000, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const auto sink = store_.create({directory_, ".muster-x.part", 1001});
    ::setrlimit(RLIMIT_FSIZE, &before);
    ASSERT_FALSE(sink);
    EXPECT_EQ(sink.error().code(), Errc::storage);
    EXPECT_THAT(sink.error().cure(), HasSubstr("ulimit"));
}

TEST_F(FileStoreTest, ReadsWhatIsThereAndShortAtTheEnd) {
    put("a", "0123456789");
    auto source = store_.open(at("a"));
    ASSERT_TRUE(source);
    std::array<std::byte, 8> out;
    EXPECT_EQ(*(*source)->read_at(4, out), 6u);
    EXPECT_EQ(as_text(ByteView{out}.first(6)), "456789");
    EXPECT_EQ(*(*source)->read_at(10, out), 0u);
    EXPECT_EQ((*source)->stat()->size, 10u);
}

TEST_F(FileStoreTest, StateTellsGrowthAndReplacementButNotRemoval) {
    put("a", "x");
    auto source = store_.open(at("a"));
    ASSERT_TRUE(source);
    const FileStat before = *(*source)->stat();
    put("a", "xy");
    EXPECT_NE((*source)->stat()->size, before.size);
    put("b", "x");
    fs::rename(at("b"), at("a"));
    EXPECT_NE((*source)->stat()->inode, before.inode);
    fs::remove(at("a"));
    EXPECT_EQ((*source)->stat()->inode, before.inode);
}

TEST_F(FileStoreTest, OnlyRegularFilesAreSent) {
    EXPECT_EQ(store_.open(at("none")).error().code(), Errc::bad_input);
    EXPECT_EQ(store_.open(directory_).error().code(), Errc::bad_input);
    ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
    EXPECT_EQ(store_.open(at("fifo")).error().code(), Errc::bad_input) << "and does not wait for a writer";
    EXPECT_EQ(store_.open("/dev/zero").error().code(), Errc::bad_input);
}

}  // namespace
}  // namespace muster::os
