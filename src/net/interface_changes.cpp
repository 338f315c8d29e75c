#include "net/interface_changes.h"

#include <algorithm>
#include <utility>

namespace muster::net {
namespace {

bool has_lost(const Interface& before, const Interface& after) {
    if (!before.up || !before.carrier)
        return false;  // nothing could be sent: an address that goes too is no news
    if (!after.up || !after.carrier) return true;
    return std::ranges::any_of(before.addresses, [&](const InterfaceAddress& address) {
        if (address.tentative) return false;
        return std::ranges::none_of(after.addresses, [&](const InterfaceAddress& other) {
            return other.address == address.address && !other.tentative;
        });
    });
}

/// Packets could pass, and an address for more than the link may be on its way.
bool awaits_address(const Interface& interface) {
    return interface.up && interface.carrier &&
           std::ranges::all_of(interface.addresses,
                               [](const InterfaceAddress& each) { return each.address.is_link_local(); });
}

bool leaves_unsettled(const InterfaceDiff& news, const std::vector<Interface>& interfaces) {
    return std::ranges::any_of(interfaces, [&](const Interface& each) {
        return awaits_address(each) && (std::ranges::binary_search(news.changed, each.index) ||
                                        std::ranges::binary_search(news.appeared, each.index));
    });
}

}  // namespace

InterfaceDiff diff(const std::vector<Interface>& before, const std::vector<Interface>& after) {
    InterfaceDiff result;
    auto old = before.begin();
    auto now = after.begin();
    while (old != before.end() || now != after.end()) {
        if (now == after.end() || (old != before.end() && old->index < now->index)) {
            result.gone.push_back(old->index);
            result.lost.push_back(old->index);
            ++old;
        } else if (old == before.end() || now->index < old->index) {
            result.appeared.push_back(now->index);
            ++now;
        } else {
            if (*old != *now) result.changed.push_back(now->index);
            if (has_lost(*old, *now)) result.lost.push_back(now->index);
            ++old;
            ++now;
        }
    }
    return result;
}

bool is_usable(const Interface& interface) {
    if (!interface.up || !interface.carrier) return false;
    return std::ranges::any_of(interface.addresses, [](const auto& address) { return !address.tentative; });
}

std::vector<Interface> eligible_interfaces(const std::vector<Interface>& interfaces) {
    std::vector<Interface> eligible;
    std::vector<Interface> loopbacks;
    for (const auto& interface : interfaces)
        if (is_usable(interface)) (interface.loopback ? loopbacks : eligible).push_back(interface);
    return eligible.empty() ? loopbacks : eligible;
}

InterfaceDebouncer::InterfaceDebouncer(const DebounceOptions& options, std::vector<Interface> interfaces,
                                       TimePoint now)
    : options_(options),
      delivered_{1, std::move(interfaces)},
      last_change_(now - options.quiet),
      tokens_(options.immediate_per_second),
      tokens_at_(now) {}

std::optional<InterfaceDebouncer::Delivery> InterfaceDebouncer::on_change(std::vector<Interface> interfaces,
                                                                          TimePoint now) {
    const auto since_latest = diff(latest(), interfaces);
    if (since_latest.empty()) return std::nullopt;
    const bool after_quiet = first_pending_ == kNever && now - last_change_ >= options_.quiet;
    last_change_ = now;
    is_unsettled_ = options_.waits_for_addresses && leaves_unsettled(since_latest, interfaces);
    if (interfaces == delivered_.interfaces) {  // back to what everybody knows: nothing to tell
        undelivered_.clear();
        first_pending_ = kNever;
        return std::nullopt;
    }
    if ((after_quiet || !since_latest.lost.empty()) && take_token(now)) return deliver(std::move(interfaces));
    undelivered_ = std::move(interfaces);
    if (first_pending_ == kNever) first_pending_ = now;
    return on_timer(now);
}

std::optional<InterfaceDebouncer::Delivery> InterfaceDebouncer::on_timer(TimePoint now) {
    if (now < next_wakeup()) return std::nullopt;
    return deliver(std::exchange(undelivered_, {}));
}

TimePoint InterfaceDebouncer::next_wakeup() const {
    if (first_pending_ == kNever) return kNever;
    const TimePoint latest = first_pending_ + options_.max_delay;
    return is_unsettled_ ? latest : std::min(last_change_ + options_.quiet, latest);
}

const std::vector<Interface>& InterfaceDebouncer::latest() const {
    return first_pending_ == kNever ? delivered_.interfaces : undelivered_;
}

bool InterfaceDebouncer::take_token(TimePoint now) {
    const double rate = options_.immediate_per_second;
    const std::chrono::duration<double> passed = now - tokens_at_;
    tokens_ = std::min(rate, tokens_ + rate * passed.count());
    tokens_at_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
}

std::optional<InterfaceDebouncer::Delivery> InterfaceDebouncer::deliver(std::vector<Interface> interfaces) {
    undelivered_.clear();
    first_pending_ = kNever;
    auto changes = diff(delivered_.interfaces, interfaces);
    ++delivered_.revision;
    delivered_.interfaces = std::move(interfaces);
    return Delivery{delivered_, std::move(changes)};
}

}  // namespace muster::net
