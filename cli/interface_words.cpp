#include "interface_words.h"

#include <algorithm>

#include <fmt/format.h>

#include "text.h"

namespace muster::cli {
namespace {

std::uint32_t number(InterfaceIndex index) { return static_cast<std::uint32_t>(index); }

std::string name_of(InterfaceIndex index, std::span<const Interface> all) {
    const auto found = std::ranges::find(all, index, &Interface::index);
    return found == all.end() ? fmt::format("interface {}", number(index)) : printable(found->name);
}

std::string address_text(const InterfaceAddress& each) {
    return fmt::format("{}/{}", each.address.to_string(), each.prefix_length);
}

/// Two columns, as wide as the widest word needs.
std::string fact(std::string_view word, std::string_view text) {
    return fmt::format("  {:<11} {}", word, text);
}

std::string list_of(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& each : words)
        if (!each.empty()) text += (text.empty() ? "" : ", ") + printable(each);
    return text;
}

std::string carrier_words(const Interface& interface) {
    if (!interface.up) return "unknown while it is switched off";
    return fmt::format("{}, {} changes so far", interface.carrier ? "there" : "none",
                       interface.carrier_changes);
}

std::string mac_words(const Interface& interface) {
    const std::string permanent = interface.permanent_mac.to_string();
    const bool is_other = !permanent.empty() && interface.permanent_mac != interface.mac;
    return interface.mac.to_string() + (is_other ? " (made as " + permanent + ")" : "");
}

std::string traffic_words(const TrafficCount& count) {
    return fmt::format("{} packets, {}, {} errors, {} dropped", count.packets, size_text(count.octets),
                       count.errors, count.dropped);
}

using Words = std::vector<std::string>;

void compare_addresses(const Interface& before, const Interface& now, Words& words) {
    const auto find = [](const Interface& in, const InterfaceAddress& wanted) {
        return std::ranges::find_if(in.addresses, [&](const InterfaceAddress& each) {
            return each.address == wanted.address && each.prefix_length == wanted.prefix_length;
        });
    };
    for (const InterfaceAddress& each : before.addresses)
        if (find(now, each) == now.addresses.end()) words.push_back("- " + address_text(each));
    for (const InterfaceAddress& each : now.addresses) {
        const auto known = find(before, each);
        const std::string text = address_text(each);
        if (known == before.addresses.end())
            words.push_back("+ " + text + (each.tentative ? " (not confirmed yet)" : ""));
        else if (known->tentative != each.tentative)
            words.push_back(text + (each.tentative ? " has to be confirmed again" : " is confirmed"));
    }
}

void compare_names(const Interface& before, const Interface& now, Words& words) {
    if (before.name != now.name) words.push_back("was called " + printable(before.name));
    const auto missing_in = [](const Interface& in, const std::string& name) {
        return std::ranges::find(in.alternative_names, name) == in.alternative_names.end();
    };
    for (const std::string& each : before.alternative_names)
        if (missing_in(now, each)) words.push_back("- name " + printable(each));
    for (const std::string& each : now.alternative_names)
        if (missing_in(before, each)) words.push_back("+ name " + printable(each));
}

void compare_carrier(const Interface& before, const Interface& now, Words& words) {
    if (before.up != now.up) words.push_back(now.up ? "switched on" : "switched off");
    const std::uint32_t changes = now.carrier_changes - before.carrier_changes;
    if (before.carrier != now.carrier)
        words.push_back(now.carrier ? "carrier is there" : "carrier is gone");
    else if (changes > 0)
        words.push_back("carrier has changed");
    if (changes > 1) words.push_back(fmt::format("{} changes of the carrier meanwhile", changes));
    const bool is_told = before.up != now.up || before.carrier != now.carrier;
    if (!is_told && before.state != now.state)
        words.push_back(fmt::format("state {} -> {}", to_string(before.state), to_string(now.state)));
}

/// The bits of `flags` that no other fact tells: all but IFF_UP, IFF_RUNNING, IFF_LOWER_UP and IFF_DORMANT.
std::uint32_t other_flags(const Interface& interface) { return interface.flags & ~std::uint32_t{0x30041}; }

}  // namespace

std::string_view state_words(const Interface& interface) {
    if (!interface.up) return "off";
    if (interface.state == OperationalState::dormant) return "waits to be let in";
    if (!interface.carrier) return "no carrier";
    const Addressed has = interface.addressed();
    if (has.any()) return "up";
    return has.tentative ? "no address yet" : "no address";
}

Colour state_colour(const Interface& interface) {
    if (!interface.up) return Colour::dim;
    return interface.carrier && interface.addressed().any() ? Colour::green : Colour::yellow;
}

std::string type_words(const Interface& interface) {
    const bool is_tunnel = interface.kind == InterfaceKind::tunnel;
    std::string words{is_tunnel && interface.functional_type == FunctionalType::unknown
                          ? to_string(interface.kind)
                          : to_string(interface.functional_type)};
    std::ranges::replace(words, '_', ' ');
    return words + (interface.kernel_kind.empty() ? "" : ", " + printable(interface.kernel_kind));
}

std::string addresses_text(const Interface& interface) {
    std::string text;
    for (const InterfaceAddress& each : interface.addresses)
        text += (text.empty() ? "" : " ") + address_text(each) + (each.tentative ? "?" : "");
    return text;
}

std::vector<std::string> interface_headings() {
    return {"INDEX", "NAME", "TYPE", "STATE", "MTU", "MAC", "ADDRESSES"};
}

std::vector<std::string> interface_row(const Interface& interface) {
    return {std::to_string(number(interface.index)),
            printable(interface.name),
            type_words(interface),
            std::string{state_words(interface)},
            std::to_string(interface.mtu),
            interface.mac.to_string(),
            addresses_text(interface)};
}

std::vector<std::string> interface_lines(const Interface& interface, std::span<const Interface> all) {
    Words lines{fmt::format("{} ({}): {}, {}", printable(interface.name), number(interface.index),
                            type_words(interface), state_words(interface))};
    const auto add = [&](std::string_view word, const std::string& text) {
        if (!text.empty()) lines.push_back(fact(word, text));
    };
    add("also called", list_of(interface.alternative_names));
    add("carrier", carrier_words(interface));
    for (const InterfaceAddress& each : interface.addresses)
        add("address", address_text(each) + (each.tentative ? " (not confirmed yet)" : ""));
    add("MAC", mac_words(interface));
    add("MTU", std::to_string(interface.mtu));
    if (interface.master != InterfaceIndex::none) add("port of", name_of(interface.master, all));
    if (interface.peer != InterfaceIndex::none) add("peer", name_of(interface.peer, all));
    if (interface.peer_is_elsewhere) add("peer", "in another network namespace");
    if (interface.direct_link) add("leads to", "one other device, by a cable of its own");
    return lines;
}

std::vector<std::string> hardware_lines(const InterfaceHardware& hardware) {
    Words lines;
    const auto add = [&](std::string_view word, const std::string& text) {
        if (!text.empty()) lines.push_back(fact(word, text));
    };
    std::string driver =
        printable(hardware.driver + (hardware.driver_version.empty() ? "" : " ") + hardware.driver_version);
    if (!hardware.firmware.empty()) driver += ", firmware " + printable(hardware.firmware);
    add("driver", driver);
    add("device", printable(hardware.bus + (hardware.bus_path.empty() ? "" : " ") + hardware.bus_path));
    if (hardware.usb)
        add("on USB", fmt::format("{:04x}:{:04x} {}", hardware.usb->vendor, hardware.usb->product,
                                  list_of({hardware.usb->manufacturer, hardware.usb->product_name,
                                           hardware.usb->serial})));
    if (hardware.speed)
        add("speed", fmt::format("{} Mbit/s{}", *hardware.speed,
                                 hardware.duplex == Duplex::half ? ", half duplex" : ""));
    for (const Evidence& each : hardware.unread)
        add("not read", printable(each.subject) + ": " + printable(each.finding));
    return lines;
}

std::vector<std::string> statistics_lines(const InterfaceStatistics& statistics) {
    return {fact("received", traffic_words(statistics.received)),
            fact("sent", traffic_words(statistics.sent))};
}

std::vector<std::string> differences(const Interface& before, const Interface& now,
                                     std::span<const Interface> all) {
    Words words;
    compare_names(before, now, words);
    compare_carrier(before, now, words);
    compare_addresses(before, now, words);
    if (before.mtu != now.mtu) words.push_back(fmt::format("MTU {} -> {}", before.mtu, now.mtu));
    if (before.mac != now.mac)
        words.push_back(fmt::format("MAC {} -> {}", before.mac.to_string(), now.mac.to_string()));
    if (before.master != now.master)
        words.push_back(now.master == InterfaceIndex::none
                            ? "no port of " + name_of(before.master, all) + " any more"
                            : "port of " + name_of(now.master, all));
    if (type_words(before) != type_words(now)) words.push_back(type_words(before) + " -> " + type_words(now));
    if (other_flags(before) != other_flags(now))
        words.push_back(fmt::format("flags {:#x} -> {:#x}", before.flags, now.flags));
    if (words.empty() && before != now) words.emplace_back("details");
    return words;
}

bool is_called(const Interface& interface, std::string_view word) {
    return interface.name == word || std::to_string(number(interface.index)) == word ||
           std::ranges::find(interface.alternative_names, word) != interface.alternative_names.end();
}

}  // namespace muster::cli
