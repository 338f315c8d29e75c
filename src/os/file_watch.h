#pragma once

#include <filesystem>
#include <vector>

#include "os/file_descriptor.h"

namespace muster::os {

/// Tells that one of some files may have changed: written, replaced, made, removed, also where it is a symbolic link to somewhere else,
/// or where not even its folder exists yet. What has changed has to be read. A resource; one thread or strand.
class FileWatch {
public:
    /// `files`: absolute. What changes from now on is told. Where the kernel has no inotify instance left, nothing ever is.
    explicit FileWatch(std::vector<std::filesystem::path> files);

    /// Reads what has come, without waiting. True if something may have changed.
    bool receive();
    /// For waiting only (readable); -1 if there is none.
    int native_handle() const { return events_.get(); }

private:
    void follow_all();
    void follow(std::filesystem::path file, std::vector<int>& watched);

    FileDescriptor events_;  // inotify
    std::vector<std::filesystem::path> files_;
    std::vector<int> watched_;  // what the names lead to now
};

}  // namespace muster::os
