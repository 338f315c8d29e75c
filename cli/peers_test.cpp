#include "peers.h"

#include <gtest/gtest.h>

namespace muster::cli {
namespace {

class FindPeers : public testing::Test {
protected:
    void here(const DeviceId& id, std::string name, bool is_coordinator = false) {
        roster.peers.emplace_back(id, std::move(name), InfoMap{}, is_coordinator);
    }
    /// The names of those who are found; what is wrong if nobody is.
    std::string found(std::string_view who) const {
        const auto addressed = find_peers(roster, self, who);
        if (!addressed) return std::string{to_string(addressed.error().code())};
        std::string names;
        for (const PeerInfo& each : addressed->peers) names += each.name + ";";
        return names;
    }

    const DeviceId self{{1}}, mixer{{2}}, left{{3}}, liar{{4}};
    Roster roster;
};

TEST_F(FindPeers, ByNameByIdByItsBeginAndByRoleButNeverThisDevice) {
    here(mixer, "mixer", true), here(self, "right"), here(left, "left");
    EXPECT_EQ(found("left"), "left;");
    EXPECT_EQ(found(left.to_string()), "left;");
    EXPECT_EQ(found(left.to_string().substr(0, 8)), "left;");
    EXPECT_EQ(found("coordinator"), "mixer;");
    EXPECT_EQ(found("everyone"), "mixer;left;");
    EXPECT_EQ(found("right"), "unknown_peer");
    EXPECT_EQ(found(self.to_string()), "unknown_peer");
}

TEST_F(FindPeers, WhoTakesTheIdOfAnotherForANameGetsNothingOfHis) {
    here(mixer, "mixer", true), here(self, "right"), here(liar, left.to_string());
    EXPECT_EQ(found(left.to_string()), "unknown_peer") << "left is not here yet";
    here(left, "left");
    EXPECT_EQ(found(left.to_string()), "left;");
    const auto addressed = find_peers(roster, self, left.to_string());
    EXPECT_EQ(addressed.value().to, Recipients::one(left));
}

TEST_F(FindPeers, TwoWithOneNameAreNotToldApartByIt) {
    here(mixer, "mixer", true), here(left, "mixer"), here(self, "right");
    EXPECT_EQ(found("mixer"), "bad_input");
    EXPECT_EQ(found(left.to_string()), "mixer;");
}

}  // namespace
}  // namespace muster::cli
