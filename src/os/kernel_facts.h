#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "os/routing.h"

#include "muster/endpoint.h"
#include "muster/error.h"

namespace muster::os {

class NetlinkSocket;

/// Asks the kernel for facts about routes, neighbours and counters, by rtnetlink. Each call waits for the kernel, which
/// answers in some ten microseconds, and 20 ms at most. A resource; one thread or strand.
class KernelFacts {
public:
    /// Errors: system.
    static Result<std::unique_ptr<KernelFacts>> open();
    ~KernelFacts();
    KernelFacts(const KernelFacts&) = delete;
    KernelFacts& operator=(const KernelFacts&) = delete;

    /// All tables, rules and neighbours of both families; begins anew if they change meanwhile, up to eight times. What the kernel
    /// does not know at all (rules, IPv6) is empty. Errors: system, timed_out.
    Result<RoutingState> routing();
    /// How the kernel would send to an address, by all rules and tables. `from`: the source address, if it is fixed already.
    /// Errors: unsupported (the kernel does not know the family), system, timed_out.
    Result<RouteAnswer> answer(const Endpoint& remote, const std::optional<IpAddress>& from);
    /// The line of the tables that matches an address, with all of its hops; over the endpoint's interface if it names one. Unlike
    /// answer(), there is none where the kernel would send only because a socket is bound. Errors: as answer().
    Result<RouteAnswer> line_for(const Endpoint& remote);
    /// Those on an interface of one family that are not known to be gone; at most 256.
    std::vector<NeighbourEntry> neighbours(InterfaceIndex interface, bool v6);
    /// Makes the kernel ask for the link-layer address of a neighbour now. False: only root may, or it is none.
    bool ask_neighbour(InterfaceIndex interface, const IpAddress& neighbour);
    /// Packets that the interface has received since it exists.
    std::optional<std::uint64_t> packets_received(InterfaceIndex interface);

private:
    Result<RouteAnswer> ask_route(const Endpoint& remote, const std::optional<IpAddress>& from,
                                  unsigned flags);
    int read_family(bool v6, RoutingState& state);
    explicit KernelFacts(std::unique_ptr<NetlinkSocket> socket);

    std::unique_ptr<NetlinkSocket> socket_;
};

}  // namespace muster::os
