#pragma once

// The fixed parts of netlink messages; only for the .cpp files of this folder and its tests.

#include <cerrno>
#include <cstddef>

#include <libmnl/libmnl.h>
#include <linux/netlink.h>

namespace muster::os {

/// The header of its type after netlink's own; nullptr if the message is too short for it.
template <class T>
const T* header_of(const nlmsghdr& message) {
    if (message.nlmsg_len < static_cast<std::size_t>(NLMSG_HDRLEN) + sizeof(T)) return nullptr;
    return static_cast<const T*>(mnl_nlmsg_get_payload(&message));
}

/// The errno with which an answer ends; 0: it is whole. NLMSG_ERROR and NLMSG_DONE begin with it alike: a dump that the kernel
/// breaks off (EAFNOSUPPORT, EMSGSIZE) says so in its NLMSG_DONE. EBADMSG: what stands there is none.
inline int error_in(const nlmsghdr& message) {
    constexpr int kLargestErrno = 4096;  // as the kernel has it: MAX_ERRNO
    const int* error = header_of<int>(message);
    if (error == nullptr) return message.nlmsg_type == NLMSG_DONE ? 0 : EBADMSG;
    // The kernel sends 0 or a negated errno; other numbers have no negation, or are no errno.
    return *error <= 0 && *error > -kLargestErrno ? -*error : EBADMSG;
}

}  // namespace muster::os
