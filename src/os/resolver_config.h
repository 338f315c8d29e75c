#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "muster/endpoint.h"

namespace muster::os {

/// The servers of a resolv.conf(5), in its order, at most the three that the C library asks; lines that cannot be read are left
/// out. The scope of a link-local address is looked up by name. Pure but for that.
std::vector<Endpoint> parse_dns_servers(std::string_view text);

/// Those that the system's resolver asks. Where only a local stub stands in /etc/resolv.conf (systemd-resolved), those
/// behind it, from the file that it keeps. Empty if the files cannot be read.
std::vector<Endpoint> dns_servers();

/// The files that dns_servers() reads.
std::vector<std::filesystem::path> resolver_files();

}  // namespace muster::os
