#include "os/membership_report.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "os/file_descriptor.h"
#include "os/socket_message.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

constexpr std::uint8_t kToExcludeNothing = 4;  // CHANGE_TO_EXCLUDE_MODE, in both protocols
constexpr std::uint8_t kIgmpReport = 0x22, kMldReport = 143;

/// RFC 1071.
std::uint16_t checksum(std::span<const std::uint8_t> octets) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < octets.size(); i += 2)
        sum += static_cast<std::uint32_t>(octets[i] << 8 | octets[i + 1]);
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

int send_to(int socket, const IpAddress& routers, InterfaceIndex interface,
            std::span<const std::uint8_t> report) {
    SocketAddress name{};
    const socklen_t size = to_socket_address({routers, 0, interface}, name);
    return ::sendto(socket, report.data(), report.size(), MSG_NOSIGNAL, &name.any, size) < 0 ? errno : 0;
}

int report_v4(const IpAddress& group, InterfaceIndex interface) {
    const FileDescriptor socket{::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_IGMP)};
    if (!socket.is_open()) return errno;
    ip_mreqn by{};
    by.imr_ifindex = static_cast<int>(interface);
    constexpr std::array<std::uint8_t, 4> kRouterAlert{0x94, 4, 0, 0};  // RFC 2113
    if (::setsockopt(socket.get(), IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof by) != 0) return errno;
    ::setsockopt(socket.get(), IPPROTO_IP, IP_OPTIONS, kRouterAlert.data(), kRouterAlert.size());
    std::array<std::uint8_t, 16> report{kIgmpReport, 0, 0, 0, 0, 0, 0, 1, kToExcludeNothing, 0, 0, 0};
    const auto octets = group.v4();
    std::memcpy(report.data() + 12, octets.data(), octets.size());
    const auto sum = checksum(report);
    report[2] = static_cast<std::uint8_t>(sum >> 8);
    report[3] = static_cast<std::uint8_t>(sum);
    return send_to(socket.get(), IpAddress{IpAddress::V4{224, 0, 0, 22}}, interface, report);
}

int report_v6(const IpAddress& group, InterfaceIndex interface) {
    const FileDescriptor socket{::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6)};
    if (!socket.is_open()) return errno;
    constexpr std::array<std::uint8_t, 8> kRouterAlert{0, 0, 5, 2,
                                                       0, 0, 1, 0};  // RFC 2711; its end is padding
    if (::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_HOPOPTS, kRouterAlert.data(), kRouterAlert.size()) != 0)
        return errno;
    (void)set_option(socket.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1, "IPV6_MULTICAST_HOPS");
    std::array<std::uint8_t, 28> report{kMldReport, 0, 0, 0, 0, 0, 0, 1, kToExcludeNothing, 0, 0, 0};
    std::memcpy(report.data() + 12, group.v6().data(), group.v6().size());  // the kernel adds the checksum
    IpAddress::V6 routers{0xff, 2};
    routers[15] = 0x16;
    return send_to(socket.get(), IpAddress{routers}, interface, report);
}

}  // namespace

Result<> report_membership(const IpAddress& group, InterfaceIndex interface) {
    const int error = group.is_v6() ? report_v6(group, interface) : report_v4(group, interface);
    if (error == 0) return {};
    return system_error("announce " + group.to_string(), error);
}

}  // namespace muster::os
