#include "os/optimistic_addresses.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "os/file_descriptor.h"

namespace muster::os {
namespace {

// The first one makes addresses optimistic, the second one lets us send from them before others that are not.
constexpr std::array kSettings{"optimistic_dad", "use_optimistic"};

/// The first character of a setting; nullopt with errno if it cannot be read.
std::optional<char> read_setting(const std::string& path) {
    const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    char value = 0;
    if (!file.is_open() || ::read(file.get(), &value, 1) != 1) return std::nullopt;
    return value;
}

bool write_setting(const std::string& path, char value) {
    const FileDescriptor file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
    return file.is_open() && ::write(file.get(), &value, 1) == 1;
}

std::string why_not(int error) {
    switch (error) {
        case ENOENT: return "this kernel has no optimistic duplicate address detection, or no IPv6 here";
        case EACCES:
        case EPERM: return "that needs root or CAP_NET_ADMIN";
        case EROFS: return "the settings are read-only here (a container?)";
        default: return "the setting cannot be changed: " + std::system_category().message(error);
    }
}

}  // namespace

OptimisticAddresses::OptimisticAddresses(std::string settings) : settings_(std::move(settings)) {}

OptimisticAddresses::~OptimisticAddresses() {
    for (const auto& [index, prepared] : prepared_) put_back(prepared);
}

void OptimisticAddresses::follow(std::span<const Interface> interfaces) {
    std::erase_if(prepared_, [&](const auto& entry) {
        return std::ranges::find(interfaces, entry.first, &Interface::index) == interfaces.end();
    });
    for (const Interface& each : interfaces) {
        if (each.prohibited || each.loopback || each.point_to_point || prepared_.contains(each.index))
            continue;
        const Prepared& made = prepared_.emplace(each.index, prepare(each.name)).first->second;
        log_line(LogLevel::info, "fast IPv6 on " + made.name + ": " + made.finding);
    }
}

std::vector<Evidence> OptimisticAddresses::findings() const {
    std::vector<Evidence> all;
    for (const auto& [index, prepared] : prepared_)
        all.push_back({"fast IPv6", prepared.name, prepared.finding});
    return all;
}

OptimisticAddresses::Prepared OptimisticAddresses::prepare(const std::string& name) const {
    Prepared made{.name = name,
                  .finding = "new addresses are used at once, while the kernel checks them",
                  .changed = {}};
    for (const char* setting : kSettings) {
        const std::string path = settings_ + "/" + name + "/" + setting;
        const auto before = read_setting(path);
        if (before && *before != '0') continue;
        if (!before || !write_setting(path, '1')) {
            made.finding = "new addresses wait for duplicate address detection, 1 to 2 s: " + why_not(errno);
            break;
        }
        made.changed.push_back(path);
    }
    return made;
}

void OptimisticAddresses::put_back(const Prepared& prepared) {
    for (const std::string& path : prepared.changed)
        if (read_setting(path) == '1') (void)write_setting(path, '0');
}

}  // namespace muster::os
