#pragma once

#include <memory>

#include "os/file_descriptor.h"
#include "os/file_watch.h"

#include "muster/error.h"

namespace muster::os {

/// Tells that something about interfaces, addresses, routes, rules, neighbours or DNS servers may have changed; what, has to be
/// read. A resource; one thread or strand.
class NetworkWatch {
public:
    /// What changes from now on is told. Errors: system.
    static Result<std::unique_ptr<NetworkWatch>> open();

    /// Reads what has come, without waiting. True if something may have changed; also when events were lost.
    bool receive();
    /// For waiting only (readable); the watch keeps it.
    int native_handle() const { return poll_.get(); }

private:
    NetworkWatch(FileDescriptor poll, FileDescriptor kernel, FileWatch files)
        : poll_(std::move(poll)), kernel_(std::move(kernel)), files_(std::move(files)) {}

    FileDescriptor poll_;    // epoll over the two others
    FileDescriptor kernel_;  // rtnetlink
    FileWatch files_;        // of DNS servers; nothing comes where the kernel has no instance left
};

}  // namespace muster::os
