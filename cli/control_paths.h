#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "muster/error.h"

namespace muster::cli {

// Where the processes of this program are found by those who ask them something: one Unix socket each, PID.sock in
// $XDG_RUNTIME_DIR/muster or, without that variable, in /run/muster.

/// Makes the directory of this process's socket if it is not there. Errors: storage (it cannot be made), bad_input (it is
/// somebody else's, or others may write there).
Result<std::string> control_directory();

struct RunningProcess {
    std::uint32_t pid = 0;
    std::string socket;
};

/// All that have a socket where this user may look, by pid: his own directory and /run/muster, and for root those of all
/// users. Whether anybody answers there is not known. What is no socket, or stands behind a symbolic link, is none.
std::vector<RunningProcess> running_processes();

/// Removes the socket of a process that has ended without doing it: only one of this user, in a directory where nobody else
/// writes. One that lives stays, for between bind() and listen() it refuses connections as well.
void remove_if_left_behind(const RunningProcess& process);

/// A request is one line of at most so many octets: a word, "text" or "json", and perhaps a name.
inline constexpr std::size_t kMaxControlRequest = 512;
/// An answer begins with a line "ok SIZE" or "error SIZE", and so many octets follow.
inline constexpr std::size_t kMaxControlAnswer = 16 << 20;

}  // namespace muster::cli
