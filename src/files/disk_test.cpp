// The engines of a file transfer on the real file system.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "files/files_rig.h"
#include "os/file_store.h"

namespace muster::files {
namespace {

using testing::some_octets;
using testing::TransferRig;
namespace fs = std::filesystem;

class FileOnDisk : public ::testing::Test {
protected:
    FileOnDisk() {
        std::string pattern = (fs::temp_directory_path() / "muster-file-disk-XXXXXX").string();
        directory_ = ::mkdtemp(pattern.data());
        fs::create_directory(directory_ + "/in");
        TransferRig::Options options;
        options.chunk = 64 * 1024;
        options.read_ahead = 256 * 1024;
        options.pipe = 100'000;
        options.receive.directory = directory_ + "/in";
        rig_.emplace(options);
        rig_->source_storage = rig_->sink_storage = &store_;
    }
    ~FileOnDisk() override { fs::remove_all(directory_); }

    void put(const Bytes& octets) const { std::ofstream{path(), std::ios::binary} << as_text(octets); }
    std::string path() const { return directory_ + "/photo.jpg"; }
    bool nothing_arrived() const { return fs::is_empty(directory_ + "/in"); }

    os::FileStore store_;
    std::string directory_;
    std::optional<TransferRig> rig_;
};

TEST_F(FileOnDisk, ArrivesWhole) {
    const Bytes content = some_octets(3'000'000);
    put(content);
    rig_->start(path());
    rig_->run();
    ASSERT_TRUE(rig_->received && *rig_->received);
    std::ifstream arrived{directory_ + "/in/photo.jpg", std::ios::binary};
    const std::string got{std::istreambuf_iterator<char>{arrived}, {}};
    EXPECT_EQ(got, as_text(content));
    EXPECT_EQ((*rig_->received)->path, directory_ + "/in/photo.jpg");
    EXPECT_EQ(std::distance(fs::directory_iterator{directory_ + "/in"}, {}), 1);
}

TEST_F(FileOnDisk, ChangeWhileItIsSentIsSeenByBothAndLeavesNothing) {
    put(some_octets(3'000'000));
    rig_->start(path());
    rig_->run([&](std::size_t step) {
        if (step == 30) std::ofstream{path(), std::ios::app} << "one more line";
    });
    EXPECT_EQ(TransferRig::code(rig_->sent), Errc::source_changed);
    EXPECT_EQ(TransferRig::code(rig_->received), Errc::source_changed);
    EXPECT_TRUE(nothing_arrived());
}

TEST_F(FileOnDisk, DirectoryThatDoesNotExistTellsTheSenderWhyButNotWhere) {
    put(some_octets(1000));
    fs::remove(directory_ + "/in");
    rig_->start(path());
    rig_->run();
    EXPECT_EQ(TransferRig::code(rig_->sent), Errc::storage);
    EXPECT_EQ(rig_->sent->error().message().find(directory_), std::string::npos);
    EXPECT_NE(rig_->sent->error().message().find("No such file or directory"), std::string::npos);
    EXPECT_NE(rig_->received->error().cure().find(directory_), std::string::npos);
}

}  // namespace
}  // namespace muster::files
