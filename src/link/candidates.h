#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "link/path.h"
#include "link/verdict.h"

#include "muster/interface.h"

namespace muster::link {

/// The paths worth trying to one remote endpoint, and those that are not, with the reason.
struct Candidates {
    std::vector<Path> paths;
    std::vector<std::pair<Path, std::string>> ruled_out;
};

/// Works out over which interfaces `remote` can be tried. An endpoint with an interface is tried over
/// that one, if it is usable and has an own address of that family; a link-local endpoint without one
/// over every usable interface; any other over each interface whose subnet it is in, and over whatever
/// the kernel's routing says; if it matters which (some are prohibited, or cost more), over each of them by name.
Candidates gather(const Endpoint& remote, std::span<const Interface> interfaces);

/// Why this path cannot carry packets at present, from the kernel's facts about its interface and its own address;
/// nullopt if nothing speaks against it.
std::optional<Obstacle> obstacle(const Path& path, std::span<const Interface> interfaces);

/// False for the well-known ports and that of mDNS: no packet of ours goes there because somebody says so.
bool is_believable(std::uint16_t port);

/// True if an endpoint that anybody on the network may have named is worth a packet of ours: its port is
/// believable, and its address link-local or in a subnet of the interface that it was heard on (of any, for
/// none). So nobody can make us send to the rest of the world.
bool is_neighbour(const Endpoint& heard, std::span<const Interface> interfaces);

}  // namespace muster::link
