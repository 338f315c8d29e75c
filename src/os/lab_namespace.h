#pragma once

// Two hosts joined by one cable, as network namespaces of this process alone: for the lab
// tests of os/ and net/.

#include <algorithm>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/file_descriptor.h"
#include "os/interface_watch.h"

#include "muster/ids.h"

namespace muster::os {

/// Runs a command line and expects it to succeed.
inline void run(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0) << command; }

/// Lets the UDP sockets of this process with this port hear when a device's full queue drops their packets
/// (ENOBUFS): the kernel keeps it from sockets that do not ask, but says the same when memory is short.
inline void make_drops_known(std::uint16_t port) {
    constexpr int kMostDescriptors = 256, kOn = 1;
    int found = 0;
    for (int descriptor = 0; descriptor < kMostDescriptors; ++descriptor) {
        sockaddr_in6 bound{};
        socklen_t size = sizeof bound;
        if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&bound), &size) != 0) continue;
        if (bound.sin6_port != htons(port)) continue;  // at the same place in sockaddr_in
        ++found;
        if (bound.sin6_family == AF_INET) ::setsockopt(descriptor, IPPROTO_IP, IP_RECVERR, &kOn, sizeof kOn);
        if (bound.sin6_family == AF_INET6)
            ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_RECVERR, &kOn, sizeof kOn);
    }
    EXPECT_GT(found, 0) << "no socket has port " << port;
}

/// As long as it lives, the process can open nothing more (EMFILE).
class NoMoreDescriptors {
public:
    NoMoreDescriptors() {
        EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
        const FileDescriptor lowest{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
        rlimit now = before_;
        now.rlim_cur = static_cast<rlim_t>(lowest.get());
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &now), 0);
    }
    ~NoMoreDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    NoMoreDescriptors(const NoMoreDescriptors&) = delete;
    NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;

private:
    rlimit before_{};
};

/// A namespace of its own that lives as long as the object. Sockets stay in the one in
/// which they were opened.
class LabNamespace {
public:
    LabNamespace() {
        EXPECT_EQ(::unshare(CLONE_NEWNET), 0);
        descriptor_ = FileDescriptor{::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)};
        run("ip link set lo up");
    }
    void enter() const { ASSERT_EQ(::setns(descriptor_.get(), CLONE_NEWNET), 0); }
    /// What `ip ... netns` takes.
    std::string name() const {
        return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(descriptor_.get());
    }

private:
    FileDescriptor descriptor_;
};

/// `near` has near0 with 10.77.0.1/24 and fe80::1, `far` has far0 with 10.77.0.2/24 and fe80::2; a second
/// cable near1 - far1 has 10.78.0.0/24 likewise. The process is in `near` after the constructor.
class TwoHosts : public testing::Test {
protected:
    TwoHosts() {
        near_.enter();
        for (const std::string cable : {"0", "1"}) {
            run("ip link add near" + cable + " type veth peer name far" + cable);
            run("ip link set far" + cable + " netns " + far_.name());
            set_up("near" + cable, cable, "1");
        }
        far_.enter();
        for (const std::string cable : {"0", "1"}) set_up("far" + cable, cable, "2");
        await_carriers();
        near_.enter();
        await_carriers();
    }

    static InterfaceIndex index(const std::string& name) {
        return InterfaceIndex{if_nametoindex(name.c_str())};
    }

    LabNamespace near_;
    LabNamespace far_;

private:
    /// A device that was opened without carrier drops all packets until the kernel's link watch has noticed
    /// that it has one now: milliseconds, on a busy machine more.
    static void await_carriers() {
        const auto watch = InterfaceWatch::open();
        ASSERT_TRUE(watch.has_value());
        const auto all_up = [&] {
            const auto all = (*watch)->interfaces();
            return std::ranges::count_if(all, [](const auto& link) { return link.carrier; }) == 3;
        };
        for (int i = 0; i < 100 && !all_up(); ++i) {
            pollfd wait{(*watch)->native_handle(), POLLIN, 0};
            ::poll(&wait, 1, 100);
            (*watch)->receive();
        }
        ASSERT_TRUE(all_up());
    }

    static void set_up(const std::string& device, const std::string& cable, const std::string& host) {
        run("ip link set " + device + " addrgenmode none");
        run("ip addr add 10.7" + std::to_string(7 + std::stoi(cable)) + ".0." + host + "/24 dev " + device);
        run("ip addr add fe80::" + host + "/64 nodad dev " + device);
        run("ip link set " + device + " up");
    }
};

}  // namespace muster::os
