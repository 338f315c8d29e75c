// The file store on file systems that refuse: full, read-only, without permission. They are made in a mount
// namespace of this process, so nobody else sees them.
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file_store.h"

namespace muster::os {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class FileStoreLab : public ::testing::Test {
protected:
    FileStoreLab() {
        std::string pattern = (fs::temp_directory_path() / "muster-file-lab-XXXXXX").string();
        directory_ = ::mkdtemp(pattern.data());
        EXPECT_EQ(::unshare(CLONE_NEWNS), 0);
        EXPECT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        EXPECT_EQ(::mount("tmpfs", directory_.c_str(), "tmpfs", 0, "size=1m"), 0);
    }
    ~FileStoreLab() override {
        ::umount2(directory_.c_str(), MNT_DETACH);
        fs::remove(directory_);
    }
    bool is_empty() const { return fs::is_empty(directory_); }

    FileStore store_;
    std::string directory_;
};

TEST_F(FileStoreLab, FullDiskIsSeenBeforehandAndHowMuchIsMissing) {
    const auto sink = store_.create({directory_, ".muster-x.part", 2 << 20});
    ASSERT_FALSE(sink);
    EXPECT_THAT(sink.error().message(), HasSubstr("2097152 octets and there is room for 1048576"));
    EXPECT_THAT(sink.error().cure(), HasSubstr("free space"));
}

TEST_F(FileStoreLab, DiskThatFillsWhileWritingFailsAndLeavesNothing) {
    auto sink = store_.create({directory_, ".muster-x.part", 900 << 10});
    ASSERT_TRUE(sink);
    const Bytes chunk(256 << 10);
    ASSERT_TRUE((*sink)->write_at(0, chunk));
    auto other = store_.create({directory_, "other", 600 << 10});  // somebody else takes the room
    ASSERT_TRUE(other);
    ASSERT_TRUE((*other)->write_at(0, Bytes(600 << 10)));
    const auto failed = (*sink)->write_at(chunk.size(), chunk);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code(), Errc::storage);
    EXPECT_THAT(failed.error().message(), HasSubstr("No space left on device"));
    EXPECT_THAT(failed.error().cure(), HasSubstr(directory_));
    sink->reset();
    other->reset();
    EXPECT_TRUE(is_empty());
}

TEST_F(FileStoreLab, ReadOnlyFileSystemSaysSo) {
    ASSERT_EQ(::mount(nullptr, directory_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
    const auto sink = store_.create({directory_, ".muster-x.part", 1});
    ASSERT_FALSE(sink);
    EXPECT_THAT(sink.error().message(), HasSubstr("Read-only file system"));
    EXPECT_THAT(sink.error().cure(), HasSubstr("remount"));
}

TEST_F(FileStoreLab, MissingPermissionSaysSo) {
    ASSERT_EQ(::chmod(directory_.c_str(), 0555), 0);
    ASSERT_EQ(::seteuid(65534), 0);  // nobody
    const auto sink = store_.create({directory_, ".muster-x.part", 1});
    ASSERT_EQ(::seteuid(0), 0);
    ASSERT_FALSE(sink);
    EXPECT_THAT(sink.error().message(), HasSubstr("Permission denied"));
    EXPECT_THAT(sink.error().cure(), HasSubstr("permission"));
}

}  // namespace
}  // namespace muster::os
