#include "os/system_error.h"

#include <cerrno>
#include <string>
#include <system_error>

namespace muster::os {
namespace {

Errc code_of(int error) {
    switch (error) {
        case EADDRINUSE:
        case EEXIST: return Errc::already_exists;
        case ENOSPC:
        case EDQUOT:
        case EROFS:
        case EFBIG:
        case EIO: return Errc::storage;
        case EAFNOSUPPORT:
        case ENOPROTOOPT:
        case EOPNOTSUPP: return Errc::unsupported;
        default: return Errc::system;
    }
}

}  // namespace

Error system_error(std::string_view attempt, int error) {
    return Error{code_of(error), std::string{attempt} + ": " + std::system_category().message(error)};
}

}  // namespace muster::os
