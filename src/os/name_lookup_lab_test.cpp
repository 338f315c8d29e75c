// What the resolver says, on a machine that has no IPv4 address. Addresses stand for names: they pass the same code.
#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/lab_namespace.h"
#include "os/name_lookup.h"

namespace muster::os {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class NameLookupLab : public TwoHosts {
protected:
    static LookupOutcome ask(const char* name) {
        const auto lookup = NameLookup::begin(name);
        EXPECT_TRUE(lookup.has_value());
        for (int i = 0; i < 1000 && !(*lookup)->outcome(); ++i) std::this_thread::sleep_for(5ms);
        return (*lookup)->outcome().value_or(LookupOutcome{});
    }
    static Endpoint to(const char* address, InterfaceIndex interface = InterfaceIndex::none) {
        return {*IpAddress::parse(address), 0, interface};
    }
};

TEST_F(NameLookupLab, ANameOfAFamilyThatHasNoAddressHereIsKnown) {
    run("ip -4 addr flush dev near0 && ip -4 addr flush dev near1");
    EXPECT_THAT(ask("192.0.2.1").addresses, ElementsAre(to("192.0.2.1")));
}

TEST_F(NameLookupLab, TheInterfaceOfALinkLocalAddressIsKept) {
    EXPECT_THAT(ask("fe80::7%near0").addresses, ElementsAre(to("fe80::7", index("near0"))));
}

TEST_F(NameLookupLab, AMappedAddressIsOneOfIpv4) {
    EXPECT_THAT(ask("::ffff:192.0.2.1").addresses, ElementsAre(to("192.0.2.1")));
}

TEST_F(NameLookupLab, WhatIsNoAddressOfAHostIsTrouble) {
    for (const char* each : {"0.0.0.0", "::", "224.0.0.1", "ff02::1"}) {
        const LookupOutcome outcome = ask(each);
        EXPECT_THAT(outcome.addresses, IsEmpty()) << each;
        EXPECT_THAT(outcome.trouble, HasSubstr(each));
    }
}

}  // namespace
}  // namespace muster::os
