#include "os/radio_role.h"

#include <algorithm>
#include <array>
#include <optional>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/nl80211.h>

#include "os/netlink_attributes.h"
#include "os/netlink_messages.h"
#include "os/netlink_socket.h"

namespace muster::os {
namespace {

constexpr Duration kPatience = std::chrono::seconds{1};  // a driver is asked
constexpr std::array<std::uint32_t, 7> kPeerToPeer{
    NL80211_IFTYPE_ADHOC,      NL80211_IFTYPE_MESH_POINT, NL80211_IFTYPE_P2P_CLIENT, NL80211_IFTYPE_P2P_GO,
    NL80211_IFTYPE_P2P_DEVICE, NL80211_IFTYPE_OCB,        NL80211_IFTYPE_NAN};

/// The number that nl80211 has in this kernel; families are numbered as their modules are loaded.
std::optional<std::uint16_t> family(NetlinkSocket& kernel) {
    kernel.begin<genlmsghdr>(GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY)->version = 1;
    kernel.put_text(CTRL_ATTR_FAMILY_NAME, NL80211_GENL_NAME);
    std::optional<std::uint16_t> number;
    kernel.ask([&](const nlmsghdr& answer) {
        if (header_of<genlmsghdr>(answer) == nullptr) return;
        number = Attributes<CTRL_ATTR_FAMILY_ID>{answer, sizeof(genlmsghdr)}.two_octets(CTRL_ATTR_FAMILY_ID);
    });
    return number;
}

}  // namespace

RadioRole radio_role(InterfaceIndex index) {
    auto kernel = NetlinkSocket::open(NETLINK_GENERIC, kPatience);
    if (!kernel) return RadioRole::none;
    const auto nl80211 = family(*kernel);
    if (!nl80211) return RadioRole::none;
    kernel->begin<genlmsghdr>(*nl80211, 0, NL80211_CMD_GET_INTERFACE)->version = 1;
    kernel->put_number(NL80211_ATTR_IFINDEX, static_cast<std::uint32_t>(index));
    RadioRole role = RadioRole::none;
    kernel->ask([&](const nlmsghdr& answer) {
        role = role_in({reinterpret_cast<const std::byte*>(&answer), answer.nlmsg_len});
    });
    return role;
}

RadioRole role_in(ByteView answer) {
    constexpr std::size_t kHeaders = sizeof(nlmsghdr) + sizeof(genlmsghdr);
    if (answer.size() < kHeaders) return RadioRole::none;
    const auto& message = *reinterpret_cast<const nlmsghdr*>(answer.data());
    if (message.nlmsg_len < kHeaders || message.nlmsg_len > answer.size()) return RadioRole::none;
    if (message.nlmsg_type < NLMSG_MIN_TYPE) return RadioRole::none;  // a refusal
    const auto* header = static_cast<const genlmsghdr*>(mnl_nlmsg_get_payload(&message));
    if (header->cmd != NL80211_CMD_NEW_INTERFACE) return RadioRole::none;
    const auto type =
        Attributes<NL80211_ATTR_IFTYPE>{message, sizeof(genlmsghdr)}.number(NL80211_ATTR_IFTYPE);
    if (!type) return RadioRole::none;
    const auto known = std::ranges::find(kPeerToPeer, *type);
    return known == kPeerToPeer.end() ? RadioRole::infrastructure : RadioRole::peer_to_peer;
}

}  // namespace muster::os
