#include "os/interface_table.h"

#include <array>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>

namespace muster::os {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr unsigned kUsable = IFF_UP | IFF_LOWER_UP | IFF_RUNNING | IFF_MULTICAST;

/// One rtnetlink message, built as the kernel would.
class Message {
public:
    explicit Message(std::uint16_t type, std::uint16_t flags = 0, std::uint32_t sequence = 0) {
        mnl_nlmsg_put_header(storage_.data());
        header()->nlmsg_type = type;
        header()->nlmsg_flags = flags;
        header()->nlmsg_seq = sequence;
    }
    Message& link(int index, unsigned flags, unsigned char family = AF_UNSPEC) {
        auto* link = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(header(), sizeof(ifinfomsg)));
        link->ifi_index = index;
        link->ifi_flags = flags;
        link->ifi_family = family;
        link->ifi_type = ARPHRD_ETHER;
        return *this;
    }
    Message& error(int number) {
        static_cast<nlmsgerr*>(mnl_nlmsg_put_extra_header(header(), sizeof(nlmsgerr)))->error = number;
        return *this;
    }
    Message& named(const char* name, std::uint32_t mtu) {
        mnl_attr_put_strz(header(), IFLA_IFNAME, name);
        mnl_attr_put_u32(header(), IFLA_MTU, mtu);
        return *this;
    }
    Message& number(std::uint16_t attribute, std::uint32_t value) {
        mnl_attr_put_u32(header(), attribute, value);
        return *this;
    }
    Message& octet(std::uint16_t attribute, std::uint8_t value) {
        mnl_attr_put_u8(header(), attribute, value);
        return *this;
    }
    Message& octets(std::uint16_t attribute, const std::vector<std::uint8_t>& value) {
        mnl_attr_put(header(), attribute, value.size(), value.data());
        return *this;
    }
    Message& text(std::uint16_t attribute, const char* value) {
        mnl_attr_put_strz(header(), attribute, value);
        return *this;
    }
    template <class Fill>
    Message& nested(std::uint16_t attribute, Fill fill) {
        nlattr* outer = mnl_attr_nest_start(header(), attribute);
        fill(*this);
        mnl_attr_nest_end(header(), outer);
        return *this;
    }
    Message& address(unsigned index, const char* text, std::uint8_t prefix, std::uint32_t flags = 0,
                     std::uint16_t attribute = IFA_ADDRESS) {
        const auto ip = *IpAddress::parse(text);
        auto* fixed = static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(header(), sizeof(ifaddrmsg)));
        fixed->ifa_index = index;
        fixed->ifa_family = ip.is_v6() ? AF_INET6 : AF_INET;
        fixed->ifa_prefixlen = prefix;
        fixed->ifa_flags = static_cast<std::uint8_t>(flags);
        mnl_attr_put_u32(header(), IFA_FLAGS, flags);
        return also(text, attribute);
    }
    Message& also(const char* text, std::uint16_t attribute) {
        const auto ip = *IpAddress::parse(text);
        mnl_attr_put(header(), attribute, ip.is_v6() ? 16 : 4, ip.v6().data());
        return *this;
    }
    ByteView view() { return {storage_.data(), header()->nlmsg_len}; }

private:
    nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(storage_.data()); }

    alignas(nlmsghdr) std::array<std::byte, 2048> storage_{};
};

bool apply(InterfaceTable& table, Message message) { return table.apply(message.view(), 0).changed; }

InterfaceTable with_eth0() {
    InterfaceTable table;
    apply(table, Message{RTM_NEWLINK}.link(3, kUsable).named("eth0", 1500));
    return table;
}

TEST(InterfaceTable, TellsWhatALinkMessageSays) {
    const auto interfaces = with_eth0().snapshot();
    ASSERT_THAT(interfaces, SizeIs(1));
    Interface expected;
    expected.index = InterfaceIndex{3};
    expected.name = "eth0";
    expected.up = expected.carrier = expected.multicast = true;
    expected.mtu = 1500;
    expected.flags = kUsable;
    expected.legacy_type = ARPHRD_ETHER;
    EXPECT_EQ(interfaces[0], expected);
}

TEST(InterfaceTable, HasNoCarrierWithoutCableOrWhileDormant) {
    auto table = with_eth0();
    EXPECT_TRUE(apply(table, Message{RTM_NEWLINK}.link(3, kUsable & ~unsigned{IFF_LOWER_UP})));
    EXPECT_FALSE(table.snapshot()[0].carrier);
    EXPECT_TRUE(apply(table, Message{RTM_NEWLINK}.link(3, kUsable)));
    EXPECT_TRUE(apply(table, Message{RTM_NEWLINK}.link(3, (kUsable & ~unsigned{IFF_RUNNING}) | IFF_DORMANT)));
    EXPECT_FALSE(table.snapshot()[0].carrier);
}

TEST(InterfaceTable, AMessageThatSaysNothingNewChangesNothing) {
    auto table = with_eth0();
    EXPECT_FALSE(apply(table, Message{RTM_NEWLINK}.link(3, kUsable).named("eth0", 1500)));
    EXPECT_FALSE(apply(table, Message{RTM_NEWLINK}.link(3, kUsable)));  // wireless event: no name, no MTU
    EXPECT_EQ(table.snapshot()[0].mtu, 1500u);
    EXPECT_EQ(table.snapshot()[0].name, "eth0");
}

TEST(InterfaceTable, APortLeavingABridgeRemovesNoInterface) {
    auto table = with_eth0();
    EXPECT_FALSE(apply(table, Message{RTM_DELLINK}.link(3, kUsable, AF_BRIDGE)));
    EXPECT_FALSE(apply(table, Message{RTM_NEWLINK}.link(3, 0, AF_BRIDGE)));
    ASSERT_THAT(table.snapshot(), SizeIs(1));
    EXPECT_TRUE(table.snapshot()[0].up);
    EXPECT_TRUE(apply(table, Message{RTM_DELLINK}.link(3, kUsable)));
    EXPECT_THAT(table.snapshot(), IsEmpty());
}

TEST(InterfaceTable, FollowsAddressesAndTheirDetection) {
    auto table = with_eth0();
    auto tentative = Message{RTM_NEWADDR}.address(3, "fe80::1", 64, IFA_F_PERMANENT | IFA_F_TENTATIVE);
    EXPECT_TRUE(apply(table, tentative));
    EXPECT_FALSE(apply(table, tentative));
    EXPECT_TRUE(table.snapshot()[0].addresses[0].tentative);
    EXPECT_TRUE(apply(table, Message{RTM_NEWADDR}.address(3, "fe80::1", 64, IFA_F_PERMANENT)));
    EXPECT_THAT(table.snapshot()[0].addresses,
                ElementsAre(InterfaceAddress{*IpAddress::parse("fe80::1"), 64, false}));
    EXPECT_TRUE(apply(table, Message{RTM_DELADDR}.address(3, "fe80::1", 64)));
    EXPECT_FALSE(apply(table, Message{RTM_DELADDR}.address(3, "fe80::1", 64)));
    EXPECT_THAT(table.snapshot()[0].addresses, IsEmpty());
}

TEST(InterfaceTable, AnOptimisticAddressCounts) {
    auto table = with_eth0();
    apply(table, Message{RTM_NEWADDR}.address(3, "fe80::1", 64, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC));
    EXPECT_FALSE(table.snapshot()[0].addresses[0].tentative);
    apply(table, Message{RTM_NEWADDR}.address(3, "fe80::1", 64, IFA_F_DADFAILED));
    EXPECT_TRUE(table.snapshot()[0].addresses[0].tentative);
}

TEST(InterfaceTable, TakesOurEndOfAPointToPointLink) {
    auto table = with_eth0();
    auto message = Message{RTM_NEWADDR}.address(3, "10.0.0.2", 32);
    message.also("10.0.0.1", IFA_LOCAL);
    apply(table, message);
    EXPECT_EQ(table.snapshot()[0].addresses[0].address, *IpAddress::parse("10.0.0.1"));
}

TEST(InterfaceTable, AnAddressToldBeforeItsLinkIsNotLost) {
    InterfaceTable table;
    EXPECT_FALSE(apply(table, Message{RTM_NEWADDR}.address(3, "10.0.0.1", 24)));
    EXPECT_THAT(table.snapshot(), IsEmpty());
    EXPECT_TRUE(apply(table, Message{RTM_NEWLINK}.link(3, kUsable).named("eth0", 1500)));
    EXPECT_THAT(table.snapshot()[0].addresses, SizeIs(1));
}

Message whole_message() {
    return Message{RTM_NEWLINK}
        .link(3, kUsable)
        .named("eth0", 1500)
        .octet(IFLA_OPERSTATE, IF_OPER_UP)
        .number(IFLA_CARRIER_CHANGES, 5)
        .octets(IFLA_ADDRESS, {2, 0, 0, 0, 0, 1})
        .octets(IFLA_PERM_ADDRESS, {0xfc, 0, 0, 0, 0, 2})
        .number(IFLA_MASTER, 9)
        .number(IFLA_LINK, 4)
        .text(IFLA_PARENT_DEV_BUS_NAME, "usb")
        .nested(IFLA_LINKINFO, [](Message& info) { info.text(IFLA_INFO_KIND, "veth"); })
        .nested(IFLA_PROP_LIST, [](Message& list) {
            list.text(IFLA_ALT_IFNAME, "enx000000000001").text(IFLA_ALT_IFNAME, "the one at the door");
        });
}

TEST(InterfaceTable, TakesAllThatAWholeMessageTells) {
    InterfaceTable table;
    EXPECT_TRUE(apply(table, whole_message()));
    const Interface made = table.snapshot()[0];
    EXPECT_EQ(made.state, OperationalState::up);
    EXPECT_EQ(made.flags, kUsable);
    EXPECT_EQ(made.legacy_type, ARPHRD_ETHER);
    EXPECT_EQ(made.carrier_changes, 5u);
    EXPECT_EQ(made.mac.to_string(), "02:00:00:00:00:01");
    EXPECT_EQ(made.permanent_mac.to_string(), "fc:00:00:00:00:02");
    EXPECT_EQ(made.master, InterfaceIndex{9});
    EXPECT_EQ(made.peer, InterfaceIndex{4});
    EXPECT_FALSE(made.peer_is_elsewhere);
    EXPECT_EQ(made.bus, "usb");
    EXPECT_EQ(made.kernel_kind, "veth");
    EXPECT_THAT(made.alternative_names, ElementsAre("enx000000000001", "the one at the door"));
    EXPECT_FALSE(apply(table, whole_message())) << "nothing has changed";
}

TEST(InterfaceTable, WhatAWholeMessageLeavesOutIsNoMore) {
    InterfaceTable table;
    apply(table, whole_message());
    apply(table, Message{RTM_NEWLINK}
                     .link(3, kUsable)
                     .named("eth0", 1500)
                     .number(IFLA_LINK, 4)
                     .number(IFLA_LINK_NETNSID, 0));
    const Interface made = table.snapshot()[0];
    EXPECT_EQ(made.master, InterfaceIndex::none);
    EXPECT_THAT(made.alternative_names, IsEmpty());
    EXPECT_TRUE(made.permanent_mac.empty());
    EXPECT_EQ(made.peer, InterfaceIndex::none) << "its index is one of another namespace";
    EXPECT_TRUE(made.peer_is_elsewhere);
}

TEST(InterfaceTable, AMessageThatIsNotWholeLeavesTheRest) {
    InterfaceTable table;
    apply(table, whole_message());
    Interface wanted = table.snapshot()[0];
    apply(table, Message{RTM_NEWLINK}.link(3, kUsable & ~unsigned{IFF_RUNNING}).text(IFLA_IFNAME, "eth0"));
    wanted.flags &= ~unsigned{IFF_RUNNING};
    wanted.carrier = false;
    EXPECT_EQ(table.snapshot()[0], wanted);
}

TEST(InterfaceTable, AHardwareAddressThatIsTooLongIsNone) {
    InterfaceTable table;
    apply(table, Message{RTM_NEWLINK}
                     .link(3, kUsable)
                     .named("x", 1500)
                     .octets(IFLA_ADDRESS, std::vector<std::uint8_t>(HardwareAddress::kMaxSize + 1)));
    EXPECT_TRUE(table.snapshot()[0].mac.empty());
}

TEST(InterfaceTable, ReportsEndInterruptionAndErrorOfItsOwnDumpOnly) {
    InterfaceTable table;
    EXPECT_TRUE(table.apply(Message{NLMSG_DONE, 0, 7}.view(), 7).dump_done);
    EXPECT_FALSE(table.apply(Message{NLMSG_DONE, 0, 6}.view(), 7).dump_done);
    auto interrupted = Message{RTM_NEWLINK, NLM_F_DUMP_INTR, 7}.link(3, kUsable);
    EXPECT_TRUE(table.apply(interrupted.view(), 7).interrupted);
    EXPECT_FALSE(table.apply(interrupted.view(), 8).interrupted);
    EXPECT_EQ(table.apply(Message{NLMSG_ERROR, 0, 7}.view(), 7).error, EBADMSG)
        << "too short to hold an error";
    const auto told = [&](int number) {
        return table.apply(Message{NLMSG_ERROR, 0, 7}.error(number).view(), 7).error;
    };
    EXPECT_EQ(told(-ENODEV), ENODEV);
    EXPECT_EQ(told(0), 0);
    EXPECT_EQ(told(std::numeric_limits<int>::min()), EBADMSG) << "it has no negation";
    EXPECT_EQ(told(5), EBADMSG);
    const auto cut = table.apply(Message{NLMSG_DONE, 0, 7}.error(-EMSGSIZE).view(), 7);
    EXPECT_TRUE(cut.dump_done);
    EXPECT_EQ(cut.error, EMSGSIZE) << "it was broken off";
}

TEST(InterfaceTable, SkipsWhatIsCutAnywhere) {
    auto message = Message{RTM_NEWADDR}.address(3, "fe80::1", 64);
    const auto whole = message.view();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        auto table = with_eth0();
        EXPECT_FALSE(table.apply(whole.first(size), 0).changed) << size;
    }
}

TEST(InterfaceTable, RefusesALengthThatIsNegativeForAnInt) {
    auto message = Message{RTM_NEWLINK}.link(3, kUsable);
    const std::uint32_t length = 0xb0b0b0b0;
    Bytes octets = to_bytes(message.view());
    std::memcpy(octets.data(), &length, sizeof length);
    InterfaceTable table;
    EXPECT_FALSE(table.apply(octets, 0).changed);
}

TEST(InterfaceTable, KeepsItsLimits) {
    auto table = with_eth0();
    for (unsigned i = 0; i < InterfaceTable::kMaxAddresses + 5; ++i) {
        const auto text = "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1);
        apply(table, Message{RTM_NEWADDR}.address(3, text.c_str(), 24));
    }
    EXPECT_THAT(table.snapshot()[0].addresses, SizeIs(InterfaceTable::kMaxAddresses));
    EXPECT_EQ(table.left_out(), 5u);
    for (int i = 10; i < static_cast<int>(InterfaceTable::kMaxInterfaces) + 19; ++i)
        apply(table, Message{RTM_NEWLINK}.link(i, kUsable));
    EXPECT_THAT(table.snapshot(), SizeIs(InterfaceTable::kMaxInterfaces));
    EXPECT_EQ(table.left_out(), 15u);
    apply(table,
          Message{RTM_NEWLINK}.link(3, kUsable).named("eth0", 1500).nested(IFLA_PROP_LIST, [](Message& list) {
              for (std::size_t i = 0; i < InterfaceTable::kMaxAlternativeNames + 2; ++i)
                  list.text(IFLA_ALT_IFNAME, "n");
          }));
    EXPECT_THAT(table.snapshot()[0].alternative_names, SizeIs(InterfaceTable::kMaxAlternativeNames));
    EXPECT_EQ(table.left_out(), 17u);
}

}  // namespace
}  // namespace muster::os
