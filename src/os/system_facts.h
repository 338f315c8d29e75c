#pragma once

#include <cstdint>
#include <string>

#include "muster/error.h"

namespace muster::os {

/// What a report says of the machine; nothing that names it or its user.
struct SystemFacts {
    std::uint32_t pid = 0;
    std::string system;   ///< "Linux"
    std::string release;  ///< "6.1.0-18-amd64"
    std::string machine;  ///< "x86_64"
};

SystemFacts system_facts();

/// Whose sockets this process makes.
std::uint32_t user_id();

}  // namespace muster::os
