#include "exit_codes.h"

namespace muster::cli {

Exit exit_of(Errc code) {
    using enum Errc;
    switch (code) {
        case no_coordinator:
        case unknown_peer: return Exit::not_found;
        case unreachable:
        case no_interface:
        case no_address:
        case no_route:
        case handshake_failed:
        case timed_out: return Exit::unreachable;
        case refused:
        case declined:
        case untrusted: return Exit::refused;
        case lost:
        case link_down: return Exit::lost;
        case version_mismatch:
        case name_in_use:
        case full:
        case closed:
        case too_slow:
        case not_connected:
        case too_large:
        case queue_full:
        case cancelled:
        case cancelled_by_peer:
        case already_exists:
        case bad_name:
        case checksum_mismatch:
        case source_changed:
        case storage:
        case protocol_violation:
        case bad_input:
        case system:
        case unsupported: return Exit::failed;
    }
    return Exit::failed;
}

}  // namespace muster::cli
