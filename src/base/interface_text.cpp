#include <boost/json.hpp>

#include "base/timeline_words.h"

#include "muster/interface_details.h"
#include "muster/text.h"

namespace muster {

namespace json = boost::json;

namespace {

/// Members that most interfaces do not have are left out.
void put(json::object& object, std::string_view key, std::string_view value) {
    if (!value.empty()) object[key] = to_valid_utf8(value);
}

void put(json::object& object, std::string_view key, bool value) {
    if (value) object[key] = true;
}

void put(json::object& object, std::string_view key, InterfaceIndex index) {
    if (index != InterfaceIndex::none) object[key] = static_cast<std::uint32_t>(index);
}

json::array addresses_of(const Interface& interface) {
    json::array addresses;
    for (const InterfaceAddress& each : interface.addresses) {
        json::object address{
            {"address", each.address.to_string() + "/" + std::to_string(each.prefix_length)}};
        put(address, "tentative", each.tentative);
        addresses.push_back(std::move(address));
    }
    return addresses;
}

json::object json_of(const TrafficCount& count) {
    return {{"packets", count.packets},
            {"octets", count.octets},
            {"errors", count.errors},
            {"dropped", count.dropped}};
}

json::object json_of(const UsbIdentity& usb) {
    json::object made{{"path", to_valid_utf8(usb.path)}, {"vendor", usb.vendor}, {"product", usb.product}};
    put(made, "manufacturer", usb.manufacturer);
    put(made, "product_name", usb.product_name);
    put(made, "serial", usb.serial);
    return made;
}

}  // namespace

std::string_view to_string(FunctionalType type) noexcept {
    switch (type) {
        case FunctionalType::unknown: return "unknown";
        case FunctionalType::loopback: return "loopback";
        case FunctionalType::wired: return "wired";
        case FunctionalType::wifi_infrastructure: return "wifi_infrastructure";
        case FunctionalType::wifi_peer_to_peer: return "wifi_peer_to_peer";
        case FunctionalType::cellular: return "cellular";
        case FunctionalType::coprocessor: return "coprocessor";
        case FunctionalType::companion: return "companion";
        case FunctionalType::management: return "management";
    }
    return "unknown";
}

std::string_view to_string(OperationalState state) noexcept {
    switch (state) {
        case OperationalState::unknown: return "unknown";
        case OperationalState::not_present: return "not_present";
        case OperationalState::down: return "down";
        case OperationalState::lower_layer_down: return "lower_layer_down";
        case OperationalState::testing: return "testing";
        case OperationalState::dormant: return "dormant";
        case OperationalState::up: return "up";
    }
    return "unknown";
}

std::string_view to_string(Duplex duplex) noexcept {
    switch (duplex) {
        case Duplex::unknown: return "unknown";
        case Duplex::half: return "half";
        case Duplex::full: return "full";
    }
    return "unknown";
}

json::object json_of(const Interface& interface) {
    json::object made{{"index", static_cast<std::uint32_t>(interface.index)},
                      {"name", to_valid_utf8(interface.name)},
                      {"kind", to_string(interface.kind)},
                      {"type", to_string(interface.functional_type)},
                      {"up", interface.up},
                      {"carrier", interface.carrier},
                      {"state", to_string(interface.state)},
                      {"multicast", interface.multicast},
                      {"mtu", interface.mtu},
                      {"addresses", addresses_of(interface)},
                      {"flags", interface.flags},
                      {"legacy_type", interface.legacy_type},
                      {"carrier_changes", interface.carrier_changes}};
    put(made, "mac", interface.mac.to_string());
    put(made, "permanent_mac", interface.permanent_mac.to_string());
    put(made, "virtual", interface.is_virtual);
    put(made, "kernel_kind", interface.kernel_kind);
    put(made, "bus", interface.bus);
    put(made, "direct_link", interface.direct_link);
    put(made, "master", interface.master);
    put(made, "peer", interface.peer);
    put(made, "peer_is_elsewhere", interface.peer_is_elsewhere);
    json::array names;
    for (const std::string& each : interface.alternative_names)
        names.push_back(json::string{to_valid_utf8(each)});
    if (!names.empty()) made["alternative_names"] = std::move(names);
    put(made, "prohibited", interface.prohibited);
    if (interface.cost != 0) made["cost"] = interface.cost;
    return made;
}

std::string Interface::to_json() const { return json::serialize(json_of(*this)); }

std::string InterfaceHardware::to_json() const {
    json::object made;
    put(made, "driver", driver);
    put(made, "driver_version", driver_version);
    put(made, "firmware", firmware);
    put(made, "bus", bus);
    put(made, "bus_path", bus_path);
    if (speed) made["speed_mbit"] = *speed;
    if (duplex != Duplex::unknown) made["duplex"] = to_string(duplex);
    if (usb) made["usb"] = json_of(*usb);
    if (!unread.empty()) made["unread"] = json_of(unread);
    return json::serialize(made);
}

std::string InterfaceStatistics::to_json() const {
    const json::object made{{"received", json_of(received)},
                            {"sent", json_of(sent)},
                            {"multicast_received", multicast_received},
                            {"collisions", collisions},
                            {"carrier_came", carrier_came},
                            {"carrier_went", carrier_went}};
    return json::serialize(made);
}

}  // namespace muster
