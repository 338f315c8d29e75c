#include "muster/service.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/reader.h"
#include "base/text.h"
#include "base/writer.h"

namespace muster {
namespace {

constexpr std::size_t kMaxServiceName = 15;  // RFC 6335 section 5.1
constexpr std::size_t kMaxPair = 255;        // one length octet
constexpr std::size_t kMaxEntries = 1024;    // of a record that somebody sent: repeated keys are looked for

bool same_key(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

bool is_letter(char c) { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view without_domain(std::string_view text) {
    if (text.ends_with('.')) text.remove_suffix(1);
    constexpr std::string_view kDomain = ".local";
    if (text.size() > kDomain.size() && same_key(text.substr(text.size() - kDomain.size()), kDomain))
        text.remove_suffix(kDomain.size());
    return text;
}

// What is wrong with the part behind the underscore; empty if nothing is.
std::string_view fault_of(std::string_view service) {
    if (service.empty()) return "the name behind the underscore is empty";
    if (service.size() > kMaxServiceName) return "the name is longer than 15 characters";
    if (!std::ranges::all_of(service, [](char c) { return is_letter(c) || is_digit(c) || c == '-'; }))
        return "only letters, digits and hyphens are allowed";
    if (std::ranges::none_of(service, is_letter)) return "the name needs at least one letter";
    if (service.front() == '-' || service.back() == '-') return "the name begins or ends with a hyphen";
    if (service.find("--") != std::string_view::npos) return "two hyphens stand side by side";
    return {};
}

Error bad_type(std::string_view text, std::string_view fault) {
    return Error{Errc::bad_input,
                 "'" + to_valid_utf8(text) + "' is not a service type: " + std::string{fault}}
        .cure(
            "write it as _http._tcp: an underscore, 1 to 15 letters, digits and single hyphens, then ._tcp "
            "or ._udp");
}

std::size_t wire_size(const TxtRecord::Entry& entry) {
    return 1 + entry.key.size() + (entry.value ? 1 + entry.value->size() : 0);
}

bool is_key(std::string_view key) {
    return !key.empty() &&
           std::ranges::all_of(key, [](char c) { return c >= 0x20 && c <= 0x7e && c != '='; });
}

}  // namespace

Result<ServiceType> ServiceType::parse(std::string_view text) {
    const auto bare = without_domain(text);
    const auto dot = bare.rfind('.');
    if (dot == std::string_view::npos) return bad_type(text, "it has no protocol");
    const auto protocol = bare.substr(dot + 1);
    if (!same_key(protocol, "_tcp") && !same_key(protocol, "_udp"))
        return bad_type(text, "the protocol is neither _tcp nor _udp");
    const auto service = bare.substr(0, dot);
    if (!service.starts_with('_')) return bad_type(text, "it does not begin with an underscore");
    if (const auto fault = fault_of(service.substr(1)); !fault.empty()) return bad_type(text, fault);
    std::string canonical{service};
    canonical += same_key(protocol, "_tcp") ? "._tcp" : "._udp";
    return ServiceType{std::move(canonical)};
}

Result<void> check_instance_name(std::string_view name) {
    const auto bad = [&](std::string_view fault) {
        return Error{Errc::bad_name,
                     "'" + to_valid_utf8(name) + "' cannot be a service name: " + std::string{fault}}
            .cure("use 1 to 63 octets of UTF-8 text; spaces and dots are fine");
    };
    if (name.empty()) return bad("it is empty");
    if (name.size() > 63) return bad("it has more than 63 octets");
    if (std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
        return bad("it has control characters");
    if (to_valid_utf8(name) != name) return bad("it is not UTF-8");
    return {};
}

Result<void> TxtRecord::set(std::string_view key, std::string_view value) {
    return put({std::string{key}, std::string{value}});
}

Result<void> TxtRecord::set_flag(std::string_view key) { return put({std::string{key}, std::nullopt}); }

Result<void> TxtRecord::put(Entry entry) {
    if (!is_key(entry.key))
        return Error{Errc::bad_input,
                     "a TXT key must be printable ASCII without '=': '" + to_valid_utf8(entry.key) + "'"};
    if (wire_size(entry) - 1 > kMaxPair)
        return Error{Errc::bad_input, "the TXT pair '" + entry.key + "' has more than 255 octets"}.cure(
            "split the value over several keys");
    const auto place =
        std::ranges::find_if(entries_, [&](const auto& each) { return same_key(each.key, entry.key); });
    const std::size_t before = place == entries_.end() ? 0 : wire_size(*place);
    if (wire_size_ - before + wire_size(entry) > kMaxSize)
        return Error{Errc::bad_input,
                     "the TXT record would have more than " + std::to_string(kMaxSize) + " octets"};
    wire_size_ = wire_size_ - before + wire_size(entry);
    if (place == entries_.end()) {
        entries_.push_back(std::move(entry));
    } else {
        *place = std::move(entry);
    }
    return {};
}

bool TxtRecord::erase(std::string_view key) {
    const auto place =
        std::ranges::find_if(entries_, [&](const auto& each) { return same_key(each.key, key); });
    if (place == entries_.end()) return false;
    wire_size_ -= wire_size(*place);
    entries_.erase(place);
    return true;
}

bool TxtRecord::contains(std::string_view key) const { return get(key).has_value(); }

std::optional<std::string_view> TxtRecord::get(std::string_view key) const {
    for (const auto& entry : entries_)
        if (same_key(entry.key, key))
            return entry.value ? std::string_view{*entry.value} : std::string_view{};
    return std::nullopt;
}

Bytes TxtRecord::to_wire() const {
    Bytes out;
    Writer writer{out};
    for (const auto& entry : entries_) {
        writer.write(static_cast<std::uint8_t>(wire_size(entry) - 1)).write(as_bytes(entry.key));
        if (entry.value) writer.write(std::uint8_t{'='}).write(as_bytes(*entry.value));
    }
    if (out.empty()) writer.write(std::uint8_t{0});  // RFC 6763 section 6.1
    return out;
}

std::optional<TxtRecord> TxtRecord::from_wire(ByteView wire) {
    if (wire.size() > kMaxSize) return std::nullopt;
    TxtRecord record;
    Reader in{wire};
    while (!in.empty()) {
        std::uint8_t size = 0;
        ByteView view;
        if (!in.read(size) || !in.read(view, size)) return std::nullopt;
        const auto text = as_text(view);
        const auto equals = text.find('=');
        const auto key = text.substr(0, equals);
        if (!is_key(key) || record.contains(key)) continue;
        if (record.entries_.size() >= kMaxEntries) break;
        Entry entry{std::string{key}, std::nullopt};
        if (equals != std::string_view::npos) entry.value = std::string{text.substr(equals + 1)};
        record.wire_size_ += wire_size(entry);
        record.entries_.push_back(std::move(entry));
    }
    return record;
}

std::string_view to_string(LeftReason reason) {
    switch (reason) {
        case LeftReason::goodbye: return "goodbye";
        case LeftReason::expired: return "expired";
        case LeftReason::carrier_lost: return "carrier_lost";
        case LeftReason::reconfirm_failed: return "reconfirm_failed";
    }
    return "unknown";
}

}  // namespace muster
