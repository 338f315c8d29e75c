#pragma once

#include <mutex>
#include <set>
#include <utility>

#include "base/file_storage.h"

namespace muster::os {

/// Files on disk, for file transfer. Calls block; any thread, objects one at a time.
///
/// Sinks: the part file is made in the target directory (O_EXCL, mode 0600) relative to a directory that is
/// opened once, so that a directory that is moved or replaced by a symbolic link meanwhile leads nowhere
/// else. Publishing syncs file and directory, gives the mode that the umask leaves of 0666, and never
/// overwrites: renameat2(RENAME_NOREPLACE), or link and unlink on file systems without it. What others who may
/// write to the directory put in the place of the part is not published as it. Errors name no path in their
/// message (peers are told it), but in the evidence. With the first sink in a directory, part
/// files that killed processes left there are removed (stale_parts.h).
class FileStore final : public FileStorage {
public:
    /// Opens a regular file; symbolic links to one are followed, for the path is our own user's.
    Result<std::unique_ptr<FileSource>> open(const std::string& path) override;
    Result<std::unique_ptr<FileSink>> create(const PartSpec& spec) override;

private:
    void sweep_once(int directory);

    std::mutex mutex_;  // guards swept_: several transfers begin at once
    std::set<std::pair<std::uint64_t, std::uint64_t>> swept_;  // directories, by device and inode
};

}  // namespace muster::os
