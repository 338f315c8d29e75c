#include "os/resolver_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::os {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Endpoint server(const char* text, std::uint32_t interface = 0) {
    return {*IpAddress::parse(text), 53, InterfaceIndex{interface}};
}

TEST(ResolverConfig, TakesTheFirstThreeServers) {
    EXPECT_THAT(
        parse_dns_servers("# made by hand\nsearch lan\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 \n"
                          "nameserver 192.0.2.3\nnameserver 192.0.2.4\n"),
        ElementsAre(server("192.0.2.1"), server("2001:db8::1"), server("192.0.2.3")));
}

TEST(ResolverConfig, ReadsTheScopeOfALinkLocalServer) {
    EXPECT_THAT(parse_dns_servers("nameserver fe80::1%7"), ElementsAre(server("fe80::1", 7)));
    EXPECT_THAT(parse_dns_servers("nameserver fe80::1%lo"), ElementsAre(server("fe80::1", 1)));
}

TEST(ResolverConfig, LeavesOutWhatItCannotRead) {
    EXPECT_THAT(parse_dns_servers(""), IsEmpty());
    EXPECT_THAT(
        parse_dns_servers(
            "nameserver\nnameserver none\nnameserver 1.2.3\nnameservers 192.0.2.1\n;nameserver 192.0.2.1"),
        IsEmpty());
    EXPECT_THAT(parse_dns_servers(std::string(100000, 'n') + "\nnameserver 192.0.2.1"),
                ElementsAre(server("192.0.2.1")));
}

}  // namespace
}  // namespace muster::os
