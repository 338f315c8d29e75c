#include "quic/arrivals.h"

#include <algorithm>
#include <utility>

namespace muster::quic {

Source source_of(const muster::Endpoint& remote) {
    constexpr std::size_t kNetworkOctets = 8;
    Source source;
    std::ranges::copy(remote.address.v6(), source.octets.begin());
    if (remote.address.is_link_local()) {
        const auto interface = static_cast<std::uint32_t>(remote.interface);
        for (std::size_t i = 0; i < 4; ++i)
            source.octets[16 + i] = static_cast<std::uint8_t>(interface >> (8 * i));
    } else if (remote.address.is_v6()) {
        std::fill(source.octets.begin() + kNetworkOctets, source.octets.end(), std::uint8_t{0});
    }
    if (remote.address.is_v4()) source.octets[15] = 4;
    return source;
}

void Arrivals::enter(Arrival& arrival, const Source& source, bool proven, TimePoint now) {
    Crowd& crowd = crowds_.try_emplace(source, Crowd{.source = source}).first->second;
    ++(proven ? crowd.proven : crowd.unproven);
    ++half_open_;
    arrival.crowd = &crowd;
    arrival.proven = proven;
    arrival.since = now;
    by_age_.push_back(arrival);
}

void Arrivals::finish_handshake(Arrival& arrival) {
    if (arrival.crowd == nullptr || std::exchange(arrival.is_stranger, true)) return;
    leave_handshake(arrival);
    ++arrival.crowd->strangers;
}

void Arrivals::leave(Arrival& arrival) {
    if (arrival.crowd == nullptr) return;
    if (arrival.is_stranger)
        --arrival.crowd->strangers;
    else
        leave_handshake(arrival);
    const Crowd& crowd = *std::exchange(arrival.crowd, nullptr);
    if (crowd.half_open() + crowd.strangers == 0) crowds_.erase(Source{crowd.source});
}

void Arrivals::leave_handshake(Arrival& arrival) {
    arrival.unlink();
    --half_open_;
    --(arrival.proven ? arrival.crowd->proven : arrival.crowd->unproven);
}

Crowd Arrivals::of(const Source& source) const {
    const auto found = crowds_.find(source);
    return found == crowds_.end() ? Crowd{.source = source} : found->second;
}

Arrival* Arrivals::oldest_of_a_crowd_above(std::size_t count) {
    std::size_t most = count;
    for (const auto& [source, crowd] : crowds_) most = std::max(most, crowd.half_open());
    if (most == count) return nullptr;
    const auto found = std::ranges::find_if(
        by_age_, [most](const Arrival& each) { return each.crowd->half_open() == most; });
    return found == by_age_.end() ? nullptr : &*found;
}

}  // namespace muster::quic
