// The configuration file of the program muster, from its text to the options of a command. The first octet
// chooses the command; the rest is the file.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

#include "program.h"

namespace {

// A file in memory, the same for every run.
int config_file() {
    static const int file = ::memfd_create("muster.conf", MFD_CLOEXEC);
    if (file < 0) std::abort();
    return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const char* const commands[] = {"host", "join", "send", "browse", "advertise", "id", "forget", "version"};
    const std::string command = commands[data[0] % std::size(commands)];
    const int file = config_file();
    if (::ftruncate(file, 0) != 0 || ::pwrite(file, data + 1, size - 1, 0) < 0) std::abort();
    muster::cli::Program program;
    const auto request = program.parse({"--config", "/proc/self/fd/" + std::to_string(file), command});
    // Either there is something to run, or a person is told why not.
    if (!request.command && request.text.empty()) std::abort();
    for (const char c : request.text)
        if (static_cast<unsigned char>(c) < ' ' && c != '\n') std::abort();
    return 0;
}
