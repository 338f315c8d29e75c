#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "muster/bytes.h"
#include "muster/interface.h"

struct nlmsghdr;

namespace muster::os {

/// The kernel's interfaces and addresses as told by rtnetlink messages. Pure: octets in, values out.
/// Messages of a dump and of the event groups may come mixed; each one says how things are from then on.
class InterfaceTable {
public:
    /// More than any machine has that Muster runs on; what is beyond is left out and counted.
    static constexpr std::size_t kMaxInterfaces = 4096;
    static constexpr std::size_t kMaxAddresses = 256;        ///< per interface
    static constexpr std::size_t kMaxAlternativeNames = 64;  ///< per interface

    struct Outcome {
        bool changed = false;      ///< some Interface value differs now
        bool dump_done = false;    ///< the dump `sequence` is complete
        bool interrupted = false;  ///< things changed during the dump: it has to be asked for again
        int error = 0;             ///< errno that the kernel answered to `sequence`
    };

    /// Applies all messages of one read; `sequence` is that of the dump that runs, 0 if none. What cannot be
    /// parsed is skipped.
    Outcome apply(ByteView messages, std::uint32_t sequence);

    /// All interfaces by index, those without address as well. What no message tells (kind, functional_type, is_virtual)
    /// is for interface_kind.h.
    std::vector<Interface> snapshot() const&;
    std::vector<Interface> snapshot() &&;
    std::uint64_t left_out() const { return left_out_; }

private:
    struct Entry {
        Interface value;
        bool known =
            false;  // false: only addresses were told so far, the link itself comes later in the dump
    };

    bool apply_message(const nlmsghdr& message);
    bool apply_link(const nlmsghdr& message);
    bool remove_link(const nlmsghdr& message);
    void read_alternative_names(ByteView list, Interface& value);
    bool apply_address(const nlmsghdr& message);
    Entry* entry_for(std::uint32_t index);

    std::map<std::uint32_t, Entry> entries_;
    std::uint64_t left_out_ = 0;
};

}  // namespace muster::os
