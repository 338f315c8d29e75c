// Linked into programs that a test lets run out of file descriptors, in builds with UBSan.
//
// UBSan's check of dynamic types (vptr) asks the kernel through a pipe whether it may read an object, takes "no
// descriptors" for "no object", and ends the program. No option and no suppression prevents that. So the linker puts this
// function before the check (--wrap): as long as there are descriptors it is as ever, and without them there is none.
#include <array>
#include <cerrno>
#include <cstdint>
#include <mutex>

#include <unistd.h>

namespace {

/// Enough for two pipes: another thread may open something between this and the check.
bool has_descriptors() {
    const int error = errno;
    std::array<int, 4> ends{-1, -1, -1, -1};
    const bool enough = pipe(ends.data()) == 0 && pipe(ends.data() + 2) == 0;
    for (const int end : ends)
        if (end >= 0) close(end);
    errno = error;
    return enough;
}

}  // namespace

extern "C" {

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's and the runtime's names
void __real___ubsan_handle_dynamic_type_cache_miss_abort(void* data, std::uintptr_t pointer,
                                                         std::uintptr_t hash);

void __wrap___ubsan_handle_dynamic_type_cache_miss_abort(void* data, std::uintptr_t pointer,
                                                         std::uintptr_t hash) {
    static std::mutex one_at_a_time;
    const std::lock_guard lock(one_at_a_time);
    if (has_descriptors()) __real___ubsan_handle_dynamic_type_cache_miss_abort(data, pointer, hash);
}
// NOLINTEND(bugprone-reserved-identifier)

}  // extern "C"
