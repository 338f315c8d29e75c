#include "muster/version.h"

#include "session/frame.h"

namespace muster {

std::string_view version() noexcept { return MUSTER_VERSION; }

std::uint64_t protocol_version() noexcept { return session::kVersion; }

}  // namespace muster
