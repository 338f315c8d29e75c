#pragma once

// Attributes of netlink messages; only for the .cpp files of this folder.

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "muster/bytes.h"
#include "muster/endpoint.h"

namespace muster::os {

/// The text of an attribute, up to its first zero.
inline std::string_view text_in(ByteView octets) {
    const std::string_view text{reinterpret_cast<const char*>(octets.data()), octets.size()};
    return text.substr(0, text.find('\0'));
}

/// Calls `take(attribute)` for each attribute between `next` and `end`; stops at one that is cut.
template <class Take>
void for_each_attribute(const std::byte* next, const std::byte* end, Take take) {
    while (end - next >= static_cast<std::ptrdiff_t>(sizeof(nlattr))) {
        const auto* attribute = reinterpret_cast<const nlattr*>(next);
        if (!mnl_attr_ok(attribute, static_cast<int>(end - next))) return;
        take(attribute);
        next += MNL_ALIGN(attribute->nla_len);
    }
}

/// The octets of an attribute.
inline ByteView octets_in(const nlattr* attribute) {
    return {static_cast<const std::byte*>(mnl_attr_get_payload(attribute)),
            mnl_attr_get_payload_len(attribute)};
}

/// Attributes of one message up to a highest type; unknown ones are left out.
template <std::uint16_t Highest>
class Attributes {
public:
    Attributes(const nlmsghdr& message, std::size_t offset) {
        // Not mnl_attr_for_each: its end is rounded up to four octets and may lie behind the buffer.
        const auto* end = reinterpret_cast<const std::byte*>(&message) + message.nlmsg_len;
        read(static_cast<const std::byte*>(mnl_nlmsg_get_payload(&message)) + MNL_ALIGN(offset), end);
    }
    /// Those inside an attribute.
    explicit Attributes(ByteView nested) { read(nested.data(), nested.data() + nested.size()); }

    std::optional<std::uint32_t> number(std::uint16_t type) const {
        std::uint32_t value = 0;
        if (!copy(type, &value, sizeof value)) return std::nullopt;
        return value;
    }

    std::optional<std::uint8_t> octet(std::uint16_t type) const {
        std::uint8_t value = 0;
        if (!copy(type, &value, sizeof value)) return std::nullopt;
        return value;
    }

    std::optional<std::uint16_t> two_octets(std::uint16_t type) const {
        std::uint16_t value = 0;
        if (!copy(type, &value, sizeof value)) return std::nullopt;
        return value;
    }

    std::string_view text(std::uint16_t type) const { return text_in(octets(type)); }

    std::optional<IpAddress> address(std::uint16_t type, std::uint8_t family) const {
        IpAddress::V4 v4{};
        IpAddress::V6 v6{};
        if (family == AF_INET && copy(type, v4.data(), v4.size())) return IpAddress{v4};
        if (family == AF_INET6 && copy(type, v6.data(), v6.size())) return IpAddress{v6};
        return std::nullopt;
    }

    /// Empty if it is not there.
    ByteView octets(std::uint16_t type) const {
        if (found_[type] == nullptr) return {};
        return octets_in(found_[type]);
    }

private:
    void read(const std::byte* next, const std::byte* end) {
        for_each_attribute(next, end, [this](const nlattr* attribute) {
            const auto type = mnl_attr_get_type(attribute);
            if (type <= Highest) found_[type] = attribute;
        });
    }

    bool copy(std::uint16_t type, void* out, std::size_t size) const {
        const ByteView all = octets(type);
        if (found_[type] == nullptr || all.size() != size) return false;
        std::memcpy(out, all.data(), size);
        return true;
    }

    const nlattr* found_[Highest + 1] = {};
};

}  // namespace muster::os
