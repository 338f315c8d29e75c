#include "os/usb_identity.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "os/file_descriptor.h"

namespace muster::os {
namespace {

constexpr std::size_t kLongest = 512;  // a USB string descriptor has 126 characters of at most four octets

/// A small file of sysfs, without the line's end.
class SysfsFile {
public:
    explicit SysfsFile(const std::string& path) {
        const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
        std::array<char, kLongest> octets{};
        const ssize_t size = file.is_open() ? ::read(file.get(), octets.data(), octets.size()) : -1;
        if (size < 0) {
            why_ = errno;
            return;
        }
        text_.assign(octets.data(), static_cast<std::size_t>(size));
        while (text_.ends_with('\n')) text_.pop_back();
    }
    const std::string& text() const { return text_; }
    int why() const { return why_; }  ///< errno; 0: it was read.

private:
    std::string text_;
    int why_ = 0;
};

std::uint16_t hex_number(const std::string& text) {
    std::uint16_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number, 16);
    return number;
}

}  // namespace

std::optional<UsbIdentity> usb_identity(const std::string& bus_path, std::vector<Evidence>& unread,
                                        const std::string& sysfs) {
    UsbIdentity made;
    made.path = bus_path.substr(0, bus_path.find(':'));  // the function is one of several of the device
    if (made.path.empty() || made.path.find('/') != std::string::npos) return std::nullopt;
    const std::string directory = sysfs + "/bus/usb/devices/" + made.path + "/";
    const auto read = [&](const char* name, bool every_device_has_it) {
        const SysfsFile file{directory + name};
        if (file.why() != 0 && (file.why() != ENOENT || every_device_has_it))
            unread.push_back({"read", directory + name, std::generic_category().message(file.why())});
        return file.text();
    };
    const std::size_t missing_before = unread.size();
    made.vendor = hex_number(read("idVendor", true));
    if (unread.size() > missing_before) return std::nullopt;
    made.product = hex_number(read("idProduct", true));
    made.manufacturer = read("manufacturer", false);
    made.product_name = read("product", false);
    made.serial = read("serial", false);
    return made;
}

}  // namespace muster::os
