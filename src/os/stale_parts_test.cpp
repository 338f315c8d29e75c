#include "os/stale_parts.h"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/file_store.h"

namespace muster::os {
namespace {

namespace fs = std::filesystem;

std::string part_name(char digit) {
    return std::string{kPartPrefix} + std::string(kPartDigits, digit) + std::string{kPartSuffix};
}

class StalePartsTest : public ::testing::Test {
protected:
    StalePartsTest() {
        std::string pattern = (fs::temp_directory_path() / "muster-stale-parts-XXXXXX").string();
        directory_ = ::mkdtemp(pattern.data());
    }
    ~StalePartsTest() override { fs::remove_all(directory_); }

    bool has(const std::string& name) const { return fs::exists(directory_ + "/" + name); }
    void put(const std::string& name) const { std::ofstream{directory_ + "/" + name} << "octets"; }
    /// What an application does that accepts a file.
    std::unique_ptr<FileSink> accept(char digit) {
        FileStore store;
        auto sink = store.create({directory_, part_name(digit), 6});
        return sink ? std::move(*sink) : nullptr;
    }
    /// A process that writes a part, and waits for its end.
    pid_t writer(char digit) {
        int ready[2];
        EXPECT_EQ(::pipe(ready), 0);
        const pid_t child = ::fork();
        if (child == 0) {
            const auto sink = accept(digit);
            (void)!::write(ready[1], sink ? "y" : "n", 1);
            while (true) ::pause();
        }
        char said = 'n';
        EXPECT_EQ(::read(ready[0], &said, 1), 1);
        EXPECT_EQ(said, 'y');
        ::close(ready[0]);
        ::close(ready[1]);
        return child;
    }
    static void kill_and_wait(pid_t child) {
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
    }

    std::string directory_;
};

TEST_F(StalePartsTest, ThePartOfAKilledProcessIsRemovedWithTheNextFile) {
    const pid_t child = writer('a');
    kill_and_wait(child);
    EXPECT_TRUE(has(part_name('a'))) << "it could not remove it";
    const auto next = accept('b');
    EXPECT_FALSE(has(part_name('a')));
    EXPECT_TRUE(has(part_name('b')));
}

TEST_F(StalePartsTest, ThePartOfALivingProcessStaysEvenIfItIsStopped) {
    const pid_t child = writer('a');
    ::kill(child, SIGSTOP);
    const auto next = accept('b');
    EXPECT_TRUE(has(part_name('a')));
    EXPECT_EQ(accept('a'), nullptr) << "and nobody else may write it";
    kill_and_wait(child);
}

TEST_F(StalePartsTest, PartsOfThisProcessStay) {
    const auto first = accept('a');
    const auto second = accept('b');
    EXPECT_TRUE(has(part_name('a')));
    const auto path = first->publish("a.txt");
    ASSERT_TRUE(path);
    const auto third = accept('c');
    EXPECT_TRUE(has("a.txt"));
    EXPECT_TRUE(has(part_name('b')));
}

TEST_F(StalePartsTest, TheSameTransferMayBeginAgainAfterAKill) {
    const pid_t child = writer('a');
    FileStore store;
    const auto other = store.create({directory_, part_name('b'), 6});  // sweeps: finds nothing stale
    kill_and_wait(child);
    const auto again = store.create({directory_, part_name('a'), 6});
    ASSERT_TRUE(again) << again.error().explain();
    ASSERT_TRUE((*again)->write_at(0, as_bytes("octets")));
    EXPECT_TRUE((*again)->publish("a.txt"));
}

TEST_F(StalePartsTest, OnlyWhatHasOurPatternIsTouched) {
    const std::vector<std::string> others = {
        ".muster-x.part",
        ".muster-" + std::string(kPartDigits, 'A') + ".part",
        ".muster-" + std::string(kPartDigits, '1') + ".part",
        ".muster-" + std::string(kPartDigits + 1, 'a') + ".part",
        "muster-" + std::string(kPartDigits, 'a') + ".part",
        part_name('a') + "~",
    };
    for (const auto& name : others) put(name);
    fs::create_directory(directory_ + "/" + part_name('d'));
    put("target");
    fs::create_symlink("target", directory_ + "/" + part_name('e'));
    fs::create_hard_link(directory_ + "/target", directory_ + "/" + part_name('f'));
    put(part_name('g'));
    const auto sink = accept('b');
    for (const auto& name : others) EXPECT_TRUE(has(name)) << name;
    for (const char digit : {'d', 'e', 'f'}) EXPECT_TRUE(has(part_name(digit))) << digit;
    EXPECT_TRUE(has("target"));
    EXPECT_FALSE(has(part_name('g')));
}

// A sweep may come between the making of a part and its lock.
TEST_F(StalePartsTest, APartThatWasSweptBeforeItWasHeldIsNoticed) {
    put(part_name('a'));
    const int directory = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY);
    const int file = ::openat(directory, part_name('a').c_str(), O_WRONLY);
    EXPECT_EQ(sweep_parts(directory), 1u);
    EXPECT_FALSE(hold_part(directory, file, part_name('a')));
    ::close(file);
    ::close(directory);
}

}  // namespace
}  // namespace muster::os
