#include "control_paths.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

namespace muster::cli {

namespace fs = std::filesystem;

namespace {

constexpr char kOfSystem[] = "/run/muster";
constexpr std::size_t kMostProcesses = 256;

std::string own_directory() {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    return runtime && *runtime == '/' ? std::string{runtime} + "/muster" : kOfSystem;
}

/// Where this user may look, if they are there.
std::vector<std::string> directories() {
    std::vector<std::string> all{own_directory()};
    if (all.front() != kOfSystem) all.emplace_back(kOfSystem);
    std::error_code ignored;
    if (::geteuid() == 0)
        for (const auto& user : fs::directory_iterator{"/run/user", ignored})
            all.push_back(user.path() / "muster");
    // Behind a link of somebody else there may be anything.
    std::erase_if(all, [](const fs::path& each) {
        std::error_code trouble;
        return fs::symlink_status(each, trouble).type() != fs::file_type::directory;
    });
    return all;
}

/// Nobody else can put anything there, or something else in its place.
bool is_private(const std::string& directory) {
    struct stat status{};
    return ::lstat(directory.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
           status.st_uid == ::geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

}  // namespace

Result<std::string> control_directory() {
    std::string path = own_directory();
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return Error{Errc::storage, "cannot make " + path + ": " + std::generic_category().message(errno)}
            .cure("set XDG_RUNTIME_DIR to a directory of this user");
    if (!is_private(path))
        return Error{Errc::bad_input, path + " is not a directory where only this user may write"};
    return path;
}

std::vector<RunningProcess> running_processes() {
    std::vector<RunningProcess> found;
    for (const std::string& directory : directories()) {
        std::error_code ignored;
        for (const auto& entry : fs::directory_iterator{directory, ignored}) {
            const std::string name = entry.path().filename();
            std::uint32_t pid = 0;
            const auto [end, trouble] = std::from_chars(name.data(), name.data() + name.size(), pid);
            if (trouble != std::errc{} || std::string_view{end} != ".sock") continue;
            if (entry.symlink_status(ignored).type() != fs::file_type::socket) continue;
            if (found.size() < kMostProcesses) found.push_back({pid, entry.path()});
        }
    }
    std::ranges::sort(found, {}, &RunningProcess::pid);
    return found;
}

void remove_if_left_behind(const RunningProcess& process) {
    struct stat status{};
    const std::string& path = process.socket;
    const bool is_ours = is_private(fs::path{path}.parent_path()) && ::lstat(path.c_str(), &status) == 0 &&
                         S_ISSOCK(status.st_mode) && status.st_uid == ::geteuid();
    if (is_ours && ::kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH) ::unlink(path.c_str());
}

}  // namespace muster::cli
