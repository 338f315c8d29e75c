#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "muster/bytes.h"
#include "muster/endpoint.h"
#include "muster/error.h"

namespace muster {

/// Whom to send to, and by which interfaces.
struct MulticastSenderOptions {
    /// Checked by MulticastSender::open().
    MulticastSenderOptions(IpAddress group_wanted, std::uint16_t port_wanted)
        : group(group_wanted), port(port_wanted) {}

    IpAddress group;
    std::uint16_t port;
    std::vector<std::string> interfaces;  ///< Selectors as in PathPreferences; empty: every one.
    std::vector<std::string> prohibit;    ///< By these never.
    std::uint8_t hop_limit = 1;           ///< At least 1: no router passes it on.
};

/// What became of one datagram on one interface.
struct MulticastSent {
    InterfaceIndex interface = InterfaceIndex::none;  ///< None: the interfaces could not be read.
    std::string name;                                 ///< For people.
    std::string finding;                              ///< Why it was not sent; empty if it was.

    bool is_sent() const { return finding.empty(); }
    bool operator==(const MulticastSent&) const = default;
};

/// Sends to a multicast group by every interface that is up, each named by its index and with a source address of its own:
/// left to itself the kernel would take the one of the default route, or put another interface's address into the
/// datagram. Joins nothing. A resource; movable; one thread at a time.
class MulticastSender {
public:
    /// Errors: bad_input (no multicast address, port 0, hop limit 0, a selector that cannot be), system.
    static Result<MulticastSender> open(MulticastSenderOptions options);
    MulticastSender(MulticastSender&&) noexcept;
    MulticastSender& operator=(MulticastSender&&) noexcept;
    ~MulticastSender();

    /// Asks the kernel for the interfaces (some 40 us, 10 ms if there are a thousand), sends a copy by each chosen one, and
    /// tells of each what became of it. Empty: there is none that is up with a carrier. If the kernel does not tell the
    /// interfaces, nothing is sent, and the only entry, of no interface, says why; it may take a second to say so.
    std::vector<MulticastSent> send(ByteView octets);

private:
    struct Parts;
    explicit MulticastSender(std::unique_ptr<Parts> parts);

    std::unique_ptr<Parts> parts_;
};

}  // namespace muster
