#include "link/probe.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/random.h"

namespace muster::link {
namespace {

HeartbeatKeys keys_for(bool is_dialer) {
    Bytes material(HeartbeatKeys::kMaterial);
    SeededRandomness{7}.fill(material);
    return HeartbeatKeys::from(material, is_dialer);
}

TEST(Probe, RequestAndReplyRoundTrip) {
    const ProbeRequest request{.nonce = 0x1122334455667788, .group = group_tag("stage")};
    const auto parsed = parse_probe_request(encode(request));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->nonce, request.nonce);
    EXPECT_EQ(parsed->group, request.group);
    const ProbeReply reply{.nonce = 5, .responder = DeviceKey::generate().id()};
    const auto answered = parse_probe_reply(encode(reply));
    ASSERT_TRUE(answered);
    EXPECT_EQ(answered->responder, reply.responder);
}

TEST(Probe, NeverCarriesTheFixedBitAndNeverAmplifies) {
    const Bytes request = encode(ProbeRequest{.nonce = 1});
    const Bytes reply = encode(ProbeReply{.nonce = 1, .responder = {}});
    EXPECT_FALSE(has_fixed_bit(request));
    EXPECT_FALSE(has_fixed_bit(reply));
    EXPECT_FALSE(has_fixed_bit(encode(Heartbeat{.counter = 1}, keys_for(true))));
    EXPECT_EQ(request.size(), kProbeSize);
    EXPECT_LE(reply.size(), request.size());
    EXPECT_FALSE(parse_probe_request(ByteView{request}.first(kProbeSize - 1)))
        << "a short request would be answered with more than it cost";
}

// docs/PROTOCOL.md, "On the UDP port": others must be able to write and read these.
TEST(Probe, LooksAsTheDocumentSays) {
    const Bytes request = encode(ProbeRequest{.nonce = 0x1122334455667788, .group = group_tag("stage")});
    const Bytes zeros(kProbeSize);
    EXPECT_EQ(hex(ByteView{request}.first(21)), "014d5354311122334455667788418e1f1de9886ec1");
    EXPECT_TRUE(std::ranges::equal(ByteView{request}.subspan(21), ByteView{zeros}.subspan(21)));
    const DeviceId who = *DeviceId::parse("aebagbafaydqqcikbmga2dqpcaireeyu");
    const Bytes reply = encode(ProbeReply{.nonce = 2, .responder = who});
    EXPECT_EQ(hex(ByteView{reply}.first(33)),
              "024d53543100000000000000020102030405060708090a0b0c0d0e0f1011121314");
    EXPECT_TRUE(std::ranges::equal(ByteView{reply}.subspan(33), ByteView{zeros}.subspan(33)));
}

TEST(Heartbeat, LooksAsTheDocumentSays) {
    Bytes material(HeartbeatKeys::kMaterial);
    for (std::size_t i = 0; i < material.size(); ++i) material[i] = std::byte(i);
    const Bytes sent = encode(Heartbeat{.counter = 9, .echo = 4}, HeartbeatKeys::from(material, true));
    EXPECT_EQ(hex(sent),
              "03000102030405060700000000000000090000000000000004288b07026af7b5afe222628de53502a4");
    const Bytes back = encode(Heartbeat{.counter = 9, .echo = 4}, HeartbeatKeys::from(material, false));
    EXPECT_EQ(hex(ByteView{back}.subspan(25)), "35c162e622190f74d035799b95b06ee6");
}

TEST(Probe, AnUnknownLinkIsSaidInLessThanItsHeartbeatTook) {
    const Bytes said = encode(UnknownLink{0x0123456789abcdef});
    EXPECT_EQ(said.size(), 13u);
    EXPECT_EQ(std::to_integer<int>(said[0]), 0x06);
    ASSERT_TRUE(parse_unknown_link(said));
    EXPECT_EQ(parse_unknown_link(said)->tag, 0x0123456789abcdef);
    Bytes longer = said;
    longer.push_back(std::byte{});
    EXPECT_FALSE(parse_unknown_link(longer));
    EXPECT_FALSE(parse_unknown_link(ByteView{said}.first(12)));
}

TEST(Probe, GroupsDoNotShareATag) { EXPECT_NE(group_tag("stage"), group_tag("stagE")); }

TEST(Heartbeat, OpensOnlyWithTheOtherEndsKeys) {
    const HeartbeatKeys dialer = keys_for(true), acceptor = keys_for(false);
    const Bytes sent = encode(Heartbeat{.counter = 9, .echo = 4}, dialer);
    const auto opened = open_heartbeat(sent, acceptor);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->counter, 9u);
    EXPECT_EQ(opened->echo, 4u);
    EXPECT_FALSE(open_heartbeat(sent, dialer)) << "a reflected heartbeat is no proof of the peer's life";
    EXPECT_EQ(heartbeat_tag(sent), dialer.tag);
}

TEST(Heartbeat, EveryChangedBitIsNoticed) {
    const HeartbeatKeys dialer = keys_for(true), acceptor = keys_for(false);
    const Bytes sent = encode(Heartbeat{.counter = 9}, dialer);
    for (std::size_t i = 0; i < sent.size(); ++i) {
        Bytes forged = sent;
        forged[i] ^= std::byte{1};
        EXPECT_FALSE(open_heartbeat(forged, acceptor)) << "octet " << i;
    }
}

}  // namespace
}  // namespace muster::link
