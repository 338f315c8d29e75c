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

std::string cure_of(int error) {
    switch (error) {
        case EMFILE: return "raise the limit of open files of this process (ulimit -n)";
        case ENFILE: return "raise the limit of open files of this machine (sysctl fs.file-max)";
        default: return {};
    }
}

}  // namespace

Error system_error(std::string_view attempt, int error) {
    return Error{code_of(error), std::string{attempt} + ": " + std::system_category().message(error)}.cure(
        cure_of(error));
}

}  // namespace muster::os
