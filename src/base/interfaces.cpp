#include "base/interfaces.h"

#include <algorithm>
#include <cstddef>

namespace muster {

const Interface* find_interface(std::span<const Interface> interfaces, InterfaceIndex index) {
    const auto found = std::ranges::find(interfaces, index, &Interface::index);
    return found == interfaces.end() ? nullptr : &*found;
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
