#include "destination.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <gtest/gtest.h>

namespace muster::cli {
namespace {

TEST(Destination, AnAddressOfTheResolverKeepsItsLink) {
    const Endpoint scoped = endpoint_of(boost::asio::ip::make_address("fe80::1%7"));
    EXPECT_EQ(scoped.address, *IpAddress::parse("fe80::1"));
    EXPECT_EQ(scoped.interface, InterfaceIndex{7});
    EXPECT_EQ(endpoint_of(boost::asio::ip::make_address("2001:db8::1")).interface, InterfaceIndex::none);
    EXPECT_EQ(endpoint_of(boost::asio::ip::make_address("192.0.2.1")).address,
              *IpAddress::parse("192.0.2.1"));
}

TEST(Destination, AddressesMayLackThePort) {
    boost::asio::io_context io;
    for (const std::string text : {"192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]:53"})
        EXPECT_TRUE(find_destination(io, text).has_value()) << text;
    EXPECT_FALSE(find_destination(io, "192.0.2.1/24").has_value());
}

}  // namespace
}  // namespace muster::cli
