#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "os/file_descriptor.h"
#include "os/ping_socket.h"
#include "os/proof_findings.h"

#include "muster/endpoint.h"
#include "muster/error.h"
#include "muster/time.h"

namespace muster::os {

/// What is to be asked of a host.
struct ProofRequest {
    Endpoint remote;        ///< With an interface: by sockets that are bound to it. Port 0: the host alone.
    bool asks_udp = false;  ///< The port by UDP, with one octet, 0; else by TCP.
    std::uint32_t mtu = 0;  ///< Octets: how large the large ping is to be.
};

/// Asks a host whether it is there: pings, a datagram to a port that is closed everywhere (9, discard), and its port. What
/// the kernel refuses to send is a finding, not an error. A resource; one thread or strand.
class PathProof {
public:
    /// Asks. Errors: system (it gives no socket; but that pings are not permitted is a finding), and as hold_to().
    static Result<std::unique_ptr<PathProof>> begin(const ProofRequest& request, TimePoint now);

    /// Sends once more what has not been answered.
    void repeat();
    /// Reads what has come. True: nothing more is awaited.
    bool look(TimePoint now);
    const ProofFindings& findings() const { return found_; }
    /// By what its pings and the packets to the port that was asked for are known on the wire.
    std::vector<TappedTraffic::Flow> flows() const;

private:
    PathProof(const ProofRequest& request, TimePoint now) : request_(request), began_(now) {}
    Result<void> open();
    void ping();
    Result<FileDescriptor> open_for(int type) const;
    void ask();
    void connect_port();
    void read_pings();
    void read_errors(int socket);
    void take(IcmpReport told, int socket);
    void read_port();
    bool is_host_heard() const;
    bool is_ping_over(TimePoint now) const;
    bool is_port_over() const;
    bool is_shut_in() const;
    bool is_told(TimePoint now) const;
    bool is_done(TimePoint now) const;

    ProofRequest request_;
    TimePoint began_;
    ProofFindings found_;
    std::optional<PingSocket> ping_;
    bool has_report_of_ping_ = false;
    FileDescriptor closed_, port_;
};

}  // namespace muster::os
