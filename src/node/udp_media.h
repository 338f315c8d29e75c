#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "link/path.h"
#include "node/inquirer.h"
#include "os/udp_socket.h"

#include "muster/error.h"
#include "muster/interface.h"

namespace muster::node {

/// The UDP sockets of one node, one for each family, as a medium of the link engine. All calls on one strand.
class UdpMedia final : public link::Medium {
public:
    /// Called for each datagram received; `from.local` is the address it was sent to.
    using OnDatagram = std::function<void(const link::Path& from, ByteView datagram, std::uint8_t ecn)>;
    /// Called after a batch of datagrams: the time to flush.
    using OnBatch = std::function<void()>;
    /// Called from inside send() if the kernel refuses.
    using OnRefused = std::function<void(const link::Path& path, SendRefusal refusal)>;
    using OnIcmp = std::function<void(const IcmpReport& report)>;
    struct Handlers {
        OnDatagram on_datagram;
        OnBatch on_batch;
        OnRefused on_refused;
        OnIcmp on_icmp;
        Inquirer::OnFindings on_findings;
    };

    /// Opens both families on `port` (0: any, the same for both if possible). A missing family is no error
    /// as long as one works. `executor` is the node's strand.
    static Result<std::unique_ptr<UdpMedia>> open(boost::asio::any_io_executor executor, std::uint16_t port);
    ~UdpMedia() override;
    UdpMedia(const UdpMedia&) = delete;
    UdpMedia& operator=(const UdpMedia&) = delete;

    void start(Handlers handlers);
    /// No callback comes after this.
    void stop();
    /// Delivers what has arrived, without waiting to be told that something has.
    void read_now();
    /// Zero if the family is not available.
    std::uint16_t port(os::IpFamily family) const;

    // link::Medium
    void send(const link::Path& path, ByteView octets, std::size_t segment, std::uint8_t ecn) override;

    void inquire(const link::Path& path) override;

    /// If one of these is prohibited, nothing is sent or taken by any but those that are here and not prohibited.
    void restrict_to(std::span<const Interface> interfaces);

    /// Datagrams dropped because a socket, or the queue of an interface, stayed full.
    std::uint64_t dropped() const { return dropped_; }

private:
    struct Socket;
    struct Pending {
        link::Path path;
        Bytes octets;
        std::size_t segment = 0;
        std::uint8_t ecn = 0;
    };
    using Queue = std::deque<Pending>;

    explicit UdpMedia(boost::asio::any_io_executor executor);
    Result<void> add(os::IpFamily family, std::uint16_t port);
    Socket* socket_for(const IpAddress& address);
    void wait_readable(const std::shared_ptr<Socket>& socket);
    void read(Socket& socket);
    void deliver(const os::ReceivedDatagram& batch);
    bool hear_icmp(Socket& socket);
    void keep(Socket& socket, Pending pending);
    void wait_to_send(const std::shared_ptr<Socket>& socket, int error);
    int drain(Socket& socket);
    int drain(Socket& socket, Queue& queue);
    void note(const link::Path& path, const os::SendOutcome& outcome);

    boost::asio::any_io_executor executor_;
    std::array<std::shared_ptr<Socket>, 2> sockets_;  // shared with the waits under way
    Handlers handlers_;
    std::optional<Inquirer> inquirer_;
    bool may_use(InterfaceIndex interface) const { return !allowed_ || allowed_->contains(interface); }

    std::optional<std::set<InterfaceIndex>> allowed_;  // none: all
    std::uint64_t dropped_ = 0;
};

}  // namespace muster::node
