#include "os/files.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/random.h"
#include "os/file_descriptor.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

Error storage_error(const std::string& attempt, int error) {
    const Error plain = system_error(attempt, error);
    return Error{Errc::storage, plain.message()}.cure(
        !plain.cure().empty() ? plain.cure()
                              : "check that the directory exists, is yours, and that its disk has room");
}

std::string directory_of(const std::string& path) {
    const auto parent = std::filesystem::path{path}.parent_path().string();
    return parent.empty() ? "." : parent;
}

std::string temporary_beside(const std::string& path) {
    std::array<std::byte, 8> random;
    SystemRandomness{}.fill(random);
    return path + "." + hex(random) + ".tmp";
}

int write_all(int file, std::string_view content) {
    while (!content.empty()) {
        const ssize_t written = ::write(file, content.data(), content.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return ::fsync(file) == 0 ? 0 : errno;
}

int write_new(const std::string& path, std::string_view content) {
    FileDescriptor file{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!file.is_open()) return errno;
    const int error = write_all(file.get(), content);
    return error ? error : file.close();
}

void sync_directory(const std::string& path) {
    const FileDescriptor directory{::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (directory.is_open())
        (void)::fsync(directory.get());  // some file systems cannot; then the rename stands as it is
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t limit) {
    // Nonblocking, for a FIFO in this place would otherwise be waited for until somebody writes to it.
    const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    const int error = file.is_open() ? 0 : errno;
    if (error == ENOENT) return Error{Errc::bad_input, "there is no file " + path};
    if (error != 0) return storage_error("open " + path, error);
    struct stat facts{};
    if (::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode))
        return Error{Errc::storage, path + " is not a regular file"};
    std::string content;
    char piece[4096];
    while (true) {
        const ssize_t size = ::read(file.get(), piece, sizeof piece);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return storage_error("read " + path, errno);
        if (size == 0) return content;
        content.append(piece, static_cast<std::size_t>(size));
        if (content.size() > limit)
            return Error{Errc::too_large, path + " is larger than " + std::to_string(limit) + " octets"};
    }
}

Result<bool> write_file(const std::string& path, std::string_view content, IfPresent if_present) {
    const std::string temporary = temporary_beside(path);
    int error = write_new(temporary, content);
    if (!error && if_present == IfPresent::replace)
        error = std::rename(temporary.c_str(), path.c_str()) == 0 ? 0 : errno;
    if (!error && if_present == IfPresent::keep)
        error = ::link(temporary.c_str(), path.c_str()) == 0 ? 0 : errno;
    if (error || if_present == IfPresent::keep) (void)::unlink(temporary.c_str());
    if (error == EEXIST && if_present == IfPresent::keep) return false;
    if (error) return storage_error("write " + path, error);
    sync_directory(path);
    return true;
}

Result<void> make_file_private(const std::string& path) {
    const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)};
    if (!file.is_open()) return storage_error("open " + path, errno);
    struct stat facts{};
    if (::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode))
        return Error{Errc::storage, path + " is not a regular file"};
    if (facts.st_uid != ::geteuid()) return Error{Errc::storage, path + " belongs to another user"};
    if ((facts.st_mode & 0777) == 0600 || ::fchmod(file.get(), 0600) == 0) return {};
    return storage_error("make private " + path, errno);
}

Result<bool> remove_file(const std::string& path) {
    if (::unlink(path.c_str()) == 0) return true;
    if (errno == ENOENT) return false;
    return storage_error("remove " + path, errno);
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
    std::error_code error;
    std::vector<std::string> names;
    std::filesystem::directory_iterator each{path, error};
    if (error == std::errc::no_such_file_or_directory) return names;
    for (; !error && each != std::filesystem::directory_iterator{}; each.increment(error))
        names.push_back(each->path().filename().string());
    if (error) return storage_error("list " + path, error.value());
    return names;
}

Result<void> make_private_directory(const std::string& path) {
    struct stat facts{};
    if (::stat(path.c_str(), &facts) == 0) {
        if (!S_ISDIR(facts.st_mode)) return storage_error("make directory " + path, ENOTDIR);
        return {};
    }
    const std::string parent = directory_of(path);
    if (parent != path && parent != ".")
        if (auto made = make_private_directory(parent); !made) return made;
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
    return storage_error("make directory " + path, errno);
}

namespace {

/// Whoever may write to the directory may exchange the device key.
Result<void> refuse_public(const std::string& path) {
    struct stat facts{};
    if (::stat(path.c_str(), &facts) != 0 || (facts.st_mode & S_IWOTH) == 0) return {};
    return Error{Errc::storage, "anybody may write to the state directory " + path}.cure("chmod o-w " + path);
}

}  // namespace

Result<std::string> state_directory() {
    const auto variable = [](const char* name) -> std::string {
        const char* value = std::getenv(name);
        return value ? value : "";
    };
    std::string path = variable("MUSTER_HOME");
    // A relative XDG_STATE_HOME is to be ignored (XDG Base Directory Specification).
    if (path.empty() && variable("XDG_STATE_HOME").starts_with('/'))
        path = variable("XDG_STATE_HOME") + "/muster";
    if (path.empty() && !variable("HOME").empty()) path = variable("HOME") + "/.local/state/muster";
    if (path.empty())
        return Error{Errc::storage,
                     "no place for the device key: none of MUSTER_HOME, XDG_STATE_HOME, HOME is set"}
            .cure("set MUSTER_HOME to a directory of this user");
    if (auto made = make_private_directory(path); !made) return made.error();
    if (auto safe = refuse_public(path); !safe) return safe.error();
    return path;
}

}  // namespace muster::os
