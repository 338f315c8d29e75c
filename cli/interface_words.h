#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "output.h"

#include "muster/interface.h"
#include "muster/interface_details.h"

namespace muster::cli {

// Interfaces as people read them. All texts are printable().

/// How far it has come: "off", "no carrier", "no address", "up", ...
std::string_view state_words(const Interface& interface);
/// Green for what can be used, dim for what is switched off, yellow for what is in between.
Colour state_colour(const Interface& interface);
/// "wired", "cellular", "tunnel, wireguard"
std::string type_words(const Interface& interface);
/// "192.0.2.1/24 fe80::1/64"
std::string addresses_text(const Interface& interface);

/// The cells of a table; the headings come first.
std::vector<std::string> interface_headings();
std::vector<std::string> interface_row(const Interface& interface);
/// All that is in an Interface, in lines. `all`: to name others by.
std::vector<std::string> interface_lines(const Interface& interface, std::span<const Interface> all);
std::vector<std::string> hardware_lines(const InterfaceHardware& hardware);
std::vector<std::string> statistics_lines(const InterfaceStatistics& statistics);

/// What has become of it, a few words for each fact: "carrier is gone", "+ 192.0.2.1/24". Never empty for two that
/// differ.
std::vector<std::string> differences(const Interface& before, const Interface& now,
                                     std::span<const Interface> all);

/// True if it is called so: name, alternative name, or index.
bool is_called(const Interface& interface, std::string_view word);

}  // namespace muster::cli
