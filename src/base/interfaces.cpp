#include "base/interfaces.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace muster {

const Interface* find_interface(std::span<const Interface> interfaces, InterfaceIndex index) {
    const auto found = std::ranges::find(interfaces, index, &Interface::index);
    return found == interfaces.end() ? nullptr : &*found;
}

HardwareAddress::HardwareAddress(const std::uint8_t* octets, std::size_t size) {
    if (size > kMaxSize) return;
    std::copy_n(octets, size, octets_.begin());
    size_ = static_cast<std::uint8_t>(size);
}

std::string HardwareAddress::to_string() const {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < size_; ++i) {
        if (i > 0) text += ':';
        text += kDigits[octets_[i] >> 4];
        text += kDigits[octets_[i] & 15];
    }
    return text;
}

Addressed Interface::addressed() const {
    Addressed has;
    for (const InterfaceAddress& each : addresses) {
        if (each.tentative)
            has.tentative = true;
        else if (each.address.is_link_local())
            has.link_local = true;
        else
            (each.address.is_v6() ? has.ipv6 : has.ipv4) = true;
    }
    return has;
}

bool in_subnet(const InterfaceAddress& own, const IpAddress& address) {
    if (own.address.is_v6() != address.is_v6()) return false;
    const std::size_t bits = std::min<std::size_t>(own.prefix_length, address.is_v6() ? 128 : 32);
    const auto& a = own.address.v6();
    const auto& b = address.v6();
    if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(bits / 8), b.begin())) return false;
    const unsigned rest = bits % 8;
    return rest == 0 || (a[bits / 8] >> (8 - rest)) == (b[bits / 8] >> (8 - rest));
}

}  // namespace muster
