#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "muster/bytes.h"
#include "muster/error.h"
#include "muster/file_transfer.h"

namespace muster {

/// What tells one state of a file from another. A file is taken as unchanged while all of it stays equal.
struct FileStat {
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;  ///< Since 1970; negative before.
    std::uint64_t device = 0;
    std::uint64_t inode = 0;

    bool operator==(const FileStat&) const = default;
};

/// One file open for reading. Calls may block; one at a time.
class FileSource {
public:
    virtual ~FileSource() = default;
    /// The file as it is now. If its path names another file by now, that one's: so a replacement shows. A
    /// file that was merely unlinked is unchanged.
    virtual Result<FileStat> stat() = 0;
    /// Reads up to out.size() octets; fewer only at the end of the file. Errors: storage.
    virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) = 0;
};

/// The names of part files: the prefix, kPartDigits characters of base32, the suffix. Only such files are
/// taken for leftovers of ours.
inline constexpr std::string_view kPartPrefix = ".muster-";
inline constexpr std::string_view kPartSuffix = ".part";
inline constexpr std::size_t kPartDigits = 24;

/// Where a part file is made.
struct PartSpec {
    std::string directory;
    std::string part_name;   ///< One path component.
    std::uint64_t size = 0;  ///< Expected octets, for the early check of free space.
};

/// One file being written under a temporary name. Calls may block; one at a time.
/// Whoever destroys it before publish() succeeded leaves nothing behind.
/// Messages of its errors name no path, for they are told to the peer; paths stand in the evidence.
class FileSink {
public:
    virtual ~FileSink() = default;
    /// Errors: storage (full, quota, read-only, I/O).
    virtual Result<void> write_at(std::uint64_t offset, ByteView octets) = 0;
    /// Sets the modification time if there is one and syncs the octets to disk. Errors: storage.
    virtual Result<void> sync(const std::optional<FileTime>& modified) = 0;
    /// Gives the file its name (one path component, checked by the caller), never overwriting, and returns
    /// the path. May be tried again with another name. Errors: already_exists, storage.
    virtual Result<std::string> publish(const std::string& name) = 0;
    /// Removes the part file. Twice is harmless.
    virtual void discard() noexcept = 0;
};

/// The file system as file transfer needs it: real in os/, in memory with faults for tests and simulations.
class FileStorage {
public:
    virtual ~FileStorage() = default;
    /// Errors: bad_input (no such file, not a regular file), storage.
    virtual Result<std::unique_ptr<FileSource>> open(const std::string& path) = 0;
    /// Errors: storage (no such directory, full, read-only, permission), each with its cure.
    virtual Result<std::unique_ptr<FileSink>> create(const PartSpec& spec) = 0;
};

}  // namespace muster
