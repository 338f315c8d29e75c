#include "os/file_watch.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <system_error>
#include <utility>

#include <sys/inotify.h>
#include <unistd.h>

namespace muster::os {
namespace {

constexpr int kMostLinks = 8;  // of which one leads to the next
constexpr std::uint32_t kInFolder =
    IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR;
// Whoever mounts a file over another one changes nothing in its folder, nor does who writes by another name.
constexpr std::uint32_t kOfFile = IN_MODIFY | IN_CLOSE_WRITE;

bool add(int events, const std::filesystem::path& path, std::uint32_t mask, std::vector<int>& watched) {
    const int watch = ::inotify_add_watch(events, path.c_str(), mask);
    if (watch < 0) return false;
    watched.push_back(watch);
    return true;
}

}  // namespace

FileWatch::FileWatch(std::vector<std::filesystem::path> files)
    : events_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)), files_(std::move(files)) {
    follow_all();
}

bool FileWatch::receive() {
    alignas(inotify_event) std::array<std::byte, 4096> buffer;
    bool has_changed = false;
    while (events_.is_open() && ::read(events_.get(), buffer.data(), buffer.size()) > 0) has_changed = true;
    if (has_changed) follow_all();  // the names may lead elsewhere now
    return has_changed;
}

void FileWatch::follow_all() {
    if (!events_.is_open()) return;
    std::vector<int> watched;  // who is watched already keeps his number
    for (const auto& file : files_) follow(file, watched);
    for (const int old : watched_)
        if (std::ranges::find(watched, old) == watched.end()) ::inotify_rm_watch(events_.get(), old);
    watched_ = std::move(watched);
}

void FileWatch::follow(std::filesystem::path file, std::vector<int>& watched) {
    for (int links = 0; links <= kMostLinks; ++links) {
        auto folder = file.parent_path();
        while (!add(events_.get(), folder, kInFolder, watched) && folder.has_relative_path())
            folder = folder.parent_path();  // where it would be made
        std::error_code error;
        const auto target = std::filesystem::read_symlink(file, error);
        if (error) break;
        file = file.parent_path() / target;
    }
    add(events_.get(), file, kOfFile, watched);
}

}  // namespace muster::os
