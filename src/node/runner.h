#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "net/interface_monitor.h"
#include "node/core.h"
#include "node/udp_media.h"
#include "os/optimistic_addresses.h"
#include "os/timer.h"

#include "muster/error.h"
#include "muster/interface.h"
#include "muster/path_preferences.h"

namespace muster::node {

/// Turns a Core on the real network: sockets, kernel events and a timer, all on one strand.
class Runner {
public:
    using OnInterfaces = std::function<void(const std::vector<Interface>&)>;

    /// Opens what the core will need. Errors: already_exists (port taken), system.
    /// Errors also: bad_input, no_interface (the preferences).
    static Result<std::shared_ptr<Runner>> open(boost::asio::any_io_executor strand, std::uint16_t port,
                                                PathPreferences preferences = {});
    explicit Runner(boost::asio::any_io_executor strand);

    link::Medium& medium() { return *media_; }
    std::uint16_t port(os::IpFamily family) const { return media_->port(family); }
    /// Datagrams that were not sent because a socket stayed full.
    std::uint64_t dropped() const { return media_->dropped(); }
    /// As the kernel has them, and what the preferences say of them.
    std::vector<Interface> interfaces() const;
    /// Uses other interfaces from now on. Errors: bad_input, no_interface; then nothing has changed.
    Result<void> set_path_preferences(PathPreferences preferences);

    /// Lets the kernel use new IPv6 addresses at once (os::OptimisticAddresses), where it may. Before start().
    void use_fast_ipv6();
    /// What was prepared on the interfaces, or why it could not be.
    std::vector<Evidence> preparations() const;

    /// From here on `core` is turned; it must outlive stop(). `after_flush` runs after every turn.
    void start(Core& core, std::function<void()> after_flush);
    /// The application did something: turn the core soon. Many calls cost one turn.
    void poke();
    /// Turns the core at once: for a goodbye that must leave before the process does.
    void turn();
    bool is_running() const { return core_ != nullptr; }
    /// The core is not touched any more. Idempotent.
    void stop();

private:
    void on_change();
    void arm();
    void on_timer();

    boost::asio::any_io_executor strand_;
    std::unique_ptr<UdpMedia> media_;
    std::unique_ptr<net::InterfaceMonitor> monitor_;
    PathPreferences preferences_;
    std::optional<os::OptimisticAddresses> optimistic_;
    os::Timer timer_;
    TimePoint armed_ = kNever;
    bool poked_ = false;
    Core* core_ = nullptr;
    std::function<void()> after_flush_;
    std::weak_ptr<Runner> self_;
};

}  // namespace muster::node
