#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/frame.h"
#include "session/session_rig.h"

namespace muster::session {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

Endpoint at(std::string_view address, std::uint16_t port = 4711) {
    return {IpAddress::parse(address).value(), port, InterfaceIndex::none};
}

TEST(CoordinatorAddresses, ReachEveryMemberAndFollowEveryChange) {
    Rig rig;
    auto& ann = rig.join("ann");
    EXPECT_EQ(ann.engine->coordinator_addresses().revision, 0u);
    rig.coordinator->set_addresses({at("10.0.0.1"), at("fe80::1")});
    rig.run(50ms);
    EXPECT_THAT(ann.engine->coordinator_addresses().endpoints, ElementsAre(at("10.0.0.1"), at("fe80::1")));
    const auto revision = ann.engine->coordinator_addresses().revision;
    rig.coordinator->set_addresses({at("10.0.0.1"), at("fe80::1")});
    rig.run(50ms);
    EXPECT_EQ(ann.engine->coordinator_addresses().revision, revision) << "no news";
    rig.coordinator->set_addresses({at("10.0.0.2")});
    auto& ben = rig.join("ben");
    rig.run(50ms);
    EXPECT_THAT(ann.engine->coordinator_addresses().endpoints, ElementsAre(at("10.0.0.2")));
    EXPECT_THAT(ben.engine->coordinator_addresses().endpoints, ElementsAre(at("10.0.0.2")));
}

TEST(CoordinatorAddresses, ThatChangeDuringAnInterruptionAreToldAfterIt) {
    CoordinatorOptions patient;
    patient.grace = 60s;
    MemberOptions member;
    member.grace = 60s;
    Rig rig{patient};
    auto& ann = rig.join("ann", member);
    rig.run(100ms);
    ann.link->cut();
    rig.coordinator->set_addresses({at("10.0.0.3")});
    rig.run(1s);
    rig.connect(ann);
    rig.run(50ms);
    EXPECT_THAT(ann.engine->coordinator_addresses().endpoints, ElementsAre(at("10.0.0.3")));
}

TEST(CoordinatorAddresses, AreAtMost16) {
    Rig rig;
    auto& ann = rig.join("ann");
    std::vector<Endpoint> many;
    for (std::uint16_t i = 0; i < 200; ++i)
        many.push_back(at("10.0.0.1", static_cast<std::uint16_t>(2000 + i)));
    rig.coordinator->set_addresses(many);
    rig.run(50ms);
    EXPECT_THAT(ann.engine->coordinator_addresses().endpoints, SizeIs(16));
    EXPECT_THAT(ann.log.ended, IsEmpty());
}

// docs/PROTOCOL.md, "Frames".
TEST(AddressList, LooksAsTheDocumentSays) {
    const AddressList list{{at("10.0.0.1"), at("fe80::1", 2)}};
    const Bytes frame = encode(list);
    EXPECT_EQ(hex(frame),
              "261b02040a0000011267"
              "10fe800000000000000000000000000001"
              "0002");
    EXPECT_EQ(AddressList::parse(ByteView{frame}.subspan(2)), list);
    EXPECT_FALSE(AddressList::parse(ByteView{frame}.subspan(2, 12))) << "cut";
    Bytes odd = frame;
    odd[3] = std::byte{5};
    EXPECT_FALSE(AddressList::parse(ByteView{odd}.subspan(2))) << "no family has five octets";
}

}  // namespace
}  // namespace muster::session
