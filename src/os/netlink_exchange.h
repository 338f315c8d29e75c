#pragma once

#include <string_view>
#include <utility>

#include "os/file_descriptor.h"

#include "muster/bytes.h"
#include "muster/error.h"

namespace muster::os {

/// One question to the kernel by netlink, and its one answer. One thread or strand.
class NetlinkExchange {
public:
    /// `protocol`: NETLINK_ROUTE, NETLINK_GENERIC. Errors: system, unsupported.
    static Result<NetlinkExchange> open(int protocol);

    /// Sends `question`, one whole message, and waits for the first that comes back: at least a header, all of it there.
    /// It may be a refusal (refusal_in). `attempt` begins the text of errors: system, timed_out (nothing within a second).
    Result<Bytes> ask(ByteView question, std::string_view attempt);

    /// For the ioctls that any socket takes.
    int native_handle() const { return socket_.get(); }

private:
    explicit NetlinkExchange(FileDescriptor socket) : socket_(std::move(socket)) {}

    FileDescriptor socket_;
};

/// The errno of an answer that is a refusal; 0 for one that is none.
int refusal_in(ByteView answer);

}  // namespace muster::os
