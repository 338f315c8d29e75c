#include "os/files.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "os/endpoint_names.h"

#include "muster/endpoint.h"

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

TEST_F(Files, DoesNotWaitForAFifo) {
    const std::string path = directory_ + "/fifo";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    EXPECT_EQ(read_file(path).error().code(), Errc::storage);
}

TEST_F(Files, AFullDiskLeavesTheOldContentAndNothingElse) {
    const std::string path = directory_ + "/key";
    ASSERT_TRUE(*write_file(path, "old", IfPresent::replace));
    const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit tiny{1000, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &tiny);
    const auto written = write_file(path, std::string(5000, 'x'), IfPresent::replace);
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, ignored);
    ASSERT_FALSE(written.has_value());
    EXPECT_EQ(written.error().code(), Errc::storage);
    EXPECT_EQ(*read_file(path), "old");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator{directory_}, {}), 1);
}

TEST_F(Files, OfManyWhoKeepWhatIsThereExactlyOneWrites) {
    const std::string path = directory_ + "/key";
    std::atomic<int> wrote = 0;
    std::vector<std::thread> threads;
    threads.reserve(8);
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
            if (*write_file(path, "by " + std::to_string(i), IfPresent::keep)) ++wrote;
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(wrote, 1);
    EXPECT_TRUE(read_file(path)->starts_with("by "));
}

class StateDirectory : public Files {
protected:
    void SetUp() override {
        Files::SetUp();
        for (const char* name : {"MUSTER_HOME", "XDG_STATE_HOME", "HOME"}) {
            const char* value = std::getenv(name);
            before_.emplace_back(name, value ? std::optional<std::string>{value} : std::nullopt);
            ::unsetenv(name);
        }
    }
    void TearDown() override {
        for (const auto& [name, value] : before_) {
            if (value)
                ::setenv(name.c_str(), value->c_str(), 1);
            else
                ::unsetenv(name.c_str());
        }
        Files::TearDown();
    }

    std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

TEST_F(StateDirectory, TakesMusterHomeThenXdgThenHome) {
    EXPECT_EQ(state_directory().error().code(), Errc::storage);
    ::setenv("HOME", directory_.c_str(), 1);
    EXPECT_EQ(*state_directory(), directory_ + "/.local/state/muster");
    ::setenv("XDG_STATE_HOME", "relative", 1);
    EXPECT_EQ(*state_directory(), directory_ + "/.local/state/muster") << "relative: ignored";
    ::setenv("XDG_STATE_HOME", (directory_ + "/xdg").c_str(), 1);
    EXPECT_EQ(*state_directory(), directory_ + "/xdg/muster");
    ::setenv("MUSTER_HOME", (directory_ + "/own").c_str(), 1);
    EXPECT_EQ(*state_directory(), directory_ + "/own");
}

TEST_F(Files, ListsADirectory) {
    EXPECT_TRUE(list_directory(directory_ + "/none")->empty());
    EXPECT_TRUE(list_directory(directory_)->empty());
    ASSERT_TRUE(*write_file(directory_ + "/key", "secret", IfPresent::replace));
    EXPECT_EQ(*list_directory(directory_), std::vector<std::string>{"key"});
    EXPECT_EQ(list_directory(directory_ + "/key").error().code(), Errc::storage);
}

TEST_F(StateDirectory, RefusesOneThatEverybodyMayWriteTo) {
    ::setenv("MUSTER_HOME", directory_.c_str(), 1);
    ASSERT_EQ(::chmod(directory_.c_str(), 0777), 0);
    const auto refused = state_directory();
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().cure(), "chmod o-w " + directory_);
}

TEST(EndpointNames, TakesInterfaceNames) {
    const auto lo = parse_endpoint("[fe80::1%lo]:4711");
    ASSERT_TRUE(lo.has_value());
    EXPECT_EQ(lo->interface, InterfaceIndex{1});
    EXPECT_EQ(parse_endpoint("127.0.0.1%lo:1")->interface, InterfaceIndex{1});
    EXPECT_EQ(parse_endpoint("192.0.2.1:80")->interface, InterfaceIndex::none);
    const auto unknown = parse_endpoint("[fe80::1%nosuch0]:1");
    EXPECT_EQ(unknown.error().code(), Errc::bad_input) << "what was typed is wrong, not the network";
    EXPECT_NE(unknown.error().message().find("nosuch0"), std::string::npos);
}

TEST(EndpointNames, AnInterfaceHasANameAsLongAsItIsThere) {
    EXPECT_EQ(interface_name(InterfaceIndex{1}), "lo");
    EXPECT_EQ(interface_name(InterfaceIndex{2000000000}), "interface 2000000000");
    EXPECT_EQ(to_text({*IpAddress::parse("fe80::1"), 4711, InterfaceIndex{1}}), "[fe80::1%lo]:4711");
    EXPECT_EQ(to_text({*IpAddress::parse("fe80::1"), 1, InterfaceIndex{2000000000}}),
              "[fe80::1%2000000000]:1");
    EXPECT_EQ(to_text({*IpAddress::parse("192.0.2.1"), 4711, InterfaceIndex{1}}), "192.0.2.1%lo:4711");
    EXPECT_EQ(to_text({*IpAddress::parse("2001:db8::1"), 4711, {}}), "[2001:db8::1]:4711");
    EXPECT_EQ(*parse_endpoint(to_text({*IpAddress::parse("fe80::1"), 4711, InterfaceIndex{1}})),
              (Endpoint{*IpAddress::parse("fe80::1"), 4711, InterfaceIndex{1}}));
}

TEST(EndpointNames, ALinkLocalIpv6AddressNeedsItsInterface) {
    const auto endpoint = parse_endpoint("[fe80::1]:4711");
    ASSERT_FALSE(endpoint.has_value());
    EXPECT_EQ(endpoint.error().code(), Errc::bad_input);
    EXPECT_TRUE(endpoint.error().message().find("interface") != std::string::npos);
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
