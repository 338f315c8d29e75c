#include "base/text.h"

#include "muster/session_types.h"

namespace muster {
namespace {

constexpr std::size_t kMaxInfoEntries = 64;  // with 4 KiB in all, more would be entries without content

}  // namespace

Result<void> check_name(std::string_view name) {
    if (name.empty()) return Error{Errc::bad_name, "a name must not be empty"};
    if (name.size() > kMaxNameSize)
        return Error{Errc::bad_name, "a name has at most " + std::to_string(kMaxNameSize) +
                                         " octets, this one has " + std::to_string(name.size())};
    if (!is_plain_text(name))
        return Error{Errc::bad_name, "a name must be UTF-8 without control characters, unlike '" +
                                         cleaned(name, kMaxNameSize) + "'"};
    return {};
}

Result<void> check_info(const InfoMap& info) {
    if (info.size() > kMaxInfoEntries)
        return Error{Errc::too_large, "an info map has at most " + std::to_string(kMaxInfoEntries) +
                                          " entries, this one has " + std::to_string(info.size())};
    std::size_t size = 0;
    for (const auto& [key, value] : info) {
        if (key.empty() || !is_plain_text(key) || !is_plain_text(value))
            return Error{Errc::bad_input, "info '" + cleaned(key, kMaxNameSize) +
                                              "' must have a key, and be UTF-8 without control characters"};
        size += key.size() + value.size();
    }
    if (size > kMaxInfoSize)
        return Error{Errc::too_large, "an info map has at most " + std::to_string(kMaxInfoSize) +
                                          " octets, this one has " + std::to_string(size)};
    return {};
}

}  // namespace muster
