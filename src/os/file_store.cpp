#include "os/file_store.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "os/file_descriptor.h"
#include "os/stale_parts.h"

namespace muster::os {
namespace {

constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
// Written octets are handed to the disk this often, so that the sync at the end has little left to do. Large
// enough for one sweep of a slow disk, small against the 30 s after which the kernel would begin by itself.
constexpr std::uint64_t kWriteBackEvery = 8 * 1024 * 1024;

constexpr int kNewPart = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
constexpr int kMaxAttempts = 8;        // each lost to a sweep of another process
constexpr std::size_t kMaxSwept = 64;  // directories remembered

std::string text_of(int error) { return std::string(std::strerror(error)); }

std::string cure_of(int error, const std::string& where) {
    switch (error) {
        case ENOSPC: return "free space on the file system of " + where + ", or choose another directory";
        case EDQUOT: return "free space of this user's quota, or choose another directory than " + where;
        case EROFS: return where + " is on a read-only file system: remount it, or choose another directory";
        case EACCES:
        case EPERM: return "give this user the permission, or choose another place than " + where;
        case ENOENT:
        case ENOTDIR: return "create the directory " + where + ", or choose another one";
        case EFBIG: return "choose a directory on a file system that takes files of this size";
        case EIO: return "check the disk under " + where;
        case EMFILE:
        case ENFILE: return "raise the limit of open files (ulimit -n)";
        default: return "";
    }
}

Error failure(const char* attempt, const std::string& where, int error) {
    return Error{Errc::storage, std::string(attempt) + ": " + text_of(error)}
        .saw({"storage", where, text_of(error)})
        .cure(cure_of(error, where));
}

template <class Call>
auto retried(Call call) {
    for (;;) {
        const auto result = call();
        if (result != -1 || errno != EINTR) return result;
    }
}

FileStat stat_of(const struct stat& raw) {
    return {static_cast<std::uint64_t>(raw.st_size),
            raw.st_mtim.tv_sec * kNanosecondsPerSecond + raw.st_mtim.tv_nsec, raw.st_dev, raw.st_ino};
}

// The umask without changing it: umask(2) can only be read by setting it, which other threads would notice.
std::optional<mode_t> process_umask() {
    std::ifstream status{"/proc/self/status"};
    for (std::string line; std::getline(status, line);) {
        unsigned mask = 0;
        if (std::sscanf(line.c_str(), "Umask: %o", &mask) == 1) return static_cast<mode_t>(mask);
    }
    return std::nullopt;
}

class DiskSource final : public FileSource {
public:
    DiskSource(FileDescriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

    Result<FileStat> stat() override {
        struct stat opened{}, named{};
        if (::fstat(file_.get(), &opened) != 0) return failure("reading the file's state", path_, errno);
        const bool replaced = ::stat(path_.c_str(), &named) == 0 &&
                              (named.st_ino != opened.st_ino || named.st_dev != opened.st_dev);
        return stat_of(replaced ? named : opened);
    }

    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) override {
        std::size_t done = 0;
        while (done < out.size()) {
            const auto from = static_cast<off_t>(offset + done);
            const auto count =
                retried([&] { return ::pread(file_.get(), out.data() + done, out.size() - done, from); });
            if (count < 0) return failure("reading the file", path_, errno);
            if (count == 0) break;
            done += static_cast<std::size_t>(count);
        }
        return done;
    }

private:
    FileDescriptor file_;
    std::string path_;
};

class DiskSink final : public FileSink {
public:
    DiskSink(FileDescriptor directory, FileDescriptor file, const PartSpec& spec)
        : directory_(std::move(directory)), file_(std::move(file)), spec_(spec) {}
    DiskSink(const DiskSink&) = delete;
    DiskSink& operator=(const DiskSink&) = delete;
    ~DiskSink() override { discard(); }

    Result<void> write_at(std::uint64_t offset, ByteView octets) override;
    Result<void> sync(const std::optional<FileTime>& modified) override;
    Result<std::string> publish(const std::string& name) override;
    void discard() noexcept override;

private:
    int rename_to(const std::string& name) const;
    Error exchanged() const;

    FileDescriptor directory_;
    FileDescriptor file_;
    PartSpec spec_;
    std::uint64_t written_back_ = 0;
    bool there_ = true;  // under its temporary name
};

Result<void> DiskSink::write_at(std::uint64_t offset, ByteView octets) {
    std::uint64_t at = offset;
    while (!octets.empty()) {
        const auto count = retried(
            [&] { return ::pwrite(file_.get(), octets.data(), octets.size(), static_cast<off_t>(at)); });
        if (count < 0) return failure("writing the file", spec_.directory, errno);
        octets = octets.subspan(static_cast<std::size_t>(count));
        at += static_cast<std::uint64_t>(count);
    }
    if (at - written_back_ < kWriteBackEvery) return {};
    // Only a hint: sync() is what counts, and reports what went wrong.
    (void)::sync_file_range(file_.get(), static_cast<off_t>(written_back_),
                            static_cast<off_t>(at - written_back_), SYNC_FILE_RANGE_WRITE);
    written_back_ = at;
    return {};
}

Result<void> DiskSink::sync(const std::optional<FileTime>& modified) {
    // Without /proc the file stays private (0600): too narrow is safe.
    if (const auto mask = process_umask())
        if (::fchmod(file_.get(), 0666 & ~*mask) != 0 &&
            errno != EPERM)  // EPERM: FAT and the like have no modes
            return failure("setting the file's mode", spec_.directory, errno);
    if (modified) {
        const auto since = modified->time_since_epoch();
        const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
        const timespec when{static_cast<time_t>(seconds.count()),
                            static_cast<long>((since - seconds).count())};
        const timespec times[2] = {{0, UTIME_OMIT}, when};
        if (::futimens(file_.get(), times) != 0)
            return failure("setting the file's time", spec_.directory, errno);
    }
    if (retried([&] { return ::fsync(file_.get()); }) != 0)
        return failure("syncing the file to disk", spec_.directory, errno);
    return {};
}

// errno, or 0. Never replaces what is there.
int DiskSink::rename_to(const std::string& name) const {
    const int at = directory_.get();
    const char* part = spec_.part_name.c_str();
    if (::syscall(SYS_renameat2, at, part, at, name.c_str(), RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return errno;
    if (::linkat(at, part, at, name.c_str(), 0) != 0) return errno;
    (void)::unlinkat(at, part, 0);  // should this fail, the file has two names, and nothing is lost
    return 0;
}

Error DiskSink::exchanged() const {
    return Error{Errc::storage, "the part file was removed or exchanged meanwhile, by another program"}
        .saw({"storage", spec_.directory + "/" + spec_.part_name, "it is not the file that was written"})
        .cure("receive into a directory that only this user may write to");
}

// A directory may be shared: others can put a file of theirs in the place of the part at any moment. What is
// given the name must be the file that was written and whose SHA-256 was checked, so it is looked at before
// and, because only that is certain, afterwards.
Result<std::string> DiskSink::publish(const std::string& name) {
    if (!there_) return Error{Errc::storage, "the part file is gone"};
    if (!is_named(directory_.get(), file_.get(), spec_.part_name)) return exchanged();
    const int error = rename_to(name);
    if (error == EEXIST) {
        return Error{Errc::already_exists, "a file of this name is there already"}
            .saw({"storage", spec_.directory + "/" + name, text_of(error)})
            .cure("move it away, choose another name, or let the new one be numbered");
    }
    if (error != 0) return failure("naming the file", spec_.directory, error);
    there_ = false;
    if (!is_named(directory_.get(), file_.get(), name)) {
        const int at = directory_.get();  // whoever is told "failed" must not find a file
        (void)::syscall(SYS_renameat2, at, name.c_str(), at, spec_.part_name.c_str(), RENAME_NOREPLACE);
        return exchanged();
    }
    // The name must survive a power cut as the octets do. Some file systems cannot sync a directory (EINVAL).
    if (retried([&] { return ::fsync(directory_.get()); }) != 0 && errno == EIO) {
        (void)::unlinkat(directory_.get(), name.c_str(), 0);  // whoever is told "failed" must not find a file
        return failure("syncing the directory to disk", spec_.directory, EIO);
    }
    return spec_.directory + (spec_.directory.ends_with('/') ? "" : "/") + name;
}

void DiskSink::discard() noexcept {
    if (std::exchange(there_, false) && is_named(directory_.get(), file_.get(), spec_.part_name))
        (void)::unlinkat(directory_.get(), spec_.part_name.c_str(), 0);
}

// Better to decline now than to fail after an hour.
Result<void> check_room(int directory, const PartSpec& spec) {
    struct statvfs space{};
    if (::fstatvfs(directory, &space) == 0 && space.f_blocks > 0) {
        if ((space.f_flag & ST_RDONLY) != 0) return failure("creating the file", spec.directory, EROFS);
        const auto free = static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
        if (spec.size > free)
            return Error{Errc::storage, "the file has " + std::to_string(spec.size) +
                                            " octets and there is room for " + std::to_string(free) + ": " +
                                            text_of(ENOSPC)}
                .saw({"storage", spec.directory, std::to_string(free) + " octets free"})
                .cure(cure_of(ENOSPC, spec.directory));
    }
    rlimit largest{};
    // Beyond this limit a write does not fail, it kills the process (SIGXFSZ).
    if (::getrlimit(RLIMIT_FSIZE, &largest) == 0 && spec.size > largest.rlim_cur)
        return failure("creating a file of this size", spec.directory, EFBIG)
            .cure("raise the limit (ulimit -f)");
    return {};
}

}  // namespace

Result<std::unique_ptr<FileSource>> FileStore::open(const std::string& path) {
    // O_NONBLOCK: opening a FIFO would wait for its writer, and it is refused just below.
    FileDescriptor file{
        retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); })};
    if (!file.is_open() && (errno == ENOENT || errno == ENOTDIR))
        return Error{Errc::bad_input, "there is no file '" + path + "'"}.cure("check the path");
    if (!file.is_open()) return failure("opening the file", path, errno);
    struct stat raw{};
    if (::fstat(file.get(), &raw) != 0) return failure("reading the file's state", path, errno);
    if (!S_ISREG(raw.st_mode))
        return Error{Errc::bad_input, "'" + path + "' is not a regular file"}.cure(
            "send files; a directory can be packed first");
    (void)::posix_fadvise(file.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    return std::unique_ptr<FileSource>(std::make_unique<DiskSource>(std::move(file), path));
}

void FileStore::sweep_once(int directory) {
    struct stat raw{};
    if (::fstat(directory, &raw) != 0) return;
    {
        const std::lock_guard lock(mutex_);
        if (swept_.size() >= kMaxSwept) swept_.clear();  // to sweep again is only work
        if (!swept_.emplace(raw.st_dev, raw.st_ino).second) return;
    }
    if (const std::size_t removed = sweep_parts(directory); removed > 0)
        log_line(LogLevel::info,
                 "removed " + std::to_string(removed) + " part files that killed processes had left behind");
}

Result<std::unique_ptr<FileSink>> FileStore::create(const PartSpec& spec) {
    FileDescriptor directory{
        retried([&] { return ::open(spec.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); })};
    if (!directory.is_open()) return failure("opening the target directory", spec.directory, errno);
    sweep_once(directory.get());
    if (const auto room = check_room(directory.get(), spec); !room) return room.error();
    for (int attempt = 0;; ++attempt) {
        FileDescriptor file{
            retried([&] { return ::openat(directory.get(), spec.part_name.c_str(), kNewPart, 0600); })};
        const int error = file.is_open() ? 0 : errno;
        if (error == 0 && hold_part(directory.get(), file.get(), spec.part_name))
            return std::unique_ptr<FileSink>(
                std::make_unique<DiskSink>(std::move(directory), std::move(file), spec));
        // Another process swept the new file before it was held, or a dead one left it: once more.
        const bool again = error == 0 || (error == EEXIST && sweep_part(directory.get(), spec.part_name));
        if (again && attempt < kMaxAttempts) continue;
        if (error != 0 && error != EEXIST) return failure("creating the file", spec.directory, error);
        return Error{Errc::already_exists, "this very transfer is under way already"}
            .saw({"storage", spec.directory + "/" + spec.part_name, text_of(EEXIST)})
            .cure("wait for the other one; if no transfer is running, delete " + spec.directory + "/" +
                  spec.part_name);
    }
}

}  // namespace muster::os
