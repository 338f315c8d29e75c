#include "muster/multicast_sender.h"

#include <gtest/gtest.h>

namespace muster {
namespace {

const IpAddress kGroup = *IpAddress::parse("239.7.7.7");

Errc refused(const MulticastSenderOptions& options) {
    const auto sender = MulticastSender::open(options);
    EXPECT_FALSE(sender.has_value());
    return sender ? Errc{} : sender.error().code();
}

TEST(MulticastSender, RefusesWhatCanReachNobody) {
    EXPECT_EQ(refused({*IpAddress::parse("192.0.2.1"), 5600}), Errc::bad_input);
    EXPECT_EQ(refused({kGroup, 0}), Errc::bad_input);
    MulticastSenderOptions options{kGroup, 5600};
    options.hop_limit = 0;
    EXPECT_EQ(refused(options), Errc::bad_input);
    options.hop_limit = 1;
    options.interfaces = {"kind:radio"};
    EXPECT_EQ(refused(options), Errc::bad_input);
}

}  // namespace
}  // namespace muster
