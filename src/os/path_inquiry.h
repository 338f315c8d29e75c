#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/path_findings.h"
#include "os/file_descriptor.h"
#include "os/kernel_facts.h"

#include "muster/endpoint.h"

namespace muster::os {

/// What Muster may be: a packet that no listener takes for its own. One octet, 0.
inline constexpr std::size_t kInquirySize = 1;

/// Asks around why nothing comes from an endpoint any more: a packet of one octet to its port and to one that is closed
/// everywhere (9, discard), for the ICMP errors that come back; the same to at most three neighbours on the same
/// interface; where permitted, the link-layer addresses of them all; the route; the interface's counter. The sockets are
/// its own: an ICMP error never reaches those that carry links. A resource; one thread or strand.
class PathInquiry {
public:
    /// Asks. `local`: the source address; unspecified leaves it to the kernel. Errors: system.
    static Result<std::unique_ptr<PathInquiry>> begin(const Endpoint& remote, const IpAddress& local);

    /// Reads what has come so far. True: enough to know the fault.
    bool look();
    /// All that was found.
    PathFindings finish();

private:
    struct Poke {
        FileDescriptor socket;
        bool answered = false;
    };
    PathInquiry(std::unique_ptr<KernelFacts> kernel, const Endpoint& remote);
    void read_route();
    void ask_peer(const IpAddress& local);
    void ask_neighbours();
    void ask_neighbour(const IpAddress& neighbour);
    /// Sends one octet from a socket of its own. Returns an errno, or 0.
    int poke(const Endpoint& to, const IpAddress& local, Poke& poke) const;
    static std::optional<IcmpReport> read(const Poke& poke);
    void hear_port();

    std::unique_ptr<KernelFacts> kernel_;
    Endpoint remote_;
    IpAddress hop_;
    PathFindings found_;
    std::optional<std::uint64_t> received_before_;
    Poke port_, closed_port_;
    struct Other {
        IpAddress address;
        Poke poke;
    };
    std::vector<Other> others_;
};

/// What an errno of a send says about its path.
SendRefusal refusal_of(int error);

}  // namespace muster::os
