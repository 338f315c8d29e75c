#include "os/socket_holders.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <memory>
#include <string_view>
#include <utility>

#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/file_descriptor.h"

namespace muster::os {
namespace {

// Some fifty milliseconds. Any user can open more, and whoever asks holds a strand up meanwhile.
constexpr std::size_t kMostDescriptors = 65536;

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

Directory open_directory(const std::string& path) { return {::opendir(path.c_str()), ::closedir}; }

template <class T>
std::optional<T> number(std::string_view text) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional{value} : std::nullopt;
}

/// The inode in "socket:[4711]".
std::optional<std::uint32_t> socket_inode(std::string_view target) {
    constexpr std::string_view kBegin = "socket:[";
    if (!target.starts_with(kBegin) || !target.ends_with(']')) return std::nullopt;
    return number<std::uint32_t>(target.substr(kBegin.size(), target.size() - kBegin.size() - 1));
}

class Search {
public:
    explicit Search(const std::set<std::uint32_t>& wanted) : wanted_(wanted) {}

    std::map<std::uint32_t, SocketHolder> run() {
        const auto processes = open_directory("/proc");
        while (const dirent* entry = processes ? ::readdir(processes.get()) : nullptr) {
            if (is_over()) break;
            if (const auto pid = number<int>(entry->d_name)) search(*pid);
        }
        return std::move(found_);
    }

private:
    bool is_over() const { return found_.size() == wanted_.size() || looked_at_ >= kMostDescriptors; }

    void search(int pid) {
        const auto descriptors = open_directory("/proc/" + std::to_string(pid) + "/fd");
        while (const dirent* entry = descriptors ? ::readdir(descriptors.get()) : nullptr) {
            if (is_over()) return;
            ++looked_at_;
            std::array<char, 64> target{};
            const auto size =
                ::readlinkat(::dirfd(descriptors.get()), entry->d_name, target.data(), target.size());
            if (size <= 0) continue;
            const auto inode = socket_inode({target.data(), static_cast<std::size_t>(size)});
            const auto descriptor = number<int>(entry->d_name);
            if (inode && descriptor && wanted_.contains(*inode))
                found_.try_emplace(*inode, SocketHolder{pid, *descriptor});
        }
    }

    const std::set<std::uint32_t>& wanted_;
    std::map<std::uint32_t, SocketHolder> found_;
    std::size_t looked_at_ = 0;
};

}  // namespace

std::map<std::uint32_t, SocketHolder> holders_of(const std::set<std::uint32_t>& inodes) {
    return Search{inodes}.run();
}

std::string name_of(const SocketHolder& holder) {
    const auto pid = std::to_string(holder.pid);
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{
        std::fopen(("/proc/" + pid + "/comm").c_str(), "re"), std::fclose};
    std::array<char, 64> name{};
    const auto size = file ? std::fread(name.data(), 1, name.size(), file.get()) : 0;
    std::string text{name.data(), size};
    text.erase(std::min(text.find('\n'), text.size()));
    return text + " (" + pid + ")";
}

std::optional<bool> hears_others_groups_v6(const SocketHolder& holder) {
    const FileDescriptor process{static_cast<int>(::syscall(SYS_pidfd_open, holder.pid, 0))};
    if (!process.is_open()) return std::nullopt;
    const FileDescriptor copy{
        static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), holder.descriptor, 0))};
    int value = 1;
    socklen_t size = sizeof value;
    if (!copy.is_open() || ::getsockopt(copy.get(), IPPROTO_IPV6, IPV6_MULTICAST_ALL, &value, &size) != 0)
        return std::nullopt;
    return value != 0;
}

}  // namespace muster::os
