#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "os/file_descriptor.h"
#include "os/proof_findings.h"

#include "muster/bytes.h"
#include "muster/endpoint.h"
#include "muster/error.h"

namespace muster::os {

/// What an IP packet carries and who sent it, as far as counting goes.
struct TappedHeader {
    IpAddress source;
    TappedTraffic::Protocol protocol = TappedTraffic::Protocol::icmp;
    /// A ping has its id as the one, its answer as the other.
    std::uint16_t source_port = 0, target_port = 0;

    bool operator==(const TappedHeader&) const = default;
};

/// Reads the beginning of an IP packet; nullopt for all but TCP, UDP and pings (neighbour discovery is ICMPv6 as well), for
/// fragments behind the first, and for what is no such packet.
std::optional<TappedHeader> parse_tapped_header(ByteView packet);

/// Counts packets between this machine and one host on all interfaces: what comes in before any filter, what goes out after
/// all of them. Needs CAP_NET_RAW. A resource; one thread or strand.
class PathTap {
public:
    /// Errors: unsupported (without CAP_NET_RAW), system.
    static Result<std::unique_ptr<PathTap>> open(const IpAddress& host);

    /// Counts these packets too; without it, none.
    void follow(const TappedTraffic::Flow& flow) { flows_.push_back(flow); }
    /// Counts what has passed since the last call, at most 4,096 packets.
    void read();
    /// True if more has passed than there was room for: then what was counted says nothing.
    bool has_missed();
    const TappedTraffic& traffic() const { return traffic_; }

private:
    PathTap(FileDescriptor socket, const IpAddress& host) : socket_(std::move(socket)), host_(host) {}
    void count(InterfaceIndex interface, const TappedHeader& packet);

    FileDescriptor socket_;
    IpAddress host_;
    std::vector<TappedTraffic::Flow> flows_;
    bool has_missed_ = false;
    TappedTraffic traffic_;
};

}  // namespace muster::os
