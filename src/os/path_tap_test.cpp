#include "os/path_tap.h"

#include <vector>

#include <gtest/gtest.h>

namespace muster::os {
namespace {

using Protocol = TappedTraffic::Protocol;

std::vector<std::byte> packet(int version, std::size_t size, std::size_t protocol_at, int protocol) {
    std::vector<std::byte> all(size);
    all[0] = static_cast<std::byte>(version << 4 | 5);
    all[protocol_at] = static_cast<std::byte>(protocol);
    return all;
}

TEST(PathTap, ReadsWhoSentAndWhat) {
    auto v4 = packet(4, 20, 9, 6);
    v4[12] = std::byte{10};
    v4[15] = std::byte{2};
    EXPECT_EQ(parse_tapped_header(v4), (TappedHeader{*IpAddress::parse("10.0.0.2"), Protocol::tcp}));
    auto v6 = packet(6, 40, 6, 58);
    v6[8] = std::byte{0xfe};
    v6[9] = std::byte{0x80};
    v6[23] = std::byte{1};
    EXPECT_EQ(parse_tapped_header(v6), (TappedHeader{*IpAddress::parse("fe80::1"), Protocol::icmp}));
    EXPECT_EQ(parse_tapped_header(packet(4, 20, 9, 17))->protocol, Protocol::udp);
}

TEST(PathTap, RefusesEverythingElse) {
    EXPECT_EQ(parse_tapped_header({}), std::nullopt);
    EXPECT_EQ(parse_tapped_header(packet(4, 19, 9, 6)), std::nullopt) << "cut";
    EXPECT_EQ(parse_tapped_header(packet(6, 39, 6, 6)), std::nullopt) << "cut";
    EXPECT_EQ(parse_tapped_header(packet(5, 40, 9, 6)), std::nullopt) << "no such version";
    EXPECT_EQ(parse_tapped_header(packet(4, 20, 9, 2)), std::nullopt) << "IGMP";
}

}  // namespace
}  // namespace muster::os
