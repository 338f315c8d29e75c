#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "os/interface_table.h"

#include "muster/error.h"
#include "muster/time.h"

namespace muster::os {

/// Asks the kernel for all interfaces and addresses, and waits for the answer. The route socket may be subscribed to events
/// as well: those that come in between are applied. One thread or strand.
class InterfaceDump {
public:
    /// `socket` is non-blocking, and outlives this.
    explicit InterfaceDump(int socket);

    /// Begins anew if things changed meanwhile, up to eight times. Errors: system, timed_out (the kernel did not answer
    /// within a second, in all, or they never stopped changing).
    Result<InterfaceTable> read();

    /// Room for one read; free between two calls of read().
    std::span<std::byte> buffer();

private:
    void discard_queued();
    Result<> read_part(std::uint16_t what, InterfaceTable& table, bool& interrupted, TimePoint deadline);
    Result<> request(std::uint16_t what);

    int socket_;
    std::unique_ptr<std::byte[]> buffer_;
    std::uint32_t sequence_ = 0;
};

}  // namespace muster::os
