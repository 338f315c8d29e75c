// What `why` reads: packets of the wire, answers to pings, the kernel's list of addresses. The first octet chooses the reader.
#include <cstdint>

#include "base/check.h"
#include "os/address_checks.h"
#include "os/path_tap.h"
#include "os/ping_socket.h"

#include "muster/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace muster;
    if (size == 0) return 0;
    const ByteView rest{reinterpret_cast<const std::byte*>(data + 1), size - 1};
    switch (data[0] % 5) {
        case 0: MUSTER_CHECK(os::parse_duplicates(as_text(rest)).size() <= 256); break;
        case 1: os::parse_tapped_header(rest); break;
        case 2: os::parse_echo_reply(rest, false, true); break;
        case 3: os::parse_echo_reply(rest, false, false); break;
        case 4: os::parse_echo_reply(rest, true, false); break;
    }
    return 0;
}
