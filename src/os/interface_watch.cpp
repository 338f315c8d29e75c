#include "os/interface_watch.h"

#include <array>
#include <cerrno>
#include <utility>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "os/netlink_socket.h"

namespace muster::os {
namespace {

// Room for about 10,000 address events while the strand is busy; beyond it comes ENOBUFS and a resync.
constexpr int kSocketBuffer = 4 << 20;
// Bounds one call of receive() while events pour in; the socket stays readable, so the rest comes next.
constexpr int kReadsPerCall = 256;

constexpr std::array<int, 3> kGroups = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR};

}  // namespace

Result<std::unique_ptr<InterfaceWatch>> InterfaceWatch::open() {
    auto socket = open_route_events(kGroups, kSocketBuffer);
    if (!socket) return socket.error();
    std::unique_ptr<InterfaceWatch> watch{new InterfaceWatch{std::move(*socket)}};
    if (auto done = watch->resync(); !done) return done.error();
    watch->resyncs_ = 0;  // the first reading is none
    return watch;
}

InterfaceWatch::InterfaceWatch(FileDescriptor socket) : socket_(std::move(socket)), dump_(socket_.get()) {}

bool InterfaceWatch::receive() {
    bool changed = false;
    for (int reads = 0; reads < kReadsPerCall && !stale_; ++reads) {
        const auto size = read_netlink(socket_.get(), dump_.buffer(), MSG_DONTWAIT);
        if (size == -EAGAIN) break;
        if (size == -ENOBUFS || size == -EMSGSIZE) stale_ = true;
        if (size > 0)
            changed |= table_.apply(dump_.buffer().first(static_cast<std::size_t>(size)), 0).changed;
    }
    return stale_ ? resync().has_value() : changed;
}

std::vector<Interface> InterfaceWatch::interfaces() {
    auto now = table_.snapshot();
    std::map<InterfaceIndex, KnownMarks> marks;
    for (Interface& each : now) {
        if (!needs_marks(each)) {
            classify(each, {});
            continue;
        }
        const auto known = marks_.find(each.index);
        const bool is_known = known != marks_.end() && known->second.name == each.name;
        const auto kept = marks.emplace(
            each.index, KnownMarks{each.name, is_known ? known->second.marks : device_marks(each)});
        classify(each, kept.first->second.marks);
    }
    marks_ = std::move(marks);
    return now;
}

Result<> InterfaceWatch::resync() {
    stale_ = true;
    ++resyncs_;
    auto fresh = dump_.read();
    if (!fresh) return fresh.error();
    table_ = std::move(*fresh);
    stale_ = false;
    return {};
}

}  // namespace muster::os
