#pragma once

#include <string_view>

#include "muster/error.h"

namespace muster::os {

/// Turns an errno into an Error: "<attempt>: <what the system says>". `attempt` names the call and what it
/// was about, e.g. "bind UDP port 5353". Code: already_exists (EADDRINUSE, EEXIST), storage (ENOSPC, EDQUOT,
/// EROFS, EFBIG, EIO), unsupported (EAFNOSUPPORT, ENOPROTOOPT, EOPNOTSUPP), else system. With a cure where
/// there is one for everybody (EMFILE, ENFILE).
Error system_error(std::string_view attempt, int error);

}  // namespace muster::os
