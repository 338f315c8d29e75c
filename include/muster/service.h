#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "muster/bytes.h"
#include "muster/endpoint.h"
#include "muster/error.h"

namespace muster {

/// A DNS-SD service type such as "_http._tcp": what a service speaks, never who it is. A checked value.
class ServiceType {
public:
    /// Parses "_http._tcp" or "_muster._udp". RFC 6763 section 7 and RFC 6335 section 5.1: an underscore,
    /// then 1 to 15 letters, digits and single inner hyphens with at least one letter, then "._tcp" or
    /// "._udp". A trailing dot and the domain "local" are accepted and dropped. Errors: Errc::bad_input; the
    /// text says which rule was broken and the cure shows how it is written.
    static Result<ServiceType> parse(std::string_view text);

    /// "_http._tcp"
    const std::string& to_string() const { return text_; }
    /// "_http"
    std::string_view service() const { return std::string_view{text_}.substr(0, text_.size() - 5); }
    /// "_tcp" or "_udp"
    std::string_view protocol() const { return std::string_view{text_}.substr(text_.size() - 4); }

    auto operator<=>(const ServiceType&) const = default;

private:
    explicit ServiceType(std::string text) : text_(std::move(text)) {}
    std::string text_;
};

/// Says whether `name` can be an instance name (RFC 6763 section 4.1.1): 1 to 63 octets of UTF-8 without
/// control characters; spaces, dots and any script are welcome. Errors: Errc::bad_name.
Result<void> check_instance_name(std::string_view name);

/// The attributes of a service (RFC 6763 section 6): "key", "key=" and "key=value" pairs, in order. A checked
/// value: what it holds always fits a TXT record. Keys compare without case; the first of equal keys counts.
class TxtRecord {
public:
    struct Entry {
        std::string key;
        std::optional<std::string> value;  ///< nullopt: the key is there, without "=" (RFC 6763 section 6.4)
        bool operator==(const Entry&) const = default;
    };

    /// Octets of a whole record: a UDP packet of 9000 octets (RFC 6762 section 17) must hold it
    /// with its neighbours.
    static constexpr std::size_t kMaxSize = 8900;

    TxtRecord() = default;

    /// Sets `key` to `value`, replacing what was there. The value may hold any octets.
    /// Errors: Errc::bad_input for an empty key or one with "=" or characters outside 0x20-0x7E, for a pair
    /// above 255 octets, or if the record would exceed kMaxSize. Then nothing changes.
    Result<void> set(std::string_view key, std::string_view value);
    /// Sets `key` without a value: a flag. Errors as above.
    Result<void> set_flag(std::string_view key);
    /// Removes `key`; false if it was not there.
    bool erase(std::string_view key);

    bool contains(std::string_view key) const;
    /// The value of `key`, empty for a flag; nullopt if the key is not there.
    std::optional<std::string_view> get(std::string_view key) const;
    const std::vector<Entry>& entries() const { return entries_; }
    bool empty() const { return entries_.empty(); }

    /// The octets of the DNS record: at least one, for an empty record is a single zero octet.
    Bytes to_wire() const;
    /// Reads the octets of a DNS record as RFC 6763 section 6.4 asks: pairs without key and repeated keys are
    /// ignored. nullopt if the lengths inside do not add up.
    static std::optional<TxtRecord> from_wire(ByteView wire);

    bool operator==(const TxtRecord&) const = default;

private:
    Result<void> put(Entry entry);

    std::vector<Entry> entries_;
    std::size_t wire_size_ = 0;
};

/// One advertised service as it is known now. A value.
struct ServiceInstance {
    std::string name;  ///< For people: "Stage left". Unique within its type on the local network.
    std::string type;  ///< "_http._tcp"
    std::string host;  ///< "stage-left.local"; empty until it is known
    std::uint16_t port = 0;
    std::uint16_t priority = 0;
    std::uint16_t weight = 0;
    TxtRecord txt;
    /// Where it can be reached: each address with `port` and the interface on which it was learned. An
    /// address that was learned on two interfaces appears twice: they may be two networks.
    std::vector<Endpoint> endpoints;

    bool operator==(const ServiceInstance&) const = default;
};

/// Why a service is not there any more.
enum class LeftReason {
    goodbye,           ///< it said so
    expired,           ///< its records grew old and nobody renewed them
    carrier_lost,      ///< our interface to it went down or lost its address
    reconfirm_failed,  ///< it was asked again, by us or by others, and did not answer
};

/// "goodbye", "expired", "carrier_lost", "reconfirm_failed": stable, as in JSON.
std::string_view to_string(LeftReason reason);

/// One change of what is known about a service.
struct ServiceEvent {
    enum class Kind { found, updated, left };

    Kind kind = Kind::found;
    LeftReason reason = LeftReason::goodbye;  ///< only for `left`
    ServiceInstance instance;                 ///< as it is now; for `left` as it was last

    bool operator==(const ServiceEvent&) const = default;
};

}  // namespace muster
