#include "os/interface_kind.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <linux/if_arp.h>

namespace muster::os {
namespace {

namespace fs = std::filesystem;

class InterfaceKindTest : public testing::Test {
protected:
    ~InterfaceKindTest() override { fs::remove_all(sysfs_); }

    /// What rtnetlink tells of an Ethernet card.
    static Interface told(const std::string& name, std::uint16_t type = ARPHRD_ETHER,
                          const std::string& kernel_kind = "") {
        Interface made;
        made.index = InterfaceIndex{7};
        made.name = name;
        made.legacy_type = type;
        made.kernel_kind = kernel_kind;
        return made;
    }

    /// What sysfs shows of it.
    fs::path shown(const std::string& name, const std::string& device_type = "", int index = 7) const {
        const fs::path directory = sysfs_ / "class" / "net" / name;
        fs::create_directories(directory / "device");
        std::ofstream{directory / "ifindex"} << index << "\n";
        std::ofstream{directory / "uevent"} << (device_type.empty() ? "" : "DEVTYPE=" + device_type + "\n")
                                            << "INTERFACE=" << name << "\n";
        return directory;
    }

    Interface classified(Interface interface) const {
        classify(interface, needs_marks(interface) ? sysfs_marks(interface, sysfs_.string()) : DeviceMarks{});
        return interface;
    }

    const fs::path sysfs_ = fs::path{testing::TempDir()} / ("muster_sysfs_" + std::to_string(::getpid()));
};

TEST_F(InterfaceKindTest, KnowsTheTypeOfWhatDeviceMarks) {
    struct {
        const char* name;
        const char* device_type;
        FunctionalType type;
        InterfaceKind kind;
    } const cases[] = {
        {"eth0", "", FunctionalType::wired, InterfaceKind::wired},
        {"wl1", "wlan", FunctionalType::wifi_infrastructure, InterfaceKind::wifi},
        {"wwan0", "wwan", FunctionalType::cellular, InterfaceKind::cellular},
        {"bnep0", "bluetooth", FunctionalType::companion, InterfaceKind::wired},
        {"usb0", "gadget", FunctionalType::coprocessor, InterfaceKind::wired},
        {"mgmt0", "", FunctionalType::management, InterfaceKind::wired},
        {"bmc", "", FunctionalType::management, InterfaceKind::wired},
        {"mgmtnet", "", FunctionalType::wired, InterfaceKind::wired},
    };
    for (const auto& [name, device_type, type, kind] : cases) {
        shown(name, device_type);
        const Interface made = classified(told(name));
        EXPECT_EQ(made.functional_type, type) << name;
        EXPECT_EQ(made.kind, kind) << name;
        EXPECT_FALSE(made.is_virtual) << name;
        EXPECT_EQ(made.direct_link, std::string{device_type} == "gadget") << name;
    }
}

TEST_F(InterfaceKindTest, KnowsRadiosOfNewAndOldDrivers) {
    fs::create_directory(shown("wlan0") / "phy80211");
    fs::create_directory(shown("ath0") / "wireless");
    EXPECT_EQ(classified(told("wlan0")).kind, InterfaceKind::wifi);
    EXPECT_EQ(classified(told("ath0")).functional_type, FunctionalType::wifi_infrastructure);
}

TEST_F(InterfaceKindTest, ARadioWithoutAnAccessPointIsPeerToPeer) {
    DeviceMarks marks;
    marks.radio = RadioRole::peer_to_peer;
    Interface mesh = told("mesh0");
    classify(mesh, marks);
    EXPECT_EQ(mesh.functional_type, FunctionalType::wifi_peer_to_peer);
    EXPECT_EQ(mesh.kind, InterfaceKind::wifi);
}

TEST_F(InterfaceKindTest, KnowsFromTheKernelAloneWhatSoftwareHasMade) {
    Interface lo = told("lo", ARPHRD_LOOPBACK);
    lo.loopback = true;
    struct {
        Interface interface;
        FunctionalType type;
        InterfaceKind kind;
    } const cases[] = {
        {lo, FunctionalType::loopback, InterfaceKind::loopback},
        {told("veth0", ARPHRD_ETHER, "veth"), FunctionalType::wired, InterfaceKind::wired},
        {told("br0", ARPHRD_ETHER, "bridge"), FunctionalType::wired, InterfaceKind::wired},
        {told("tun0", ARPHRD_NONE, "tun"), FunctionalType::unknown, InterfaceKind::tunnel},
        {told("tap0", ARPHRD_ETHER, "tun"), FunctionalType::unknown, InterfaceKind::tunnel},
        {told("wg0", ARPHRD_NONE, "wireguard"), FunctionalType::unknown, InterfaceKind::tunnel},
    };
    for (const auto& [interface, type, kind] : cases) {
        EXPECT_FALSE(needs_marks(interface)) << interface.name;
        const Interface made = classified(interface);
        EXPECT_EQ(made.functional_type, type) << interface.name;
        EXPECT_EQ(made.kind, kind) << interface.name;
        EXPECT_TRUE(made.is_virtual) << interface.name;
    }
}

TEST_F(InterfaceKindTest, KnowsModemsByTypeAndByKind) {
    for (const Interface& modem : {told("rmnet0", ARPHRD_RAWIP), told("wwan0", ARPHRD_NONE, "wwan"),
                                   told("q0", ARPHRD_RAWIP, "rmnet")}) {
        EXPECT_EQ(classified(modem).functional_type, FunctionalType::cellular) << modem.name;
        EXPECT_EQ(classified(modem).kind, InterfaceKind::cellular) << modem.name;
        EXPECT_FALSE(classified(modem).is_virtual) << modem.name;
    }
}

TEST_F(InterfaceKindTest, AnAlternativeNameTellsAManagementPort) {
    Interface port = told("eno1");
    port.alternative_names = {"enp0s31f6", "bmc0"};
    EXPECT_EQ(classified(port).functional_type, FunctionalType::management);
}

TEST_F(InterfaceKindTest, WithoutSysfsTheBusStillTellsADevice) {
    Interface card = told("eth9");
    EXPECT_TRUE(classified(card).is_virtual) << "nobody knows better";
    EXPECT_EQ(classified(card).functional_type, FunctionalType::wired);
    card.bus = "thunderbolt";
    EXPECT_FALSE(classified(card).is_virtual);
    EXPECT_TRUE(classified(card).direct_link);
}

TEST_F(InterfaceKindTest, DoesNotBelieveTheSysfsOfAnotherNamespaceNorANameWithAPath) {
    shown("wlan0", "wlan", 8);
    EXPECT_EQ(classified(told("wlan0")).kind, InterfaceKind::wired) << "another interface of this name";
    shown("wlan1", "wlan");
    EXPECT_EQ(classified(told("wlan1")).kind, InterfaceKind::wifi);
    EXPECT_EQ(classified(told("../net/wlan1")).kind, InterfaceKind::wired);
    EXPECT_EQ(classified(told("")).kind, InterfaceKind::wired);
}

}  // namespace
}  // namespace muster::os
