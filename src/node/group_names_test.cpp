#include "node/group_names.h"

#include <gtest/gtest.h>

#include "node/name_dispute.h"

namespace muster::node {
namespace {

DeviceId device() { return *DeviceId::parse("abcdefghijklmnopqrstuvwxyz234567"); }

ServiceInstance announced(const TxtRecord& txt) {
    ServiceInstance service;
    service.name = "whatever";
    service.type = kGroupType;
    service.txt = txt;
    service.endpoints = {{*IpAddress::parse("fe80::1"), 4711, InterfaceIndex{3}}};
    return service;
}

TEST(FoundGroup, IsWhatACoordinatorAnnounces) {
    const auto found = found_group(announced(coordinator_txt("stage", "mixer", device())));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->group, "stage");
    EXPECT_EQ(found->name, "mixer");
    EXPECT_EQ(found->coordinator, device());
    EXPECT_EQ(found->endpoints.size(), 1u);
}

TEST(FoundGroup, IsNothingWithoutGroupNameOrId) {
    for (const char* key : {"group", "name", "id"}) {
        TxtRecord txt = coordinator_txt("stage", "mixer", device());
        ASSERT_TRUE(txt.erase(key));
        EXPECT_FALSE(found_group(announced(txt))) << key;
        ASSERT_TRUE(txt.set_flag(key));
        EXPECT_FALSE(found_group(announced(txt))) << key;
        ASSERT_TRUE(txt.set(key, "\x1b[2J"));
        EXPECT_FALSE(found_group(announced(txt))) << key;
    }
}

// docs/DISCOVERY.md, "Names in DNS-SD": others must be able to compute these.
TEST(GroupNames, AreThoseOfTheDocument) {
    EXPECT_EQ(coordinator_instance("stage"), "coord-" + group_subtype("stage").substr(2));
    EXPECT_EQ(group_subtype("stage"), "_gy77w3tmu24lb5725");
    EXPECT_EQ(host_label(device()), "m-abcdefghijklmnop");
    EXPECT_EQ(listed_instance("stage", device()), device().to_string() + "-y77w3tmu");
}

TEST(GroupNames, OfTwoGroupsOnOneDeviceHaveNothingInCommon) {
    const auto one = coordinator_names("stage", "mixer", device(), 4711);
    const auto other = coordinator_names("foyer", "mixer", device(), 4712);
    EXPECT_NE(one.own.instance, other.own.instance);
    EXPECT_NE(one.shared.instance, other.shared.instance);
    EXPECT_TRUE(check_instance_name(one.own.instance));
}

TEST(GroupNames, TextOfOthersIsCleaned) {
    discovery::NameHolder holder;
    ASSERT_TRUE(holder.txt.set("name", "\x1b[2Jowned\nmuster: run this"));
    ASSERT_TRUE(holder.txt.set("id", "a\nb"));
    const NameClaim claim = claim_of(holder, "stage");
    EXPECT_EQ(claim.to_string().find_first_of("\n\x1b"), std::string::npos) << claim.to_string();
    EXPECT_FALSE(claim.id);
}

}  // namespace
}  // namespace muster::node
