#pragma once

#include <memory>
#include <optional>
#include <utility>

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

    bool operator==(const TappedHeader&) const = default;
};

/// Reads the beginning of an IP packet; nullopt for other protocols than ICMP, TCP and UDP, and for what is no such packet.
std::optional<TappedHeader> parse_tapped_header(ByteView packet);

/// Counts the packets between this machine and one host on all interfaces: what comes in before any filter, what goes out
/// after all of them. Needs CAP_NET_RAW. A resource; one thread or strand.
class PathTap {
public:
    /// Errors: system (no permission).
    static Result<std::unique_ptr<PathTap>> open(const IpAddress& host);

    /// Counts what has passed since the last call, at most 4,096 packets.
    void read();
    const TappedTraffic& traffic() const { return traffic_; }

private:
    PathTap(FileDescriptor socket, const IpAddress& host) : socket_(std::move(socket)), host_(host) {}
    void count(InterfaceIndex interface, const TappedHeader& packet);

    FileDescriptor socket_;
    IpAddress host_;
    TappedTraffic traffic_;
};

}  // namespace muster::os
