#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "os/file_descriptor.h"
#include "os/interface_dump.h"
#include "os/interface_kind.h"
#include "os/interface_table.h"

#include "muster/error.h"
#include "muster/interface.h"

namespace muster::os {

/// Watches the kernel's interfaces and addresses through rtnetlink. Complete from the moment open() returns;
/// if the kernel drops events because they came too fast (ENOBUFS), everything is read afresh. A resource;
/// one thread or strand.
class InterfaceWatch {
public:
    /// Subscribes first and reads everything then, so that no change can fall between.
    /// Errors: system, timed_out (the kernel did not answer within a second).
    static Result<std::unique_ptr<InterfaceWatch>> open();
    InterfaceWatch(const InterfaceWatch&) = delete;
    InterfaceWatch& operator=(const InterfaceWatch&) = delete;

    /// All interfaces by index as of the last receive(). Made anew by each call: only who needs them keeps them.
    std::vector<Interface> interfaces();

    /// Reads pending events without waiting. True if interfaces() may have changed: some value of them was told anew, or
    /// everything was read afresh. Call when readable, and once in a while as long as is_stale().
    bool receive();

    /// Events were lost and reading everything afresh has not worked yet.
    bool is_stale() const { return stale_; }
    /// How often everything had to be read afresh.
    std::uint64_t resyncs() const { return resyncs_; }
    /// For waiting only; the watch keeps it.
    int native_handle() const { return socket_.get(); }

private:
    explicit InterfaceWatch(FileDescriptor socket);

    Result<> resync();

    FileDescriptor socket_;
    InterfaceDump dump_;
    InterfaceTable table_;
    struct KnownMarks {
        std::string name;
        DeviceMarks marks;
    };
    std::map<InterfaceIndex, KnownMarks> marks_;  // read once for each interface and name
    std::uint64_t resyncs_ = 0;
    bool stale_ = false;
};

}  // namespace muster::os
