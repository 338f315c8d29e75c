#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "discovery/link_table.h"
#include "discovery/mdns_types.h"

#include "muster/error.h"

namespace muster::discovery {

/// How the process shares port 5353 with others on this host (RFC 6762 section 15.1).
enum class PortSharing {
    sole,    ///< nobody else has it: questions may ask for unicast answers
    shared,  ///< another responder was there first: we listen on the group only and never ask for unicast
             ///< answers
};

/// The sockets of mDNS: port 5353 on both groups, and ephemeral ports for one-shot queries. Same
/// executor throughout.
class MdnsSockets final : public MdnsWire {
public:
    using OnPacket = std::function<void(const PacketInfo& info, ByteView packet)>;

    explicit MdnsSockets(boost::asio::any_io_executor executor);
    ~MdnsSockets() override;
    MdnsSockets(const MdnsSockets&) = delete;
    MdnsSockets& operator=(const MdnsSockets&) = delete;

    /// Errors: the first reason if no wanted family can be opened.
    Result<PortSharing> open(const LinkPolicy& policy, OnPacket on_packet);
    /// Joins the group on the links that are there now and leaves the others.
    void follow(const LinkTable& links);
    /// on_packet is not called any more. Idempotent.
    void close();

    void multicast(LinkId link, SendFrom from, ByteView packet) override;
    void unicast(const Endpoint& to, SendFrom from, ByteView packet) override;

private:
    struct Port;
    using PortPointer =
        std::shared_ptr<Port>;  // owners: this object and the wait for the port to become readable

    Result<PortSharing> probe_port(Family family) const;
    Result<void> open_ports(std::span<const Family> families);
    Result<PortPointer> open_port(Family family, SendFrom purpose, InterfaceIndex bound) const;
    PortPointer find_port(LinkId link, SendFrom from) const;
    PortPointer port_for(LinkId link, SendFrom from);
    PortPointer add_port(Family family, SendFrom purpose, InterfaceIndex bound);
    bool join(LinkId link);
    void leave(LinkId link);
    static void close_port(Port& port);
    void wait(const PortPointer& port);
    void read(const PortPointer& port);
    void send(LinkId link, SendFrom from, const Endpoint& to, ByteView packet);

    boost::asio::any_io_executor executor_;
    OnPacket on_packet_;
    PortSharing sharing_ = PortSharing::sole;
    std::vector<PortPointer> ports_;
    std::map<LinkId, TimePoint> joined_;  // with LocalLink::since
};

}  // namespace muster::discovery
