#include "os/address_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::os {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(AddressChecks, TellsTheDuplicates) {
    const auto found = parse_duplicates(
        "20010db8000900000000000000000003 02 40 00 c8     lan0\n"
        "20010db8000900000000000000000001 02 40 00 80     lan0\n"
        "fe80000000000000021122fffe334455 02 40 20 88     eth1\n");
    EXPECT_THAT(found, ElementsAre(DuplicateAddress{"lan0", *IpAddress::parse("2001:db8:9::3")},
                                   DuplicateAddress{"eth1", *IpAddress::parse("fe80::211:22ff:fe33:4455")}));
}

TEST(AddressChecks, LeavesOutWhatMakesNoSense) {
    EXPECT_THAT(parse_duplicates(""), IsEmpty());
    EXPECT_THAT(parse_duplicates("\n\n x\n20010db8\n"), IsEmpty());
    EXPECT_THAT(parse_duplicates("20010db800090000000000000000000g 02 40 00 c8 lan0"), IsEmpty());
    EXPECT_THAT(parse_duplicates("20010db8000900000000000000000003 02 40 00 c8"), IsEmpty()) << "no name";
    std::string many;
    for (int i = 0; i < 1000; ++i) many += "20010db8000900000000000000000003 02 40 00 c8 lan0\n";
    EXPECT_THAT(parse_duplicates(many), SizeIs(256));
}

}  // namespace
}  // namespace muster::os
