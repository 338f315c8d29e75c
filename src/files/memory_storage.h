#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/file_storage.h"

namespace muster::files {

/// A file system in memory, for tests and simulations: directories are prefixes, any of its operations can be
/// made to fail, and its space is limited. It outlives the sources and sinks that it hands out. One thread.
class MemoryStorage final : public FileStorage {
public:
    struct File {
        Bytes octets;
        FileStat stat;
    };

    Result<std::unique_ptr<FileSource>> open(const std::string& path) override;
    Result<std::unique_ptr<FileSink>> create(const PartSpec& spec) override;

    /// Puts a file there or replaces its content; its modification time advances by a second.
    void put(const std::string& path, Bytes octets);
    /// Puts another file (another inode) of this content in its place.
    void replace(const std::string& path, Bytes octets);
    const std::map<std::string, std::shared_ptr<File>>& files() const { return files_; }

    /// Octets that fit in all.
    void limit_space(std::uint64_t octets) { space_ = octets; }
    /// The operation with this number (from 0) fails with Errc::storage; those before and after succeed.
    void fail_at(std::uint64_t operation) { fail_at_ = operation; }
    std::uint64_t operations() const { return operations_; }

private:
    friend class MemorySource;
    friend class MemorySink;

    Result<void> step(const char* what);
    std::uint64_t used() const;

    std::map<std::string, std::shared_ptr<File>> files_;
    std::uint64_t space_ = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t operations_ = 0;
    std::uint64_t fail_at_ = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t next_inode_ = 1;
};

}  // namespace muster::files
