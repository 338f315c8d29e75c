#include "os/path_tap.h"

#include <vector>

#include <gtest/gtest.h>

namespace muster::os {
namespace {

using Protocol = TappedTraffic::Protocol;

std::vector<std::byte> packet(int version, std::size_t size, std::size_t protocol_at, int protocol) {
    std::vector<std::byte> all(size + 8);
    all[size] = static_cast<std::byte>(protocol == 58 ? 128 : 8);  // if it is a ping, a request
    all[size + 1] = all[size + 3] = std::byte{7};
    all[size + 5] = std::byte{9};
    all[0] = static_cast<std::byte>(version << 4 | 5);
    all[protocol_at] = static_cast<std::byte>(protocol);
    return all;
}

TEST(PathTap, ReadsWhoSentAndWhat) {
    auto v4 = packet(4, 20, 9, 6);
    v4[12] = std::byte{10};
    v4[15] = std::byte{2};
    EXPECT_EQ(parse_tapped_header(v4),
              (TappedHeader{*IpAddress::parse("10.0.0.2"), Protocol::tcp, 0x0807, 7}));
    auto v6 = packet(6, 40, 6, 58);
    v6[8] = std::byte{0xfe};
    v6[9] = std::byte{0x80};
    v6[23] = std::byte{1};
    EXPECT_EQ(parse_tapped_header(v6), (TappedHeader{*IpAddress::parse("fe80::1"), Protocol::icmp, 9, 0}));
    v6[40] = std::byte{129};
    EXPECT_EQ(parse_tapped_header(v6), (TappedHeader{*IpAddress::parse("fe80::1"), Protocol::icmp, 0, 9}));
    EXPECT_EQ(parse_tapped_header(packet(4, 20, 9, 17))->protocol, Protocol::udp);
    auto with_options = packet(4, 24, 9, 17);
    with_options[0] = std::byte{0x46};
    EXPECT_EQ(parse_tapped_header(with_options)->target_port, 7);
}

TEST(PathTap, NeighbourDiscoveryIsNoAnswer) {
    auto advertisement = packet(6, 40, 6, 58);
    advertisement[40] = std::byte{136};
    EXPECT_EQ(parse_tapped_header(advertisement), std::nullopt);
    auto unreachable = packet(4, 20, 9, 1);
    unreachable[20] = std::byte{3};
    EXPECT_EQ(parse_tapped_header(unreachable), std::nullopt);
}

TEST(PathTap, RefusesEverythingElse) {
    EXPECT_EQ(parse_tapped_header({}), std::nullopt);
    for (std::size_t size = 0; size < 26; ++size)
        EXPECT_EQ(parse_tapped_header(ByteView{packet(4, 20, 9, 6)}.first(size)), std::nullopt) << "cut";
    for (std::size_t size = 0; size < 46; ++size)
        EXPECT_EQ(parse_tapped_header(ByteView{packet(6, 40, 6, 6)}.first(size)), std::nullopt) << "cut";
    auto fragment = packet(4, 20, 9, 6);
    fragment[7] = std::byte{1};
    EXPECT_EQ(parse_tapped_header(fragment), std::nullopt) << "without ports";
    EXPECT_EQ(parse_tapped_header(packet(5, 40, 9, 6)), std::nullopt) << "no such version";
    EXPECT_EQ(parse_tapped_header(packet(4, 20, 9, 2)), std::nullopt) << "IGMP";
}

}  // namespace
}  // namespace muster::os
