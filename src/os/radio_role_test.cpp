#include "os/radio_role.h"

#include <array>

#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/nl80211.h>

namespace muster::os {
namespace {

constexpr std::uint16_t kFamily = 0x21;  // some number that a kernel gave

/// nl80211's answer about an interface of this type.
Bytes answer(std::uint32_t type, std::uint8_t command = NL80211_CMD_NEW_INTERFACE,
             std::uint16_t family = kFamily) {
    Bytes octets(128);
    nlmsghdr* message = mnl_nlmsg_put_header(octets.data());
    message->nlmsg_type = family;
    static_cast<genlmsghdr*>(mnl_nlmsg_put_extra_header(message, sizeof(genlmsghdr)))->cmd = command;
    mnl_attr_put_u32(message, NL80211_ATTR_IFINDEX, 3);
    mnl_attr_put_u32(message, NL80211_ATTR_IFTYPE, type);
    octets.resize(message->nlmsg_len);
    return octets;
}

TEST(RadioRole, OfThoseWithAnAccessPointAndThoseWithout) {
    for (const std::uint32_t type :
         {NL80211_IFTYPE_ADHOC, NL80211_IFTYPE_MESH_POINT, NL80211_IFTYPE_P2P_CLIENT, NL80211_IFTYPE_P2P_GO,
          NL80211_IFTYPE_OCB, NL80211_IFTYPE_NAN})
        EXPECT_EQ(role_in(answer(type)), RadioRole::peer_to_peer) << type;
    for (const std::uint32_t type :
         {NL80211_IFTYPE_STATION, NL80211_IFTYPE_AP, NL80211_IFTYPE_MONITOR, NL80211_IFTYPE_UNSPECIFIED})
        EXPECT_EQ(role_in(answer(type)), RadioRole::infrastructure) << type;
    EXPECT_EQ(role_in(answer(0xffffffff)), RadioRole::infrastructure) << "of a kernel younger than this";
}

TEST(RadioRole, IsNotReadFromOtherAnswersOrFromPartsOfOne) {
    EXPECT_EQ(role_in(answer(NL80211_IFTYPE_ADHOC, NL80211_CMD_GET_WIPHY)), RadioRole::none);
    EXPECT_EQ(role_in(answer(NL80211_IFTYPE_ADHOC, NL80211_CMD_NEW_INTERFACE, NLMSG_ERROR)), RadioRole::none);
    const Bytes whole = answer(NL80211_IFTYPE_ADHOC);
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_EQ(role_in(ByteView{whole}.first(size)), RadioRole::none) << size;
}

TEST(RadioRole, OfNoRadioIsNone) { EXPECT_EQ(radio_role(InterfaceIndex{1}), RadioRole::none); }

}  // namespace
}  // namespace muster::os
