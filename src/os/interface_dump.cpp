#include "os/interface_dump.h"

#include <array>
#include <cerrno>
#include <chrono>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include "os/file_descriptor.h"
#include "os/interface_kind.h"
#include "os/netlink_socket.h"
#include "os/system_error.h"

namespace muster {
namespace os {
namespace {

// The kernel fills up to 32 KiB per read of a dump.
constexpr std::size_t kBufferSize = 32768;
// A dump takes well below a millisecond for a dozen interfaces, some 50 for thousands.
constexpr std::chrono::milliseconds kPatience{1000};
constexpr int kAttempts = 8;
// More than a socket holds; if events pour in faster than they are read, the rest is applied.
constexpr int kMostQueued = 1 << 16;

}  // namespace

InterfaceDump::InterfaceDump(int socket)
    : socket_(socket), buffer_(std::make_unique_for_overwrite<std::byte[]>(kBufferSize)) {}

std::span<std::byte> InterfaceDump::buffer() { return {buffer_.get(), kBufferSize}; }

Result<InterfaceTable> InterfaceDump::read() {
    const TimePoint deadline = SteadyClock::now() + kPatience;
    Result<> done;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        discard_queued();
        InterfaceTable table;
        bool interrupted = false;
        done = read_part(RTM_GETLINK, table, interrupted, deadline);
        if (done && !interrupted) done = read_part(RTM_GETADDR, table, interrupted, deadline);
        if (done && !interrupted) return table;
        if (SteadyClock::now() >= deadline) break;
    }
    if (!done) return done.error();
    return Error{Errc::timed_out, "reading the interfaces: they never stopped changing"};
}

/// What is queued by now is older than the answer will be, and could bring back what is gone: the message that says so may be
/// among those that the kernel has dropped.
void InterfaceDump::discard_queued() {
    for (int i = 0; i < kMostQueued; ++i)
        if (read_netlink(socket_, buffer(), MSG_DONTWAIT) == -EAGAIN) return;
}

Result<> InterfaceDump::read_part(std::uint16_t what, InterfaceTable& table, bool& interrupted,
                                  TimePoint deadline) {
    if (auto asked = request(what); !asked) return asked;
    for (auto now = SteadyClock::now(); now < deadline; now = SteadyClock::now()) {
        const auto size = read_netlink(socket_, buffer(), MSG_DONTWAIT);
        if (size == -EAGAIN) {
            pollfd wait{socket_, POLLIN, 0};
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now);
            ::poll(&wait, 1, static_cast<int>(left.count()));
            continue;
        }
        if (size == -ENOBUFS ||
            size == -EMSGSIZE) {  // events were lost: this dump may be older than they were
            interrupted = true;
            continue;
        }
        if (size < 0) return system_error("read the interfaces", static_cast<int>(-size));
        const auto outcome = table.apply(buffer().first(static_cast<std::size_t>(size)), sequence_);
        interrupted |= outcome.interrupted;
        if (outcome.error != 0) return system_error("read the interfaces", outcome.error);
        if (outcome.dump_done) return {};
    }
    return Error{Errc::timed_out, "reading the interfaces: the kernel did not answer"};
}

Result<> InterfaceDump::request(std::uint16_t what) {
    alignas(nlmsghdr) std::array<std::byte, 128> octets{};
    nlmsghdr* message = mnl_nlmsg_put_header(octets.data());
    message->nlmsg_type = what;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = ++sequence_;
    if (what == RTM_GETLINK) {
        mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg));
        mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    } else {
        mnl_nlmsg_put_extra_header(message, sizeof(ifaddrmsg));
    }
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    if (::sendto(socket_, message, message->nlmsg_len, 0, reinterpret_cast<const sockaddr*>(&kernel),
                 sizeof kernel) < 0)
        return system_error("ask for the interfaces", errno);
    return {};
}

}  // namespace os

Result<std::vector<Interface>> interfaces() {
    const os::FileDescriptor socket{
        ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)};
    if (!socket.is_open()) return os::system_error("open a netlink socket", errno);
    auto table = os::InterfaceDump{socket.get()}.read();
    if (!table) return table.error();
    auto all = std::move(*table).snapshot();
    for (Interface& each : all)
        os::classify(each, os::needs_marks(each) ? os::device_marks(each) : os::DeviceMarks{});
    return all;
}

}  // namespace muster
