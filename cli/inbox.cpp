#include "inbox.h"

#include <filesystem>
#include <system_error>

#include "text.h"

namespace muster::cli {

namespace {

// A file system that others fill to the brim stops more than this program. As much as ext4 keeps for root.
constexpr std::uint64_t kKeptFree = 20;  // one part of so many

}  // namespace

std::optional<std::string> Inbox::refusal(std::uint64_t octets, const std::optional<DiskSpace>& disk) const {
    if (options_.directory.empty()) return "this device takes no files";
    if (files_ >= options_.files)
        return "this device has taken as many files as it may, " + std::to_string(options_.files);
    if (octets > options_.octets - octets_)
        return "this device takes " + size_text(options_.octets - octets_) + " more and no larger file";
    if (!disk) return std::nullopt;
    // What is under way may be on the disk already, in part: counted twice rather than not at all.
    const std::uint64_t kept = disk->size / kKeptFree + under_way_;
    const std::uint64_t room = disk->free > kept ? disk->free - kept : 0;
    if (octets > room) return "this device has room for " + size_text(room) + " (5 % of its disk stay free)";
    return std::nullopt;
}

std::optional<DiskSpace> Inbox::disk() const {
    std::error_code failure;
    const auto space = std::filesystem::space(options_.directory, failure);
    if (failure) return std::nullopt;
    return DiskSpace{space.capacity, space.available};
}

void Inbox::begin(std::uint64_t octets) {
    ++files_;
    octets_ += octets;
    under_way_ += octets;
}

void Inbox::end(std::uint64_t octets, bool arrived) {
    under_way_ -= octets;
    if (arrived) return;
    --files_;
    octets_ -= octets;
}

}  // namespace muster::cli
