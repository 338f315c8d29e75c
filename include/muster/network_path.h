#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muster/endpoint.h"
#include "muster/error.h"
#include "muster/interface.h"
#include "muster/path_preferences.h"
#include "muster/time.h"

// Callers include <boost/asio/any_io_executor.hpp> themselves; whoever asks once is spared it.
namespace boost::asio {
class any_io_executor;
}

namespace muster {

/// How far packets get, as the routing tables have it.
enum class PathReach : std::uint8_t {
    nothing,     ///< Not beyond this machine.
    link,        ///< To the devices on a link of this machine.
    everywhere,  ///< Beyond a router: there is a default route.
};

/// What keeps packets from going further. The first that holds is told.
enum class PathReason : std::uint8_t {
    none,               ///< Nothing does.
    no_interface,       ///< There is none but loopback, or not the one that was asked for.
    not_allowed,        ///< The preferences exclude every interface that there is.
    interface_down,     ///< Administratively down.
    no_carrier,         ///< No cable, no access point, no peer.
    address_tentative,  ///< The only address is still being checked for duplicates (RFC 4862 5.4).
    no_address,         ///< No address of a family that could carry it.
    no_route,           ///< No line of the tables leads there.
    route_forbids,      ///< A blackhole, unreachable or prohibit route.
    rule_forbids,       ///< A rule that drops, before any table is asked.
    /// Bound to an interface or to an address: packets would carry the address of another interface, and no answer finds its way
    /// back. An address on loopback belongs to the whole machine, and is none of another interface.
    foreign_source,
    source_gone,  ///< The local address of the pair is no address of this machine (any more).
    /// The next hop did not answer for its link-layer address when the kernel asked it last. The path is satisfied all the same:
    /// packets leave, and only the next one makes the kernel ask again.
    neighbour_silent,
    vpn_inactive,  ///< Everything is to go through a tunnel that is not up.
};

enum class PathStatus : std::uint8_t {
    satisfied,    ///< Packets can leave towards what was asked for. Not a promise that they arrive.
    unsatisfied,  ///< They cannot, and `reason` says why.
    requires_connection,  ///< They cannot now; a modem, or a tunnel with an address or a default route, would have to connect first.
};

/// Stable, for programs.
std::string_view to_string(PathReach reach) noexcept;
std::string_view to_string(PathReason reason) noexcept;
std::string_view to_string(PathStatus status) noexcept;
/// One sentence for people: what is the matter, and what helps.
std::string_view explain(PathReason reason) noexcept;

/// What the kernel itself knows about a device on the link. It asks nobody for it.
enum class LinkProof : std::uint8_t {
    unknown,  ///< Nobody has asked, or the answer is older than the kernel trusts, or somebody has written it down by hand.
    verified,  ///< It has answered for its link-layer address within the last half minute or so.
    failed,    ///< It was asked and did not answer.
};
std::string_view to_string(LinkProof proof) noexcept;

/// One interface of a path.
struct PathInterface {
    Interface interface;
    PathReason reason = PathReason::none;  ///< Why it carries nothing; none: it does.
    PathReach reach = PathReach::nothing;  ///< How far packets get by a socket that is bound to it.
    std::uint32_t metric = 0;              ///< Of its default route, 0 if it has none; the lower, the better.

    bool operator==(const PathInterface&) const = default;
};

struct PathGateway {
    IpAddress address;
    InterfaceIndex interface = InterfaceIndex::none;
    /// Compared only as failed or not: the kernel turns verified into unknown and back for as long as packets flow.
    LinkProof proof = LinkProof::unknown;
    /// How long ago it was heard last. Not compared: it grows by itself.
    Duration heard{};

    bool operator==(const PathGateway& other) const {
        return address == other.address && interface == other.interface &&
               (proof == LinkProof::failed) == (other.proof == LinkProof::failed);
    }
};

/// The line of the routing tables that is used for one destination.
struct PathRoute {
    InterfaceIndex interface = InterfaceIndex::none;
    std::string interface_name;        ///< Also that of loopback, which the table of interfaces leaves out.
    std::optional<IpAddress> gateway;  ///< None: the destination is on the link.
    std::optional<IpAddress> source;   ///< The own address that packets would carry.
    std::uint32_t table = 0;           ///< 254: main, 255: local.
    std::optional<std::uint32_t> mtu;  ///< Octets, if the route says so; otherwise the interface's holds.
    bool is_local = false;             ///< The destination is this machine.

    bool operator==(const PathRoute&) const = default;
};

/// Whether and how packets can leave this machine, as the kernel has it at one time. A value.
struct NetworkPath {
    std::uint64_t revision = 0;  ///< Grows with every change that a PathMonitor tells; 0 when asked once.
    PathStatus status = PathStatus::unsatisfied;
    PathReach reach = PathReach::nothing;  ///< By a socket that is bound to no interface.
    /// Why it is unsatisfied; if it is satisfied, what keeps it from reaching everywhere, or neighbour_silent.
    PathReason reason = PathReason::none;
    /// All of them but loopback: those that reach furthest first; among them the kernel's choice, and then the others as the
    /// preferences and their metrics have it.
    std::vector<PathInterface> interfaces;
    std::vector<PathGateway> gateways;  ///< Of the default routes, the kernel's choice first.
    std::vector<Endpoint> dns_servers;  ///< Those that the system's resolver asks, in its order.
    /// Packets of this family can leave, by what `reach` says; with a destination, packets to it, of its family.
    bool supports_ipv4 = false;
    bool supports_ipv6 = false;
    bool supports_dns = false;  ///< There is a DNS server, and a route to it.
    /// The interface that the kernel would choose (for the destination, if there is one) costs money: cellular, or metered by
    /// the preferences.
    bool is_expensive = false;
    /// Little data is to go by it, as the preferences say. No system setting is read: Linux has none.
    bool is_constrained = false;
    std::optional<PathRoute> route;  ///< path_to() only.
    LinkProof on_link =
        LinkProof::unknown;    ///< path_to() only: the next hop's. Compared as PathGateway::proof.
    Duration on_link_heard{};  ///< How long ago the next hop was heard last. Not compared.

    bool is_satisfied() const { return status == PathStatus::satisfied; }
    /// All that is said above for people: several lines, the first of them a sentence.
    std::string explain() const;

    bool operator==(const NetworkPath& other) const;
};

/// The flags of SCNetworkReachability, for code that was written against them: kReachable and so on, or'ed.
struct Reachability {
    static constexpr std::uint32_t kTransient = 1U << 0;  ///< By a tunnel or a modem.
    static constexpr std::uint32_t kReachable = 1U << 1;
    static constexpr std::uint32_t kConnectionRequired = 1U << 2;
    static constexpr std::uint32_t kLocalAddress = 1U << 16;  ///< It is this machine.
    static constexpr std::uint32_t kDirect = 1U << 17;        ///< No router between.
    static constexpr std::uint32_t kCellular = 1U << 18;

    static std::uint32_t flags(const NetworkPath& path) noexcept;
};

/// How things are now, read from the kernel before it returns (well below a millisecond with a few interfaces, no other
/// process is asked): there is no "undetermined". `preferences` say which interfaces count. Satisfied: packets can leave to at
/// least one link. What could not be read is an error, never a path. Any thread. Errors: bad_input (preferences), system, timed_out
/// (the kernel did not answer, or what it tells never stopped changing).
Result<NetworkPath> current_path(const PathPreferences& preferences = {});

/// The same for one destination: the route that the kernel takes, and whether it can be used. With an interface in
/// `remote`, as for a socket that is bound to it: then the interface must have an own address, or the answer is
/// foreign_source; and a line of the tables must lead there over it, or the answer is no_route. A link-local address of either family
/// needs one (bad_input). Any thread. Errors: bad_input, system, timed_out, unsupported (the kernel does not know the address family).
Result<NetworkPath> path_to(const Endpoint& remote, const PathPreferences& preferences = {});

/// Whether a socket with these two addresses can still send: the local address is still here, and on the interface that
/// packets take. Any thread. Errors: as path_to().
Result<NetworkPath> path_between(const IpAddress& local, const Endpoint& remote,
                                 const PathPreferences& preferences = {});

/// The same for one socket of this process, also one that another library has made: by its local address, its peer, and the interface
/// that it is held to (SO_BINDTODEVICE). Any thread. Errors: bad_input (no IP socket, or not connected), and as path_to().
Result<NetworkPath> path_of(int socket, const PathPreferences& preferences = {});

/// For one that is not connected: how packets get from it to `remote`. Errors: bad_input also if it is held to another interface than
/// `remote` names.
Result<NetworkPath> path_of(int socket, const Endpoint& remote, const PathPreferences& preferences = {});

struct PathMonitorOptions {
    PathMonitorOptions() {}  // NOLINT(modernize-use-equals-default): not an aggregate (g++ 12.2)

    PathPreferences preferences;
    /// Only what matters to this destination; none: the machine as a whole.
    std::optional<Endpoint> remote;
    Duration quiet = std::chrono::milliseconds{50};  ///< A gain is told when nothing has changed for so long
    Duration max_delay =
        std::chrono::milliseconds{250};  ///< ... or this after the first change. A loss is told at once.
};

/// Tells how things are and every change of it. A resource; movable. Its destructor stops it. All calls and callbacks on the
/// given executor, which must be a strand or a single thread.
class PathMonitor {
public:
    using OnChange = std::function<void(const NetworkPath& path)>;

    /// current() is complete when it returns, and no change after it is missed. `on_change` is never called from inside
    /// open(), nor after the monitor is gone; it may destroy the monitor. Errors: as current_path() and path_to();
    /// bad_input also if `quiet` or `max_delay` is negative, or longer than an hour.
    static Result<PathMonitor> open(const boost::asio::any_io_executor& executor, OnChange on_change,
                                    PathMonitorOptions options = {});
    PathMonitor(PathMonitor&&) noexcept;
    PathMonitor& operator=(PathMonitor&&) noexcept;
    ~PathMonitor();

    /// As last told.
    const NetworkPath& current() const;

private:
    class Driver;
    explicit PathMonitor(std::shared_ptr<Driver> driver);

    std::shared_ptr<Driver> driver_;
};

}  // namespace muster
