#pragma once

#include <array>
#include <string_view>

#include "muster/error.h"

namespace muster::cli {

/// What the program tells the shell.
enum class Exit : int {
    ok = 0,
    failed = 1,
    usage = 2,
    not_found = 3,
    unreachable = 4,
    refused = 5,
    lost = 6,
    interrupted = 130,  // 128 + SIGINT, as shells have it
};

struct ExitMeaning {
    Exit code;
    std::string_view meaning;
};

inline constexpr std::array<ExitMeaning, 8> kExitMeanings{{
    {Exit::ok, "Everything that was asked for has happened."},
    {Exit::failed, "It failed; the error on stderr says what, why, and what to do."},
    {Exit::usage, "The command line or the configuration file is wrong."},
    {Exit::not_found,
     "Nobody hosts the group (no_coordinator), no peer has the name (unknown_peer), or browsing saw "
     "nothing."},
    {Exit::unreachable,
     "Found, but no path works (unreachable, no_interface, handshake_failed), or no answer in time "
     "(timed_out)."},
    {Exit::refused, "The other side said no (refused, declined), or has the wrong key (untrusted)."},
    {Exit::lost, "The session was lost: the other side fell silent, or the interface went away."},
    {Exit::interrupted, "Interrupted by a signal, after a goodbye to the others."},
}};

Exit exit_of(Errc code);

}  // namespace muster::cli
