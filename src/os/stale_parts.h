#pragma once

#include <cstddef>
#include <string>

namespace muster::os {

// Part files of killed processes. A living writer holds a lock (flock) on its part, which the kernel
// lets go when the process dies, however it dies. So a part that can be locked is nobody's: no age has
// to be guessed, and a writer that is merely stopped or slow keeps its own. Where a file system has no
// locks, nothing is removed.

/// True if `name` leads to this open file, and to no other.
bool is_named(int directory, int file, const std::string& name);

/// Marks a part file that was just made as in use, for as long as `file` is open. False if a sweep of another
/// process has removed it meanwhile: make it anew.
bool hold_part(int directory, int file, const std::string& name);

/// Removes one part file if nobody holds it. True if it was removed.
bool sweep_part(int directory, const std::string& name);

/// Removes all part files of this user (by the names of base/file_storage.h) that nobody holds, directly in
/// the directory. Looks at the first 100,000 names. Returns how many it removed.
std::size_t sweep_parts(int directory);

}  // namespace muster::os
