// Texts and packets as the kernel and the wire give them, and what somebody may make of them.
#include "os/multicast_tables.h"

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "os/multicast_tap.h"
#include "os/udp_sockets.h"

namespace muster::os {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

Bytes octets(std::initializer_list<int> values) {
    Bytes out;
    for (const int value : values) out.push_back(static_cast<std::byte>(value));
    return out;
}

TEST(MulticastTables, ReadsMembershipsOfIpv4) {
    const auto read = parse_igmp(
        "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n"
        "1\tlo        :     1      V3\n"
        "\t\t\t\t010000E0     1 0:00000000\t\t0\n"
        "4\tV1andlonger: 2      V2\n"
        "\t\t\t\t070707EF     3 0:00000000\t\t1\n"
        "5\teth1      :     1    NONE\n"
        "\t\t\t\t010000E0     1 0:00000000\t\t0\n");
    EXPECT_THAT(read, ElementsAre(GroupMembership{InterfaceIndex{1}, ip("224.0.0.1"), 1, 3},
                                  GroupMembership{InterfaceIndex{4}, ip("239.7.7.7"), 3, 2},
                                  GroupMembership{InterfaceIndex{5}, ip("224.0.0.1"), 1, 0}));
}

TEST(MulticastTables, ReadsMembershipsOfIpv6) {
    const auto read = parse_igmp6("4    eth0            ff020000000000000000000000070007     2 0000000C 0\n");
    EXPECT_THAT(read, ElementsAre(GroupMembership{InterfaceIndex{4}, ip("ff02::7:7"), 2}));
}

TEST(MulticastTables, ReadsSourceFilters) {
    EXPECT_THAT(parse_mcfilter("Idx Device        MCA        SRC    INC    EXC\n"
                               "  4   eth0 0xef070707 0x0a090063      1      0\n"),
                ElementsAre(SourceFilter{InterfaceIndex{4}, ip("239.7.7.7"), ip("10.9.0.99"), 1, 0}));
    EXPECT_THAT(
        parse_mcfilter6(
            "Idx Device                Multicast Address                   Source Address    INC    EXC\n"
            "  4   eth0 ff020000000000000000000000070007 fe800000000000000000000000000099      0      2\n"),
        ElementsAre(SourceFilter{InterfaceIndex{4}, ip("ff02::7:7"), ip("fe80::99"), 0, 2}));
}

TEST(MulticastTables, ReadsCountersByTheirNames) {
    const std::string_view text =
        "TcpExt: SyncookiesSent IPReversePathFilter\nTcpExt: 1 59\nIpExt: InNoRoutes InMcastPkts\nIpExt: 0 "
        "7\n";
    EXPECT_EQ(counter_of(text, "TcpExt", "IPReversePathFilter"), 59u);
    EXPECT_EQ(counter_of(text, "IpExt", "InMcastPkts"), 7u);
    EXPECT_EQ(counter_of(text, "IpExt", "Nothing"), 0u);
    EXPECT_EQ(counter_of(text, "Ip", "InMcastPkts"), 0u);
    EXPECT_EQ(counter6_of("Ip6InDelivers                   \t12\nIp6InMcastPkts                  \t3\n",
                          "Ip6InMcastPkts"),
              3u);
}

TEST(MulticastTables, LeavesOutWhatMakesNoSense) {
    EXPECT_THAT(parse_igmp("\t\t\t\t070707EF     3\nx\teth0\n\t\t\t\t070707EF 3\n4\teth0\n\t\t\t\t0707 x\n"),
                IsEmpty());
    EXPECT_THAT(parse_igmp6("4 eth0 ff02 1\n4 eth0\n4\n\n-1 eth0 ff020000000000000000000000070007 1\n"),
                IsEmpty());
    EXPECT_THAT(parse_mcfilter("4 eth0 ef070707 0x0a090063 1 0\n4 eth0 0xef070707\n"), IsEmpty());
    EXPECT_EQ(counter_of("Ip: A B\nIp: 1\n", "Ip", "B"), 0u);
    EXPECT_EQ(counter_of("Ip: A B\n", "Ip", "B"), 0u);
    std::string many;
    for (int i = 0; i < 5000; ++i) many += "4 eth0 ff020000000000000000000000070007 1\n";
    EXPECT_EQ(parse_igmp6(many).size(), 4096u);
}

const Bytes kDatagramV4 = octets({0x45, 0, 0,   32, 0, 0, 0,    0,    1,    17,   0, 0,  10, 9,
                                  0,    1, 239, 7,  7, 7, 0x12, 0x34, 0x15, 0xe0, 0, 12, 0,  0});

TEST(MulticastTap, ReadsDatagramsAndQueries) {
    EXPECT_EQ(parse_tapped(kDatagramV4),
              (TappedPacket{TappedPacket::Kind::datagram, ip("10.9.0.1"), ip("239.7.7.7"), 5600}));
    const auto query = octets({0x46, 0, 0, 36, 0,    0, 0, 0, 1,    2,   0, 0, 10, 9, 0, 1,
                               224,  0, 0, 1,  0x94, 4, 0, 0, 0x11, 100, 0, 0, 0,  0, 0, 0});
    EXPECT_EQ(parse_tapped(query),
              (TappedPacket{TappedPacket::Kind::query, ip("10.9.0.1"), ip("224.0.0.1"), 0}));
    Bytes mld = octets({0x60, 0, 0, 0, 0, 36, 0, 1});
    mld.resize(40);
    const auto rest = octets({58, 0, 5, 2, 0, 0, 1, 0, 130, 0, 0, 0});
    mld.insert(mld.end(), rest.begin(), rest.end());
    ASSERT_TRUE(parse_tapped(mld));
    EXPECT_EQ(parse_tapped(mld)->kind, TappedPacket::Kind::query);
}

TEST(MulticastTap, TakesNoReportForAQueryAndNoFragmentForADatagram) {
    auto fragment = kDatagramV4;
    fragment[7] = std::byte{1};
    EXPECT_FALSE(parse_tapped(fragment));
    const auto report = octets(
        {0x45, 0, 0, 36, 0, 0, 0, 0, 1, 2, 0, 0, 10, 9, 0, 1, 224, 0, 0, 22, 0x22, 0, 0, 0, 0, 0, 0, 1});
    EXPECT_FALSE(parse_tapped(report));
    for (std::size_t size = 0; size < 24; ++size)
        EXPECT_FALSE(parse_tapped(ByteView{kDatagramV4}.first(size))) << size;
}

TEST(MulticastTap, ReadsTheFirstFragmentOfIpv6AndNoLaterOne) {
    Bytes packet = octets({0x60, 0, 0, 0, 0, 16, 44, 1});
    packet.resize(40);
    const auto rest = octets({17, 0, 0, 1, 0, 0, 0, 9, 0x12, 0x34, 0x15, 0xe0, 0, 12, 0, 0});
    packet.insert(packet.end(), rest.begin(), rest.end());
    ASSERT_TRUE(parse_tapped(packet)) << "more are to come, and the offset is 0";
    EXPECT_EQ(parse_tapped(packet)->port, 5600);
    for (std::size_t size = 40; size < 52; ++size)
        EXPECT_FALSE(parse_tapped(ByteView{packet}.first(size))) << size;
    packet[43] = std::byte{0x08};
    EXPECT_FALSE(parse_tapped(packet));
    packet[42] = std::byte{0x01};
    packet[43] = std::byte{0};
    EXPECT_FALSE(parse_tapped(packet));
}

TEST(UdpSockets, ReadsNothingFromNonsense) {
    nlmsghdr message{};
    EXPECT_EQ(parse_udp_socket(message), std::nullopt) << "a length of 0";
    message.nlmsg_len = sizeof message;
    message.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    EXPECT_EQ(parse_udp_socket(message), std::nullopt) << "nothing behind the header";
}

}  // namespace
}  // namespace muster::os
