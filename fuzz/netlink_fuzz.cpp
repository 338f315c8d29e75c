// rtnetlink messages: whatever a kernel, or somebody who pretends to be one, sends. The first octet chooses
// the dump that is believed to run, the rest is cut into reads of up to 512 octets.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "os/interface_kind.h"
#include "os/interface_table.h"
#include "os/radio_role.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace muster;
    if (size == 0) return 0;
    os::InterfaceTable table;
    const std::uint32_t sequence = data[0];
    for (std::size_t offset = 1; offset < size; offset += 512) {
        const auto count = std::min<std::size_t>(512, size - offset);
        std::vector<std::byte> read(count);  // of exactly this size, so that ASan sees every octet too many
        std::memcpy(read.data(), data + offset, count);
        (void)os::role_in(read);
        const auto before = table.snapshot();
        const auto outcome = table.apply(read, sequence);
        const auto after = table.snapshot();
        MUSTER_CHECK(outcome.changed || before == after);
        MUSTER_CHECK(std::ranges::is_sorted(after, {}, &Interface::index));
        for (auto interface : after) {
            os::classify(interface, {});
            (void)interface.to_json();
            MUSTER_CHECK(interface.index != InterfaceIndex::none);
            MUSTER_CHECK(interface.addresses.size() <= os::InterfaceTable::kMaxAddresses);
            MUSTER_CHECK(interface.alternative_names.size() <= os::InterfaceTable::kMaxAlternativeNames);
        }
    }
    return 0;
}
