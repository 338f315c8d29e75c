#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace muster::cli {

/// What --accept-files takes: any member may offer any number of files, so there is an end to it.
struct InboxOptions {
    std::string directory;                                             ///< Empty: no files are taken.
    std::uint64_t octets = std::numeric_limits<std::uint64_t>::max();  ///< In all, while the program runs.
    std::uint64_t files = 1000;                                        ///< The same; empty ones count too.
};

/// A file system, in octets.
struct DiskSpace {
    std::uint64_t size = 0;
    std::uint64_t free = 0;
};

/// Counts what was taken and decides about the next file. A value.
class Inbox {
public:
    explicit Inbox(InboxOptions options) : options_(std::move(options)) {}

    const std::string& directory() const { return options_.directory; }
    /// Nullopt: take it. Else why not, for its sender. `disk`: as it is now, if that is known.
    std::optional<std::string> refusal(std::uint64_t octets, const std::optional<DiskSpace>& disk) const;
    /// The file system under the directory.
    std::optional<DiskSpace> disk() const;
    void begin(std::uint64_t octets);
    /// What did not arrive whole was not kept, and does not count.
    void end(std::uint64_t octets, bool arrived);

private:
    InboxOptions options_;
    std::uint64_t octets_ = 0;
    std::uint64_t files_ = 0;
    std::uint64_t under_way_ = 0;  // octets
};

}  // namespace muster::cli
