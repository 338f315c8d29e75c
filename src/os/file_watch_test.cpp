#include "os/file_watch.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace muster::os {
namespace {

namespace fs = std::filesystem;

class FileWatchTest : public testing::Test {
protected:
    FileWatchTest() { fs::create_directories(folder_ / "etc"); }
    ~FileWatchTest() override { fs::remove_all(folder_); }

    static void write(const fs::path& file) { std::ofstream{file} << "nameserver 192.0.2.1\n"; }

    const fs::path folder_ =
        fs::path{testing::TempDir()} /
        ("file_watch_" + std::string{testing::UnitTest::GetInstance()->current_test_info()->name()});
    const fs::path file_ = folder_ / "etc" / "resolv.conf";
};

TEST_F(FileWatchTest, AFileThatIsMadeWrittenReplacedAndRemoved) {
    FileWatch watch{{file_}};
    EXPECT_FALSE(watch.receive());
    write(file_);
    EXPECT_TRUE(watch.receive());
    write(file_);
    EXPECT_TRUE(watch.receive());
    write(folder_ / "new");
    watch.receive();
    fs::rename(folder_ / "new", file_);
    EXPECT_TRUE(watch.receive());
    EXPECT_FALSE(watch.receive());
    fs::remove(file_);
    EXPECT_TRUE(watch.receive());
}

TEST_F(FileWatchTest, AFileToWhichALinkLeads) {
    fs::create_directories(folder_ / "manager");
    write(folder_ / "manager" / "servers");
    fs::create_symlink("../manager/servers", file_);
    FileWatch watch{{file_}};
    write(folder_ / "manager" / "servers");
    EXPECT_TRUE(watch.receive());
    fs::create_directories(folder_ / "other");
    write(folder_ / "other" / "servers");
    EXPECT_FALSE(watch.receive());
    fs::remove(file_);
    fs::create_symlink(folder_ / "other" / "servers", file_);
    EXPECT_TRUE(watch.receive());
    watch.receive();
    write(folder_ / "other" / "servers");
    EXPECT_TRUE(watch.receive()) << "it leads elsewhere now";
}

TEST_F(FileWatchTest, AFileWhoseFolderIsMadeLater) {
    const fs::path later = folder_ / "run" / "systemd" / "resolve";
    fs::create_symlink(later / "stub-resolv.conf", file_);
    FileWatch watch{{file_}};
    fs::create_directories(folder_ / "run");
    EXPECT_TRUE(watch.receive());
    fs::create_directories(later);
    EXPECT_TRUE(watch.receive());
    watch.receive();
    write(later / "stub-resolv.conf");
    EXPECT_TRUE(watch.receive());
}

TEST_F(FileWatchTest, AFileThatIsWrittenByAnotherName) {
    write(file_);
    fs::create_directories(folder_ / "elsewhere");
    fs::create_hard_link(file_, folder_ / "elsewhere" / "same");
    FileWatch watch{{file_}};
    write(folder_ / "elsewhere" / "same");
    EXPECT_TRUE(watch.receive()) << "as with a file that is mounted over it";
}

TEST_F(FileWatchTest, ARingOfLinksEnds) {
    fs::create_symlink("resolv.conf", file_);
    FileWatch watch{{file_}};
    EXPECT_FALSE(watch.receive());
}

}  // namespace
}  // namespace muster::os
