#include "os/socket_holders.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file_descriptor.h"

namespace muster::os {
namespace {

std::uint32_t inode_of(const FileDescriptor& file) {
    struct stat facts{};
    EXPECT_EQ(::fstat(file.get(), &facts), 0);
    return static_cast<std::uint32_t>(facts.st_ino);
}

TEST(SocketHolders, FindsWhoHasEachOfSeveralSockets) {
    const FileDescriptor one{::socket(AF_INET, SOCK_DGRAM, 0)}, other{::socket(AF_INET6, SOCK_DGRAM, 0)};
    const auto holders = holders_of({inode_of(one), inode_of(other)});
    ASSERT_EQ(holders.size(), 2u);
    EXPECT_EQ(holders.at(inode_of(one)), (SocketHolder{::getpid(), one.get()}));
    EXPECT_EQ(holders.at(inode_of(other)), (SocketHolder{::getpid(), other.get()}));
    EXPECT_NE(name_of(holders.at(inode_of(one))).find("(" + std::to_string(::getpid()) + ")"),
              std::string::npos);
}

TEST(SocketHolders, FindsNobodyWhereThereIsNoSuchSocket) { EXPECT_TRUE(holders_of({0}).empty()); }

TEST(SocketHolders, SeesWhetherAnIpv6SocketTakesWhatOthersJoined) {
    const FileDescriptor socket{::socket(AF_INET6, SOCK_DGRAM, 0)};
    const SocketHolder here{::getpid(), socket.get()};
    EXPECT_EQ(hears_others_groups_v6(here), true);
    const int off = 0;
    ASSERT_EQ(::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_MULTICAST_ALL, &off, sizeof off), 0);
    EXPECT_EQ(hears_others_groups_v6(here), false);
}

}  // namespace
}  // namespace muster::os
