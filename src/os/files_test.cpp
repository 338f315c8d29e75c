#include "os/files.h"

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "os/endpoint_names.h"

namespace muster::os {
namespace {

class Files : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "muster-files-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }
    std::string directory_;
};

TEST_F(Files, WritesPrivatelyAndReadsBack) {
    const std::string path = directory_ + "/key";
    ASSERT_TRUE(*write_file(path, "secret", IfPresent::replace));
    EXPECT_EQ(*read_file(path), "secret");
    struct stat facts{};
    ASSERT_EQ(::stat(path.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST_F(Files, KeepsWhatIsThereIfAskedTo) {
    const std::string path = directory_ + "/key";
    ASSERT_TRUE(*write_file(path, "first", IfPresent::keep));
    EXPECT_FALSE(*write_file(path, "second", IfPresent::keep));
    EXPECT_EQ(*read_file(path), "first");
    ASSERT_TRUE(*write_file(path, "third", IfPresent::replace));
    EXPECT_EQ(*read_file(path), "third");
}

TEST_F(Files, LeavesNoTemporaryBehind) {
    ASSERT_TRUE(write_file(directory_ + "/a", "1", IfPresent::keep).has_value());
    ASSERT_TRUE(write_file(directory_ + "/a", "2", IfPresent::keep).has_value());
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator{directory_}, {}), 1);
}

TEST_F(Files, TellsMissingFromTooLarge) {
    EXPECT_EQ(read_file(directory_ + "/none").error().code(), Errc::bad_input);
    ASSERT_TRUE(write_file(directory_ + "/a", "12345", IfPresent::keep).has_value());
    EXPECT_EQ(read_file(directory_ + "/a", 4).error().code(), Errc::too_large);
    EXPECT_EQ(write_file(directory_ + "/no/dir", "x", IfPresent::keep).error().code(), Errc::storage);
}

TEST_F(Files, MakesDirectoriesPrivate) {
    ASSERT_TRUE(make_private_directory(directory_ + "/x/y").has_value());
    struct stat facts{};
    ASSERT_EQ(::stat((directory_ + "/x/y").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0700u);
    ASSERT_TRUE(write_file(directory_ + "/file", "", IfPresent::keep).has_value());
    EXPECT_EQ(make_private_directory(directory_ + "/file").error().code(), Errc::storage);
}

TEST(EndpointNames, TakesInterfaceNames) {
    const auto lo = parse_endpoint("[fe80::1%lo]:4711");
    ASSERT_TRUE(lo.has_value());
    EXPECT_EQ(lo->interface, InterfaceIndex{1});
    EXPECT_EQ(parse_endpoint("127.0.0.1%lo:1")->interface, InterfaceIndex{1});
    EXPECT_EQ(parse_endpoint("192.0.2.1:80")->interface, InterfaceIndex::none);
    EXPECT_EQ(parse_endpoint("[fe80::1%nosuch0]:1").error().code(), Errc::no_interface);
}

TEST(EndpointNames, SaysWhatIsWrong) {
    for (const char* text : {"", "192.0.2.1", "fe80::1:80", "[::1]", "[::1]:70000", "host:80", "[fe80::1%lo",
                             "1.2.3.4%lo", "%", "%:"}) {
        const auto endpoint = parse_endpoint(text);
        ASSERT_FALSE(endpoint.has_value()) << text;
        EXPECT_EQ(endpoint.error().code(), Errc::bad_input) << text;
        EXPECT_FALSE(endpoint.error().cure().empty());
    }
}

}  // namespace
}  // namespace muster::os
