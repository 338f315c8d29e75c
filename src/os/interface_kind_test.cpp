#include "os/interface_kind.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace muster::os {
namespace {

namespace fs = std::filesystem;

class InterfaceKindTest : public testing::Test {
protected:
    InterfaceKindTest() {
        for (const char* name : {"eth0", "wlan0", "wl1", "wwan0", "ath0"}) fs::create_directories(of(name));
        fs::create_directory(of("wlan0") / "phy80211");
        fs::create_directory(of("ath0") / "wireless");
        std::ofstream{of("wl1") / "uevent"} << "DEVTYPE=wlan\nINTERFACE=wl1\n";
        std::ofstream{of("wwan0") / "uevent"} << "DEVTYPE=wwan\nINTERFACE=wwan0\n";
        std::ofstream{of("eth0") / "uevent"} << "INTERFACE=eth0\n";
    }
    ~InterfaceKindTest() override { fs::remove_all(sysfs_); }
    fs::path of(const std::string& name) const { return sysfs_ / "class" / "net" / name; }
    InterfaceKind kind(const std::string& name, InterfaceKind otherwise = InterfaceKind::wired) const {
        return kind_by_sysfs(name, otherwise, sysfs_.string());
    }

    const fs::path sysfs_ = fs::path{testing::TempDir()} / ("muster_sysfs_" + std::to_string(::getpid()));
};

TEST_F(InterfaceKindTest, KnowsRadiosAndModems) {
    EXPECT_EQ(kind("wlan0"), InterfaceKind::wifi);
    EXPECT_EQ(kind("ath0"), InterfaceKind::wifi);
    EXPECT_EQ(kind("wl1"), InterfaceKind::wifi);
    EXPECT_EQ(kind("wwan0"), InterfaceKind::cellular);
    EXPECT_EQ(kind("eth0"), InterfaceKind::wired);
}

TEST_F(InterfaceKindTest, LeavesWhatIsKnownBetterAndWhatIsNotThere) {
    EXPECT_EQ(kind("wlan0", InterfaceKind::tunnel), InterfaceKind::tunnel);
    EXPECT_EQ(kind("eth9"), InterfaceKind::wired);
    EXPECT_EQ(kind("../net/wlan0"), InterfaceKind::wired) << "a name has no path in it";
    EXPECT_EQ(kind(""), InterfaceKind::wired);
}

}  // namespace
}  // namespace muster::os
