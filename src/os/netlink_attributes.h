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

    std::string_view text(std::uint16_t type) const {
        const ByteView all = octets(type);
        const std::string_view text{reinterpret_cast<const char*>(all.data()), all.size()};
        return text.substr(0, text.find('\0'));
    }

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
        return {static_cast<const std::byte*>(mnl_attr_get_payload(found_[type])),
                mnl_attr_get_payload_len(found_[type])};
    }

private:
    void read(const std::byte* next, const std::byte* end) {
        while (end - next >= static_cast<std::ptrdiff_t>(sizeof(nlattr))) {
            const auto* attribute = reinterpret_cast<const nlattr*>(next);
            if (!mnl_attr_ok(attribute, static_cast<int>(end - next))) return;
            const auto type = mnl_attr_get_type(attribute);
            if (type <= Highest) found_[type] = attribute;
            next += MNL_ALIGN(attribute->nla_len);
        }
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
