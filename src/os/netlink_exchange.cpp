#include "os/netlink_exchange.h"

#include <cerrno>
#include <string>

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "os/system_error.h"

namespace muster::os {
namespace {

constexpr timeval kPatience{.tv_sec = 1, .tv_usec = 0};
constexpr std::size_t kAnswerSize = 32768;  // the kernel sends no more in one message

}  // namespace

Result<NetlinkExchange> NetlinkExchange::open(int protocol) {
    FileDescriptor socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)};
    if (!socket.is_open()) return system_error("open a netlink socket", errno);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    return NetlinkExchange{std::move(socket)};
}

Result<Bytes> NetlinkExchange::ask(ByteView question, std::string_view attempt) {
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    if (::sendto(socket_.get(), question.data(), question.size(), 0,
                 reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0)
        return system_error(attempt, errno);
    Bytes answer(kAnswerSize);
    ssize_t size = 0;
    do size = ::recv(socket_.get(), answer.data(), answer.size(), 0);
    while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN)
        return Error{Errc::timed_out, std::string{attempt} + ": the kernel did not answer"};
    if (size < 0) return system_error(attempt, errno);
    answer.resize(static_cast<std::size_t>(size));
    const auto* message = reinterpret_cast<const nlmsghdr*>(answer.data());
    if (!mnl_nlmsg_ok(message, static_cast<int>(size))) return system_error(attempt, EBADMSG);
    return answer;
}

int refusal_in(ByteView answer) {
    const auto* message = reinterpret_cast<const nlmsghdr*>(answer.data());
    if (message->nlmsg_type != NLMSG_ERROR) return 0;
    if (message->nlmsg_len < sizeof(nlmsghdr) + sizeof(nlmsgerr)) return EBADMSG;
    return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
}

}  // namespace muster::os
