// What the doctor says to each picture of a machine.
#include "net/multicast_judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::net {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using enum MulticastCause;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

LinkFacts link(std::uint32_t index) {
    LinkFacts facts;
    facts.interface.index = InterfaceIndex{index};
    facts.interface.name = "eth" + std::to_string(index);
    facts.interface.up = facts.interface.carrier = facts.interface.multicast = true;
    facts.has_ear = true;
    facts.interface.addresses.push_back({ip(("10." + std::to_string(index) + ".0.2").c_str()), 24, false});
    return facts;
}

SocketFacts socket(const char* local = "0.0.0.0") {
    SocketFacts facts;
    facts.owner = "receiver (4711)";
    facts.local = ip(local);
    facts.hears_others_groups = true;
    return facts;
}

/// eth2, on which one program has joined and everything arrives, and eth3 beside it.
class MulticastJudgeTest : public testing::Test {
protected:
    MulticastJudgeTest() {
        facts_.group = ip("239.7.7.7");
        facts_.port = 5600;
        facts_.is_tapped = facts_.has_own_socket = true;
        facts_.links = {link(2), link(3)};
        facts_.sockets = {socket()};
        facts_.group_packets = facts_.delivered = 20;
        facts_.group_limit = 20;
        eth2().members = 1;
        comes_by(eth2());
    }

    LinkFacts& eth2() { return facts_.links[0]; }
    LinkFacts& eth3() { return facts_.links[1]; }

    static void comes_by(LinkFacts& link) {
        link.before = {10, 0};
        link.after = {10, 10};
        link.senders = {ip("10.2.0.1")};
    }
    static void comes_not_by(LinkFacts& link) {
        link.before = link.after = {};
        link.senders.clear();
    }
    void comes_only_after_announcing(LinkFacts& link) {
        link.before = {};
        link.first_after = 40ms;
        facts_.listened_after = 500ms;
    }

    std::vector<MulticastCause> causes() const {
        std::vector<MulticastCause> causes;
        for (const auto& each : judge(facts_).findings) causes.push_back(each.cause);
        return causes;
    }

    MulticastFacts facts_;
};

TEST_F(MulticastJudgeTest, FindsNothingWhereAllIsWell) {
    EXPECT_THAT(causes(), IsEmpty());
    EXPECT_TRUE(judge(facts_).arrives);
    EXPECT_THAT(judge(facts_).unseen, IsEmpty());
}

TEST_F(MulticastJudgeTest, KnowsASwitchThatForgot) {
    comes_only_after_announcing(eth2());
    EXPECT_THAT(causes(), ElementsAre(switch_forgot));
    EXPECT_FALSE(judge(facts_).arrives);
}

TEST_F(MulticastJudgeTest, BlamesNoSwitchForWhatTheTapCannotSee) {
    eth2().before = {};
    eth2().after = {0, 10};  // this machine sends it itself
    EXPECT_THAT(causes(), IsEmpty());
    EXPECT_TRUE(judge(facts_).arrives);
}

TEST_F(MulticastJudgeTest, BlamesNoSwitchIfItHasNotSeenAllOfTheWire) {
    comes_only_after_announcing(eth2());
    facts_.tap_losses = 3;
    EXPECT_THAT(causes(), IsEmpty());
    EXPECT_THAT(judge(facts_).unseen, ElementsAre("3 packets of the wire: they came too fast"));
}

TEST_F(MulticastJudgeTest, BlamesNoSwitchForASenderThatIsSlowOrHasJustBegun) {
    eth2().before = {};
    eth2().after = {1, 1};
    eth2().first_after = 100ms;
    facts_.listened_after = 2s;
    EXPECT_THAT(causes(), IsEmpty());
    EXPECT_THAT(judge(facts_).unseen, ElementsAre(testing::HasSubstr("listen longer")));
    eth2().after = {10, 10};
    eth2().first_after = 1500ms;
    EXPECT_THAT(causes(), IsEmpty()) << "20 per second, since a second and a half after the announcement";
    EXPECT_THAT(judge(facts_).unseen, IsEmpty());
    eth2().after = {2, 2};
    eth2().first_after = 900ms;
    EXPECT_THAT(causes(), ElementsAre(switch_forgot)) << "one per second, from the first on";
}

TEST_F(MulticastJudgeTest, HasHeardEnoughWhenItHasWhereTheGroupIsJoined) {
    EXPECT_TRUE(has_enough(facts_, &LinkFacts::before));
    comes_not_by(eth2());
    comes_by(eth3());
    EXPECT_FALSE(has_enough(facts_, &LinkFacts::before)) << "what comes elsewhere says nothing of eth2";
    eth2().members = 0;
    EXPECT_TRUE(has_enough(facts_, &LinkFacts::before));
    eth3().interface.prohibited = true;
    EXPECT_FALSE(has_enough(facts_, &LinkFacts::before));
}

TEST_F(MulticastJudgeTest, KnowsThatNobodyHasJoinedAlsoIfASwitchKeptItBackUntilWeDid) {
    eth2().members = 0;
    EXPECT_THAT(causes(), ElementsAre(not_joined));
    comes_only_after_announcing(eth2());
    EXPECT_THAT(causes(), ElementsAre(not_joined));
    facts_.groups_joined = 20;
    EXPECT_THAT(causes(), ElementsAre(not_joined));
    EXPECT_THAT(judge(facts_).findings[0].signal, testing::HasSubstr("one socket may join 20 groups"));
}

TEST_F(MulticastJudgeTest, TellsAReceiverThatJoinedElsewhereFromASenderThatWentAstray) {
    comes_not_by(eth2());
    comes_by(eth3());
    eth3().senders = {ip("10.3.0.1")};
    EXPECT_THAT(causes(), ElementsAre(joined_elsewhere));
    eth3().senders = {ip("10.2.0.1")};
    EXPECT_THAT(causes(), ElementsAre(sender_elsewhere));
    comes_by(eth2());
    EXPECT_THAT(causes(), IsEmpty()) << "it comes where it is joined as well";
}

TEST_F(MulticastJudgeTest, LooksAtInterfacesThatAreNotExpectedToo) {
    comes_not_by(eth2());
    comes_by(eth3());
    eth3().interface.prohibited = true;
    EXPECT_THAT(causes(), ElementsAre(sender_elsewhere));
    eth3().members = 1;
    eth2().members = 0;
    EXPECT_THAT(causes(), ElementsAre(sender_elsewhere)) << "joined, but not where it was said to be";
}

TEST_F(MulticastJudgeTest, TellsTheKernelsReversePathFilterFromAFirewall) {
    eth2().after.taken = 0;
    EXPECT_THAT(causes(), ElementsAre(firewall));
    facts_.reverse_path_drops = 20;
    EXPECT_THAT(causes(), ElementsAre(firewall)) << "another interface has dropped something";
    eth2().rp_filter = 1;
    EXPECT_THAT(causes(), ElementsAre(rp_filter));
    facts_.has_own_socket = false;
    EXPECT_THAT(causes(), ElementsAre(rp_filter));
    facts_.reverse_path_drops = 0;
    facts_.delivered = 0;
    EXPECT_THAT(causes(), ElementsAre(firewall)) << "by counters";
}

TEST_F(MulticastJudgeTest, SaysNothingOfDropsWhereItCouldNotListen) {
    eth2().after.taken = 0;
    eth2().has_ear = false;
    EXPECT_THAT(causes(), IsEmpty()) << "our own join failed: for want of memory, say";
}

TEST_F(MulticastJudgeTest, KnowsSourceFiltersAlsoWhereASwitchHelpsWithThem) {
    eth2().sources = {{ip("10.2.0.9"), 1, 0}};
    EXPECT_THAT(causes(), ElementsAre(source_filter));
    comes_only_after_announcing(eth2());
    EXPECT_THAT(causes(), ElementsAre(source_filter));
    eth2().sources = {{ip("10.2.0.1"), 1, 0}};
    comes_by(eth2());
    EXPECT_THAT(causes(), IsEmpty());
    eth2().sources = {{ip("10.2.0.1"), 0, 1}};
    EXPECT_THAT(causes(), ElementsAre(source_filter));
}

TEST_F(MulticastJudgeTest, BlamesNoSourceFilterThatLetsSomebodyHear) {
    eth2().members = 2;
    eth2().sources = {{ip("10.2.0.9"), 1, 0}};
    EXPECT_THAT(causes(), IsEmpty()) << "the other socket takes everything";
    eth2().sources = {{ip("10.2.0.1"), 0, 1}};
    EXPECT_THAT(causes(), IsEmpty());
    eth2().sources.push_back({ip("10.2.0.9"), 1, 0});
    EXPECT_THAT(causes(), ElementsAre(source_filter))
        << "one takes another's only, the other all but this one's";
    eth2().members = 1;
    eth2().sources = {{ip("10.2.0.1"), 0, 1}};
    eth2().senders.push_back(ip("10.2.0.2"));
    EXPECT_THAT(causes(), IsEmpty()) << "another sender is heard";
}

TEST_F(MulticastJudgeTest, BlamesNoSourceFilterIfThereMayBeMoreSendersThanItKnows) {
    eth2().sources = {{ip("10.2.0.1"), 1, 0}};
    eth2().senders.clear();
    for (std::size_t i = 0; i < LinkFacts::kMostSenders; ++i)
        eth2().senders.push_back(ip(("203.0.113." + std::to_string(i)).c_str()));
    EXPECT_THAT(causes(), IsEmpty());
    eth2().senders.pop_back();
    EXPECT_THAT(causes(), ElementsAre(source_filter));
}

TEST_F(MulticastJudgeTest, KnowsWhatAProgramsSocketDoesWrong) {
    facts_.sockets = {socket("10.2.0.2")};
    EXPECT_THAT(causes(), ElementsAre(bound_to_unicast));
    facts_.sockets = {socket("239.7.7.7")};
    EXPECT_THAT(causes(), IsEmpty());
    facts_.sockets[0].bound_to = InterfaceIndex{3};
    EXPECT_THAT(causes(), ElementsAre(bound_to_other_interface));
    facts_.sockets = {socket()};
    facts_.sockets[0].drops = 59;
    EXPECT_THAT(causes(), ElementsAre(buffer_full));
    facts_.sockets = {};
    EXPECT_THAT(causes(), ElementsAre(nobody_listens));
}

TEST_F(MulticastJudgeTest, KnowsASocketThatLetsOnlyOthersJoin) {
    facts_.sockets = {socket(), socket("239.7.7.7")};
    facts_.sockets[1].hears_others_groups = false;
    EXPECT_THAT(causes(), ElementsAre(not_own_membership));
    EXPECT_TRUE(judge(facts_).arrives) << "it may be the other one that has not joined";
    eth2().members = 2;
    EXPECT_THAT(causes(), IsEmpty());
}

TEST_F(MulticastJudgeTest, LeavesAProgramAloneThatAlsoHasASocketForUnicast) {
    facts_.sockets = {socket("239.7.7.7"), socket("10.2.0.2")};
    facts_.sockets[0].hears_others_groups = false;
    EXPECT_THAT(causes(), IsEmpty());
    facts_.sockets[1].owner = "another (4712)";
    EXPECT_THAT(causes(), ElementsAre(bound_to_unicast));
}

TEST_F(MulticastJudgeTest, LeavesAProgramAloneThatHasASocketForEachInterface) {
    facts_.sockets = {socket("239.7.7.7"), socket("239.7.7.7")};
    for (std::uint32_t i = 0; i < 2; ++i) {
        facts_.sockets[i].bound_to = InterfaceIndex{2 + i};
        facts_.sockets[i].hears_others_groups = false;
        facts_.links[i].members = 1;
    }
    EXPECT_THAT(causes(), IsEmpty());
    facts_.sockets.erase(facts_.sockets.begin());
    EXPECT_THAT(causes(), ElementsAre(bound_to_other_interface));
}

TEST_F(MulticastJudgeTest, NotesASharedPortWhichKeepsNothingAway) {
    facts_.sockets = {socket(), socket()};
    eth2().members = 2;
    EXPECT_THAT(causes(), ElementsAre(port_shared));
    EXPECT_TRUE(judge(facts_).arrives);
}

TEST_F(MulticastJudgeTest, SaysWhatIsMissingWhereNothingComes) {
    comes_not_by(eth2());
    EXPECT_THAT(causes(), ElementsAre(no_sender));
    eth2().other_ports = {5601};
    EXPECT_THAT(causes(), ElementsAre(wrong_port));
    eth2().other_ports = {};
    eth2().interface.carrier = false;
    EXPECT_THAT(causes(), ElementsAre(link_down));
    eth2().interface.carrier = true;
    eth2().is_refused = true;
    EXPECT_THAT(causes(), ElementsAre(blocked));
}

TEST_F(MulticastJudgeTest, SaysThatAnOlderSwitchMayNotHaveUnderstood) {
    comes_not_by(eth2());
    EXPECT_THAT(judge(facts_).unseen, IsEmpty());
    eth2().igmp_version = 2;
    EXPECT_THAT(causes(), ElementsAre(no_sender));
    EXPECT_THAT(judge(facts_).unseen, ElementsAre(testing::HasSubstr("IGMPv2 is spoken there")));
}

TEST_F(MulticastJudgeTest, WithoutRightsItSaysWhatItCouldNotSeeAndGuessesNoSwitch) {
    facts_.is_tapped = false;
    facts_.sockets_error = "the kernel did not come to an end";
    eth2().before = {};
    eth2().after = {0, 10};
    EXPECT_THAT(causes(), IsEmpty());
    EXPECT_THAT(judge(facts_).unseen,
                ElementsAre(testing::HasSubstr("CAP_NET_RAW"), testing::HasSubstr("did not come to an end")));
    comes_not_by(eth2());
    facts_.reverse_path_drops = 20;
    EXPECT_THAT(causes(), ElementsAre(no_sender)) << "it is not said to be dropped where nothing is filtered";
    eth2().rp_filter = 1;
    EXPECT_THAT(causes(), ElementsAre(rp_filter));
}

}  // namespace
}  // namespace muster::net
