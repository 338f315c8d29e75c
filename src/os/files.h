#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "muster/bytes.h"
#include "muster/error.h"

namespace muster::os {

/// Returns a whole small regular file. Errors: storage, too_large above `limit` octets.
/// A missing file is Errc::bad_input, so that callers can tell "not there" from "cannot read".
Result<std::string> read_file(const std::string& path, std::size_t limit = 1 << 20);

enum class IfPresent { replace, keep };

/// Writes a small file of mode 0600 so that after a crash it is there whole or not at all: temporary file,
/// fsync, rename or link, fsync of the directory. With IfPresent::keep a file that is there already stays and
/// the answer is false; two processes may try at once. Errors: storage.
Result<bool> write_file(const std::string& path, std::string_view content, IfPresent if_present);

/// Makes a file of this user's one that nobody else may read or write (mode 0600). Errors: storage (also: it belongs to
/// somebody else, or is a link or no regular file).
Result<void> make_file_private(const std::string& path);

/// Removes a file; false if there was none. Errors: storage.
Result<bool> remove_file(const std::string& path);

/// The names in a directory, in no order; none if there is no such directory. Errors: storage.
Result<std::vector<std::string>> list_directory(const std::string& path);

/// Makes a directory of mode 0700 with its parents, if it is not there. Errors: storage.
Result<void> make_private_directory(const std::string& path);

/// Where this user's Muster state lives, made if needed: $MUSTER_HOME, else $XDG_STATE_HOME/muster, else
/// ~/.local/state/muster. Errors: storage (no home, not writable, writable by everybody).
Result<std::string> state_directory();

}  // namespace muster::os
