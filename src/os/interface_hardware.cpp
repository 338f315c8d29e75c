#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <system_error>

#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "os/interface_kind.h"
#include "os/interface_table.h"
#include "os/link_query.h"
#include "os/netlink_attributes.h"
#include "os/usb_identity.h"

#include "muster/interface_details.h"

namespace muster {
namespace {

// Asked again so often if the interface is renamed meanwhile: what a name is asked may be told by another one.
constexpr int kAttempts = 3;

/// One interface, asked through the ioctls of ethtool: they work in every namespace, without /sys, for everybody.
class Driver {
public:
    Driver(int socket, const std::string& name, std::vector<Evidence>& unread)
        : socket_(socket), name_(name), unread_(unread) {}

    void describe(InterfaceHardware& made) {
        ethtool_drvinfo info{};
        info.cmd = ETHTOOL_GDRVINFO;
        if (!ask(&info, "the driver")) return;
        made.driver = text_of(info.driver);
        made.driver_version = text_of(info.version);
        made.firmware = text_of(info.fw_version);
        if (made.firmware == "N/A") made.firmware.clear();
    }

    void measure(InterfaceHardware& made) {
        // The kernel first tells how long its lists of modes are, and answers to who knows it.
        alignas(ethtool_link_settings)
            std::array<std::byte, sizeof(ethtool_link_settings) + 3 * kMostWords * sizeof(__u32)>
                octets{};
        auto* asked = reinterpret_cast<ethtool_link_settings*>(octets.data());
        asked->cmd = ETHTOOL_GLINKSETTINGS;
        if (!ask(asked, "the speed")) return;
        const __s8 words = asked->link_mode_masks_nwords;
        if (words >= 0) return;
        octets = {};
        asked->cmd = ETHTOOL_GLINKSETTINGS;
        asked->link_mode_masks_nwords = static_cast<__s8>(-words);
        if (!ask(asked, "the speed")) return;
        const std::uint32_t speed = asked->speed;
        if (speed != 0 && speed != static_cast<std::uint32_t>(SPEED_UNKNOWN)) made.speed = speed;
        if (asked->duplex == DUPLEX_HALF) made.duplex = Duplex::half;
        if (asked->duplex == DUPLEX_FULL) made.duplex = Duplex::full;
    }

private:
    static constexpr std::size_t kMostWords = 127;  // the kernel's count has seven bits

    template <std::size_t Size>
    static std::string text_of(const char (&text)[Size]) {
        return {text, ::strnlen(text, Size)};
    }

    /// What this kind of interface does not have is nothing that could not be read.
    bool ask(void* question, const char* what) {
        ifreq request{};
        name_.copy(request.ifr_name, IFNAMSIZ - 1);
        request.ifr_data = static_cast<char*>(question);
        if (::ioctl(socket_, SIOCETHTOOL, &request) == 0) return true;
        const int why = errno;
        if (why != EOPNOTSUPP && why != ENODEV)
            unread_.push_back({"read", what + (" of " + name_), std::generic_category().message(why)});
        return false;
    }

    int socket_;
    const std::string& name_;
    std::vector<Evidence>& unread_;
};

/// The kernel's name of an interface; empty if there is none.
std::string name_of(InterfaceIndex index) {
    std::array<char, IF_NAMESIZE> name{};
    return ::if_indextoname(static_cast<unsigned>(index), name.data()) != nullptr ? name.data() : "";
}

/// What kind of device it is comes from there, and is guessed without.
void look_for_sysfs(ByteView link, InterfaceHardware& made) {
    os::InterfaceTable table;
    table.apply(link, 0);
    for (const Interface& each : table.snapshot())
        if (os::needs_marks(each) && !os::sysfs_marks(each).is_in_sysfs)
            made.unread.push_back(
                {"read", "/sys/class/net/" + each.name, "missing, or of another network namespace"});
}

InterfaceHardware read_hardware(int socket, const std::string& name, ByteView link) {
    const os::Attributes<IFLA_PARENT_DEV_BUS_NAME> told{*reinterpret_cast<const nlmsghdr*>(link.data()),
                                                        sizeof(ifinfomsg)};
    InterfaceHardware made;
    look_for_sysfs(link, made);
    made.bus = told.text(IFLA_PARENT_DEV_BUS_NAME);
    made.bus_path = told.text(IFLA_PARENT_DEV_NAME);
    Driver driver{socket, name, made.unread};
    driver.describe(made);
    driver.measure(made);
    if (made.bus == "usb") made.usb = os::usb_identity(made.bus_path, made.unread);
    return made;
}

}  // namespace

Result<InterfaceHardware> hardware_of(InterfaceIndex index) {
    auto query = os::LinkQuery::open();
    if (!query) return query.error();
    InterfaceHardware made;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        const auto link = query->ask(index, os::LinkQuery::Counters::left_out);
        if (!link) return link.error();
        const std::string name = name_of(index);
        made = read_hardware(query->native_handle(), name, *link);
        if (!name.empty() && name_of(index) == name) return made;
    }
    // It has another name each time: what the last one has told is likely its own.
    return name_of(index).empty() ? os::no_such_interface(index) : Result<InterfaceHardware>{made};
}

}  // namespace muster
