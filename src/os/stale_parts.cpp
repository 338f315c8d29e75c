#include "os/stale_parts.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_storage.h"
#include "os/file_descriptor.h"

namespace muster::os {
namespace {

constexpr std::size_t kMaxNames = 100'000;  // a directory of that size takes tens of milliseconds to read

bool is_part_name(std::string_view name) {
    if (!name.starts_with(kPartPrefix) || !name.ends_with(kPartSuffix)) return false;
    if (name.size() != kPartPrefix.size() + kPartDigits + kPartSuffix.size()) return false;
    const auto is_digit = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'); };
    return std::ranges::all_of(name.substr(kPartPrefix.size(), kPartDigits), is_digit);
}

bool is_ours(const struct stat& raw) {
    return S_ISREG(raw.st_mode) && raw.st_uid == ::geteuid() && raw.st_nlink == 1;
}

struct CloseDirectory {
    void operator()(DIR* stream) const { ::closedir(stream); }
};

std::vector<std::string> part_names(int directory) {
    std::vector<std::string> found;
    // A description of its own: a copy would share its position with others.
    const int again = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (again < 0) return found;
    const std::unique_ptr<DIR, CloseDirectory> stream{::fdopendir(again)};
    if (!stream) {
        ::close(again);
        return found;
    }
    for (std::size_t seen = 0; seen < kMaxNames; ++seen) {
        const dirent* entry = ::readdir(stream.get());
        if (entry == nullptr) break;
        if (is_part_name(entry->d_name)) found.emplace_back(entry->d_name);
    }
    return found;
}

}  // namespace

bool is_named(int directory, int file, const std::string& name) {
    struct stat opened{}, named{};
    return ::fstat(file, &opened) == 0 &&
           ::fstatat(directory, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

bool hold_part(int directory, int file, const std::string& name) {
    // Waits only for a sweep that is looking at it, which lets go at once.
    while (::flock(file, LOCK_EX) != 0)
        if (errno != EINTR) return true;  // no locks here: then nobody sweeps either
    return is_named(directory, file, name);
}

bool sweep_part(int directory, const std::string& name) {
    struct stat raw{};
    if (::fstatat(directory, name.c_str(), &raw, AT_SYMLINK_NOFOLLOW) != 0 || !is_ours(raw)) return false;
    // For writing: network file systems want that for an exclusive lock.
    const FileDescriptor file{
        ::openat(directory, name.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
    if (!file.is_open() || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return false;
    // Published or replaced since it was listed?
    if (!is_named(directory, file.get(), name)) return false;
    return ::unlinkat(directory, name.c_str(), 0) == 0;
}

std::size_t sweep_parts(int directory) {
    const auto names = part_names(directory);
    return static_cast<std::size_t>(
        std::ranges::count_if(names, [directory](const auto& name) { return sweep_part(directory, name); }));
}

}  // namespace muster::os
