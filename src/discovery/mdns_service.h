#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "discovery/discovery.h"
#include "discovery/mdns_sockets.h"
#include "discovery/mdns_types.h"

#include "muster/path_preferences.h"

namespace muster::discovery {

struct MdnsServiceOptions {
    /// First label of this host's name, without ".local"; empty: "m-" and 16 random base32
    /// characters (80 bits). Must be unique by itself (a key's fingerprint, 64 random bits): it is
    /// announced without probing.
    std::string host;
    LoopbackUse loopback = LoopbackUse::when_alone;
    bool ipv4 = true;
    bool ipv6 = true;
    std::vector<std::string> only_interfaces;    ///< names; empty: every eligible one
    std::vector<std::string> except_interfaces;  ///< names
    PathPreferences paths;                       ///< What they prohibit takes no part.
};

/// mDNS/DNS-SD on the real network: MdnsEngine, sockets, netlink events and a timer.
/// Thread: everything on `executor`, which must be a strand or a single-threaded context; handlers are called
/// there. A resource; destroy it on its executor, after stop(). Handles may outlive it.
class MdnsService final : public Discovery {
public:
    explicit MdnsService(boost::asio::any_io_executor executor, MdnsServiceOptions options = {});
    ~MdnsService() override;
    MdnsService(const MdnsService&) = delete;
    MdnsService& operator=(const MdnsService&) = delete;

    /// Opens the sockets and follows the interfaces. Advertise, browse and resolve may be called before or
    /// after. Errors: system (a call and its reason) if neither family can be opened.
    Result<void> start();
    /// Other interfaces take part from now on. Nothing is said on those that no longer do, not even goodbye.
    void set_path_preferences(PathPreferences preferences);
    /// Says goodbye for everything that is advertised and closes the sockets. Idempotent; no
    /// callback comes after it.
    void stop();

    Result<Advertisement> advertise(Registration registration, AdvertiseHandler handler) override;
    void update_txt(AdvertisementId id, TxtRecord txt) override;
    void probe_again(AdvertisementId id) override;
    Result<Subscription> browse(BrowseRequest request, ServiceHandler handler) override;
    Result<Subscription> resolve_unique(ResolveRequest request, ServiceHandler handler) override;
    void reconfirm(std::string_view instance, std::string_view type) override;

    /// "m-....local", known after construction.
    const std::string& host_name() const;
    /// Known after start().
    PortSharing port_sharing() const;

private:
    class Impl;
    std::shared_ptr<Impl> impl_;  // owners: this object and the asynchronous operations that it started
};

}  // namespace muster::discovery
