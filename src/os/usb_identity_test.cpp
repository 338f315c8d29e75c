#include "os/usb_identity.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

namespace muster::os {
namespace {

namespace fs = std::filesystem;

class UsbIdentityTest : public testing::Test {
protected:
    UsbIdentityTest() {
        fs::create_directories(device());
        write("idVendor", "0bda\n");
        write("idProduct", "8153\n");
    }
    ~UsbIdentityTest() override { fs::remove_all(sysfs_); }

    fs::path device() const { return sysfs_ / "bus" / "usb" / "devices" / "1-1.2"; }
    void write(const char* name, const char* text) const { std::ofstream{device() / name} << text; }
    std::optional<UsbIdentity> ask(const std::string& path) {
        return usb_identity(path, unread_, sysfs_.string());
    }

    const fs::path sysfs_ = fs::path{testing::TempDir()} / ("muster_usb_" + std::to_string(::getpid()));
    std::vector<Evidence> unread_;
};

TEST_F(UsbIdentityTest, IsThatOfTheDeviceWhoseFunctionTheInterfaceIs) {
    write("manufacturer", "Realtek\n");
    write("product", "USB 10/100/1000 LAN\n");
    write("serial", "000001\n");
    const UsbIdentity wanted{"1-1.2", 0x0bda, 0x8153, "Realtek", "USB 10/100/1000 LAN", "000001"};
    EXPECT_EQ(ask("1-1.2:1.0"), wanted);
    EXPECT_TRUE(unread_.empty());
}

TEST_F(UsbIdentityTest, MostDevicesHaveNoSerialAndThatIsNothingUnread) {
    const UsbIdentity wanted{"1-1.2", 0x0bda, 0x8153, "", "", ""};
    EXPECT_EQ(ask("1-1.2:1.0"), wanted);
    EXPECT_TRUE(unread_.empty());
}

TEST_F(UsbIdentityTest, SaysWhatCouldNotBeRead) {
    EXPECT_FALSE(ask("2-1:1.0").has_value()) << "a container without this part of /sys";
    ASSERT_EQ(unread_.size(), 1u);
    EXPECT_TRUE(unread_[0].subject.ends_with("/bus/usb/devices/2-1/idVendor"));
    EXPECT_EQ(unread_[0].finding, "No such file or directory");
    fs::create_directory(device() / "serial");  // reading it fails, for root too
    EXPECT_TRUE(ask("1-1.2:1.0").has_value());
    EXPECT_EQ(unread_.size(), 2u);
}

TEST_F(UsbIdentityTest, APathIsAName) {
    EXPECT_FALSE(ask("").has_value());
    EXPECT_FALSE(ask("../1-1.2").has_value());
    EXPECT_TRUE(unread_.empty());
}

}  // namespace
}  // namespace muster::os
