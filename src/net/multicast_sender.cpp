#include "muster/multicast_sender.h"

#include <system_error>
#include <utility>

#include "net/group_target.h"
#include "os/multicast_socket.h"

#include "muster/interface.h"
#include "muster/path_preferences.h"

namespace muster {
namespace {

PathPreferences preferences_of(const MulticastSenderOptions& options) {
    PathPreferences preferences;
    preferences.require = options.interfaces;
    preferences.prohibit = options.prohibit;
    return preferences;
}

Result<void> check(const MulticastSenderOptions& options) {
    if (options.hop_limit == 0)
        return Error{Errc::bad_input, "a hop limit of 0 reaches nobody: 1 is the least"};
    return net::check({options.group, options.port, options.interfaces, options.prohibit});
}

/// An address of the interface that receivers can answer; unspecified if there is none.
IpAddress source_on(const Interface& interface, const IpAddress& group) {
    const bool is_local_scope = group.is_v6() && (group.v6()[1] & 0x0f) <= 2;
    IpAddress best;
    for (const InterfaceAddress& each : interface.addresses) {
        if (each.tentative || each.address.is_v6() != group.is_v6()) continue;
        // Of a scope that reaches as far as the group does (RFC 6724 section 5, rule 2).
        if (each.address.is_link_local() == is_local_scope) return each.address;
        best = each.address;
    }
    return best;
}

}  // namespace

struct MulticastSender::Parts {
    MulticastSenderOptions options;
    PathPreferences preferences;
    std::unique_ptr<os::MulticastSocket> socket;

    MulticastSent send_by(const Interface& interface, ByteView octets) {
        MulticastSent sent{interface.index, interface.name, {}};
        os::SendRequest request;
        request.remote = {options.group, options.port, interface.index};
        request.local = source_on(interface, options.group);
        request.octets = octets;
        if (request.local.is_unspecified()) {
            sent.finding = options.group.is_v6() ? "it has no IPv6 address" : "it has no IPv4 address";
            return sent;
        }
        const auto outcome = socket->send(request);
        if (outcome.status != os::SendStatus::sent)
            sent.finding = std::system_category().message(outcome.error);
        return sent;
    }
};

Result<MulticastSender> MulticastSender::open(MulticastSenderOptions options) {
    if (auto fine = check(options); !fine) return fine.error();
    os::MulticastOptions wanted;
    wanted.group = options.group;
    wanted.hop_limit = options.hop_limit;
    auto socket = os::MulticastSocket::open(wanted);
    if (!socket) return socket.error();
    auto preferences = preferences_of(options);
    return MulticastSender{
        std::make_unique<Parts>(Parts{std::move(options), std::move(preferences), *std::move(socket)})};
}

MulticastSender::MulticastSender(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
MulticastSender::MulticastSender(MulticastSender&&) noexcept = default;
MulticastSender& MulticastSender::operator=(MulticastSender&&) noexcept = default;
MulticastSender::~MulticastSender() = default;

std::vector<MulticastSent> MulticastSender::send(ByteView octets) {
    auto known = interfaces();
    if (!known) return {{InterfaceIndex::none, "", known.error().message()}};
    mark_interfaces(parts_->preferences, *known);
    const bool is_alone = net::is_alone(*known);
    std::vector<MulticastSent> all;
    for (const Interface& each : *known) {
        const bool can_send = each.up && each.carrier && (each.multicast || each.loopback);
        const bool is_wanted =
            !each.prohibited && net::takes_part(each, parts_->options.interfaces, is_alone);
        if (can_send && is_wanted) all.push_back(parts_->send_by(each, octets));
    }
    return all;
}

}  // namespace muster
