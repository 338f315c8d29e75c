#include "os/file_descriptor.h"

#include <cerrno>

#include <unistd.h>

namespace muster::os {

int FileDescriptor::close() noexcept {
    if (descriptor_ < 0) return 0;
    // Linux frees the descriptor even when close(2) reports EINTR: trying again could close somebody else's.
    const int result = ::close(std::exchange(descriptor_, -1));
    return result == 0 || errno == EINTR ? 0 : errno;
}

}  // namespace muster::os
