#include "discovery/service_records.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/text.h"

namespace muster::discovery {
namespace {

using names::DnsName;
using names::DnsType;

constexpr std::size_t kMaxSubtypes = 32;  // each is one more PTR record in every announcement

names::Record record_of(const DnsName& owner, DnsType type, std::uint32_t ttl, names::RecordData data) {
    names::Record record;
    record.name = owner;
    record.type = type;
    record.ttl = ttl;
    record.data = std::move(data);
    return record;
}

OwnRecord shared(const DnsName& owner, DnsName target) {
    return {record_of(owner, DnsType::ptr, kServiceTtl, std::move(target)), false, true};
}

OwnRecord unique(const DnsName& owner, DnsType type, std::uint32_t ttl, names::RecordData data) {
    OwnRecord own{record_of(owner, type, ttl, std::move(data)), true, true};
    own.record.cache_flush = true;
    return own;
}

struct Numbered {
    std::string_view stem;
    unsigned next = 2;
};

// Splits "stem<open>7<close>" into the stem and 8.
Numbered split(std::string_view label, std::string_view open, std::string_view close) {
    const auto at = label.rfind(open);
    if (at == std::string_view::npos || at == 0 || !label.ends_with(close)) return {label, 2};
    const auto digits = label.substr(at + open.size(), label.size() - at - open.size() - close.size());
    unsigned number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size() || number < 2 ||
        number > 99999)
        return {label, 2};
    return {label.substr(0, at), number + 1};
}

std::string numbered(const Numbered& parts, std::string_view open, std::string_view close) {
    const std::string suffix = std::string{open} + std::to_string(parts.next) + std::string{close};
    return std::string{shortened(parts.stem, DnsName::kMaxLabel - suffix.size())} + suffix;
}

Result<void> check_subtype(std::string_view subtype) {
    // RFC 6763 section 7.1: any label; with the rules of instance names it stays printable.
    if (check_instance_name(subtype)) return {};
    return Error{Errc::bad_input, "the subtype must be 1 to 63 octets of text without control characters"};
}

}  // namespace

DnsName local_name(std::string_view label) {
    auto name = DnsName::from_labels({label, "local"});
    MUSTER_CHECK(name.has_value());
    return *std::move(name);
}

const DnsName& type_list_name() {
    static const DnsName name = *DnsName::from_labels({"_services", "_dns-sd", "_udp", "local"});
    return name;
}

Result<DnsName> browse_name(std::string_view type, std::string_view subtype) {
    const auto parsed = ServiceType::parse(type);
    if (!parsed) return parsed.error();
    if (subtype.empty()) return *DnsName::from_labels({parsed->service(), parsed->protocol(), "local"});
    if (auto good = check_subtype(subtype); !good) return good.error();
    return *DnsName::from_labels({subtype, "_sub", parsed->service(), parsed->protocol(), "local"});
}

Result<DnsName> instance_name(std::string_view instance, std::string_view type) {
    if (auto good = check_instance_name(instance); !good) return good.error();
    const auto base = browse_name(type, {});
    if (!base) return base.error();
    return *base->prefixed(instance);
}

Result<ServiceNames> names_of(const Registration& registration) {
    auto instance = instance_name(registration.instance, registration.type);
    if (!instance) return instance.error();
    if (registration.port == 0)
        return Error{Errc::bad_input, "port 0 cannot be advertised"}.cure(
            "give the port on which the service listens");
    if (registration.subtypes.size() > kMaxSubtypes)
        return Error{Errc::bad_input, "more than " + std::to_string(kMaxSubtypes) + " subtypes"};
    ServiceNames names{*instance, instance->parent(), {}};
    for (const auto& subtype : registration.subtypes) {
        auto name = browse_name(registration.type, subtype);
        if (!name) return name.error();
        names.subtypes.push_back(*std::move(name));
    }
    return names;
}

std::vector<OwnRecord> service_records(const Registration& registration, const ServiceNames& names,
                                       const DnsName& host) {
    std::vector<OwnRecord> out;
    if (registration.listing == Listing::listed) {
        out.push_back(shared(names.type, names.instance));
        for (const auto& subtype : names.subtypes) {
            out.push_back(shared(subtype, names.instance));
            out.back().lone = registration.occupancy == Occupancy::one;
        }
        out.push_back(shared(type_list_name(), names.type));
        out.back().farewell = false;
    }
    out.push_back(
        unique(names.instance, DnsType::srv, kHostTtl,
               names::SrvData{registration.priority, registration.weight, registration.port, host}));
    out.push_back(unique(names.instance, DnsType::txt, kServiceTtl, registration.txt.to_wire()));
    return out;
}

std::vector<OwnRecord> host_records(const DnsName& host, const LocalLink& link) {
    std::vector<OwnRecord> out;
    for (const auto& each : link.addresses)
        out.push_back(
            unique(host, each.address.is_v6() ? DnsType::aaaa : DnsType::a, kHostTtl, each.address));
    return out;
}

std::string next_service_label(std::string_view label) {
    return numbered(split(label, " (", ")"), " (", ")");
}

std::string next_host_label(std::string_view label) { return numbered(split(label, "-", ""), "-", ""); }

}  // namespace muster::discovery
