#include "os/radio_role.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/nl80211.h>

#include "os/netlink_attributes.h"
#include "os/netlink_exchange.h"

namespace muster::os {
namespace {

constexpr std::string_view kAttempt = "ask nl80211";
constexpr std::array<std::uint32_t, 7> kPeerToPeer{
    NL80211_IFTYPE_ADHOC,      NL80211_IFTYPE_MESH_POINT, NL80211_IFTYPE_P2P_CLIENT, NL80211_IFTYPE_P2P_GO,
    NL80211_IFTYPE_P2P_DEVICE, NL80211_IFTYPE_OCB,        NL80211_IFTYPE_NAN};

/// A question of generic netlink that `fill` gives its attribute.
template <class Fill>
Bytes question(std::uint16_t family, std::uint8_t command, Fill fill) {
    Bytes octets(128);
    nlmsghdr* message = mnl_nlmsg_put_header(octets.data());
    message->nlmsg_type = family;
    message->nlmsg_flags = NLM_F_REQUEST;
    auto* header = static_cast<genlmsghdr*>(mnl_nlmsg_put_extra_header(message, sizeof(genlmsghdr)));
    header->cmd = command;
    header->version = 1;
    fill(message);
    octets.resize(message->nlmsg_len);
    return octets;
}

/// The number that nl80211 has in this kernel; families are numbered as their modules are loaded.
std::optional<std::uint16_t> family(NetlinkExchange& kernel) {
    const auto answer = kernel.ask(
        question(
            GENL_ID_CTRL, CTRL_CMD_GETFAMILY,
            [](nlmsghdr* message) { mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, NL80211_GENL_NAME); }),
        kAttempt);
    if (!answer || refusal_in(*answer) != 0) return std::nullopt;
    const auto& message = *reinterpret_cast<const nlmsghdr*>(answer->data());
    if (message.nlmsg_len < sizeof(nlmsghdr) + sizeof(genlmsghdr)) return std::nullopt;
    return Attributes<CTRL_ATTR_FAMILY_ID>{message, sizeof(genlmsghdr)}.two_octets(CTRL_ATTR_FAMILY_ID);
}

}  // namespace

RadioRole radio_role(InterfaceIndex index) {
    auto kernel = NetlinkExchange::open(NETLINK_GENERIC);
    if (!kernel) return RadioRole::none;
    const auto nl80211 = family(*kernel);
    if (!nl80211) return RadioRole::none;
    const auto answer = kernel->ask(question(*nl80211, NL80211_CMD_GET_INTERFACE,
                                             [&](nlmsghdr* message) {
                                                 mnl_attr_put_u32(message, NL80211_ATTR_IFINDEX,
                                                                  static_cast<std::uint32_t>(index));
                                             }),
                                    kAttempt);
    return answer ? role_in(*answer) : RadioRole::none;
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
