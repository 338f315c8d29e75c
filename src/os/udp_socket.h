#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/path_findings.h"
#include "os/datagram.h"
#include "os/file_descriptor.h"

#include "muster/error.h"

namespace muster::os {

struct UdpOptions {
    IpFamily family = IpFamily::v6;
    std::uint16_t port = 0;  ///< 0: the kernel chooses.
    /// Wanted socket buffers. A batch at 1 Gbit/s fills 4 MiB in 30 ms: the longest that a busy strand should
    /// stay away. Taken as far as the system allows.
    std::uint32_t receive_buffer = 4 << 20;
    std::uint32_t send_buffer = 4 << 20;
    bool segmentation = true;  ///< UDP_SEGMENT and UDP_GRO if the kernel has them.
};

/// What a socket has seen, for `doctor` and `explain`.
struct UdpCounters {
    std::uint64_t datagrams_sent = 0;
    std::uint64_t datagrams_received = 0;
    std::uint64_t send_calls = 0;
    std::uint64_t receive_calls = 0;
    std::uint64_t gso_fallbacks = 0;  ///< GSO switched off after the kernel or a driver refused a batch.
    std::uint64_t ecn_fallbacks = 0;  ///< ECN marks switched off after the kernel refused them.
    std::uint64_t discarded = 0;      ///< Received without a usable address, or truncated.
};

/// One UDP socket of one family, bound to the wildcard address, that serves all interfaces: every datagram
/// received tells its interface and local address, every send names them. No fragmentation (DF), IPv6 only
/// carries IPv6, nonblocking. No errno ever makes it unusable. A resource; one thread or strand.
class UdpSocket {
public:
    /// Datagrams (or joined batches) per receive().
    static constexpr std::size_t kSlots = 16;
    /// Octets of one slot: the largest batch that UDP_GRO makes.
    static constexpr std::size_t kSlotSize = 65536;
    /// Requests per system call of send_many().
    static constexpr std::size_t kSendSlots = 64;

    /// Errors: already_exists (port taken), unsupported (the kernel lacks the family), system.
    static Result<std::unique_ptr<UdpSocket>> open(const UdpOptions& options);
    ~UdpSocket();
    UdpSocket(const UdpSocket&) = delete;
    UdpSocket& operator=(const UdpSocket&) = delete;

    /// Fills `out` from the front, at most kSlots, and returns how many; 0 when there is nothing. Views stay
    /// valid until the next call. Never fails: an error of the socket is counted and read away.
    std::size_t receive(std::span<ReceivedDatagram> out);

    /// Sends a datagram or a batch. A batch that the kernel or driver refuses to cut is sent again at once,
    /// piece by piece, and segmentation stays off for this socket.
    SendOutcome send(const SendRequest& request);

    /// Sends many single datagrams to different remotes with few system calls; `outcomes` has the same size.
    /// Requests with a `segment` are allowed and sent as by send().
    void send_many(std::span<const SendRequest> requests, std::span<SendOutcome> outcomes);

    /// An ICMP error that something sent has brought back; nullopt if there is none. Call until then when
    /// has_reports(): what nobody takes makes the socket readable for nothing.
    std::optional<IcmpReport> take_report();
    bool has_reports() const { return has_reports_; }

    std::uint16_t port() const { return port_; }
    IpFamily family() const { return options_.family; }
    /// True while batches are cut by the kernel.
    bool segmentation() const { return gso_; }
    const UdpCounters& counters() const { return counters_; }
    /// For waiting only; the socket keeps it.
    int native_handle() const { return socket_.get(); }

private:
    struct ReceiveSlots;
    struct SendSlots;
    UdpSocket(FileDescriptor socket, const UdpOptions& options, std::uint16_t port, bool gso);

    SendOutcome send_datagram(const SendRequest& request);
    SendOutcome send_batch(const SendRequest& request);
    SendOutcome send_pieces(const SendRequest& request);
    int transmit(const SendRequest& request, std::size_t segment);
    void transmit_run(std::span<const SendRequest> requests, std::span<SendOutcome> outcomes);

    FileDescriptor socket_;
    UdpOptions options_;
    std::uint16_t port_;
    bool gso_;
    bool ecn_ = true;
    bool has_reports_ = false;
    UdpCounters counters_;
    std::unique_ptr<ReceiveSlots> receive_slots_;  // 1 MiB of address space, made at the first receive
    std::unique_ptr<SendSlots> send_slots_;
};

}  // namespace muster::os
