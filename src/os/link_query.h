#pragma once

#include <utility>

#include "os/netlink_socket.h"

#include "muster/bytes.h"
#include "muster/ids.h"

namespace muster::os {

/// Asks the kernel about one interface at a time. One thread or strand.
class LinkQuery {
public:
    enum class Counters { left_out, included };

    /// Errors: system.
    static Result<LinkQuery> open();

    /// The RTM_NEWLINK message about an interface, whole. Errors: no_interface, system, timed_out (no answer within a
    /// second).
    Result<Bytes> ask(InterfaceIndex index, Counters counters);

    /// For the ioctls that any socket takes.
    int native_handle() const { return kernel_.native_handle(); }

private:
    explicit LinkQuery(NetlinkSocket kernel) : kernel_(std::move(kernel)) {}

    NetlinkSocket kernel_;
};

/// "there is no interface 7, or no more", with the cure.
Error no_such_interface(InterfaceIndex index);

}  // namespace muster::os
