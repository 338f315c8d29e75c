#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "discovery/discovery.h"
#include "discovery/link_table.h"
#include "names/dns_message.h"

namespace muster::discovery {

/// One record that we own.
struct OwnRecord {
    names::Record record;
    bool unique = false;   ///< ours alone; false: shared with whoever offers the same type
    bool farewell = true;  ///< gets a goodbye; the list of types does not, others may still offer the type
    bool lone = false;     ///< shared by its kind, but the application allows one owner (Occupancy::one)
};

/// The names of one service.
struct ServiceNames {
    names::DnsName instance;  ///< "Stage left._http._tcp.local"
    names::DnsName type;      ///< "_http._tcp.local"
    std::vector<names::DnsName> subtypes;
};

/// "label.local"; the label must be 1 to 63 octets.
names::DnsName local_name(std::string_view label);
/// "_services._dns-sd._udp.local": the list of types (RFC 6763 section 9).
const names::DnsName& type_list_name();

/// "_http._tcp.local", or "_sub._sub._http._tcp.local" with a subtype. Errors: bad_input.
Result<names::DnsName> browse_name(std::string_view type, std::string_view subtype);
/// Errors: bad_name, bad_input.
Result<names::DnsName> instance_name(std::string_view instance, std::string_view type);
/// Checks everything that can be wrong with a registration. Errors: bad_name, bad_input.
Result<ServiceNames> names_of(const Registration& registration);

std::vector<OwnRecord> service_records(const Registration& registration, const ServiceNames& names,
                                       const names::DnsName& host);
/// The address records of one interface: only its own addresses (RFC 6762 section 6.2).
std::vector<OwnRecord> host_records(const names::DnsName& host, const LocalLink& link);

/// "Stage left" -> "Stage left (2)" -> "Stage left (3)", shortened to 63 octets at a character's border.
std::string next_service_label(std::string_view label);
/// "stage" -> "stage-2" -> "stage-3".
std::string next_host_label(std::string_view label);

}  // namespace muster::discovery
