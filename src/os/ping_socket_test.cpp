#include "os/ping_socket.h"

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

namespace muster::os {
namespace {

std::vector<std::byte> octets(std::vector<int> values) {
    std::vector<std::byte> all;
    all.reserve(values.size());
    for (const int value : values) all.push_back(static_cast<std::byte>(value));
    return all;
}

TEST(PingSocket, ReadsAnEchoReply) {
    const auto reply = octets({0, 0, 0xab, 0xcd, 0x12, 0x34, 0, 7});
    EXPECT_EQ(parse_echo_reply(reply, false, false), (EchoReply{0x1234, 7}));
    const auto reply6 = octets({129, 0, 0, 0, 0x12, 0x34, 0, 7, 0, 0});
    EXPECT_EQ(parse_echo_reply(reply6, true, false), (EchoReply{0x1234, 7}));
}

TEST(PingSocket, SkipsTheHeaderThatRawSocketsGet) {
    std::vector<int> packet(24, 0);
    packet[0] = 0x46;  // six words: with an option
    for (const int each : {0, 0, 0, 0, 0x12, 0x34, 0, 1}) packet.push_back(each);
    EXPECT_EQ(parse_echo_reply(octets(packet), false, true), (EchoReply{0x1234, 1}));
    EXPECT_EQ(parse_echo_reply(octets(packet), false, false), std::nullopt);
}

TEST(PingSocket, RefusesEverythingElse) {
    EXPECT_EQ(parse_echo_reply({}, false, false), std::nullopt);
    EXPECT_EQ(parse_echo_reply(octets({0, 0, 0, 0, 0, 1, 0}), false, false), std::nullopt) << "cut";
    EXPECT_EQ(parse_echo_reply(octets({8, 0, 0, 0, 0, 1, 0, 1}), false, false), std::nullopt) << "a question";
    EXPECT_EQ(parse_echo_reply(octets({0, 1, 0, 0, 0, 1, 0, 1}), false, false), std::nullopt) << "a code";
    EXPECT_EQ(parse_echo_reply(octets({0, 0, 0, 0, 0, 1, 0, 1}), true, false), std::nullopt) << "not IPv6's";
    std::vector<int> lies(20, 0);
    lies[0] = 0x4f;  // sixty octets of header, which are not there
    EXPECT_EQ(parse_echo_reply(octets(lies), false, true), std::nullopt);
    lies[0] = 0x41;
    EXPECT_EQ(parse_echo_reply(octets(lies), false, true), std::nullopt);
}

}  // namespace
}  // namespace muster::os
