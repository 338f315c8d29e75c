#include "os/system_facts.h"

#include <sys/utsname.h>
#include <unistd.h>

namespace muster::os {

SystemFacts system_facts() {
    utsname name{};
    ::uname(&name);
    return {.pid = static_cast<std::uint32_t>(::getpid()),
            .system = name.sysname,
            .release = name.release,
            .machine = name.machine};
}

std::uint32_t user_id() { return ::geteuid(); }

}  // namespace muster::os
