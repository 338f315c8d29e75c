#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>

#include "muster/time.h"

namespace muster::sim {

enum class HostId : std::uint32_t {};
enum class LanId : std::uint32_t {};

/// What happened to a datagram, or to one copy of it.
enum class Fate : std::uint8_t {
    sent,         ///< a host gave it to an interface
    delivered,    ///< a station got it
    duplicated,   ///< one more copy is under way
    held_back,    ///< others will overtake it
    lost,         ///< by Quality::loss
    queue_full,   ///< by Quality::bits_per_second
    too_big,      ///< for the LAN
    blocked,      ///< by a partition, a one-way block or a LAN without multicast
    no_receiver,  ///< nobody on the LAN, or behind its routers, has the address
    down,         ///< the receiving interface was down or unplugged, or its host has no station
};
inline constexpr std::size_t kFates = 10;

constexpr std::string_view to_string(Fate fate) {
    constexpr std::array<std::string_view, kFates> names{
        "sent",       "delivered", "duplicated", "held_back",   "lost",
        "queue_full", "too_big",   "blocked",    "no_receiver", "down"};
    return names[static_cast<std::size_t>(fate)];
}

struct TraceEvent {
    TimePoint when;
    Fate fate{};
    LanId lan{};
    HostId from{};
    HostId to{};  ///< Equals `from` where there is no receiver yet or any more.
    std::size_t size = 0;
};

using TraceSink = std::function<void(const TraceEvent&)>;

/// How often each fate was met.
class FateCounters {
public:
    std::uint64_t operator[](Fate fate) const { return counts_[static_cast<std::size_t>(fate)]; }
    void add(Fate fate) { ++counts_[static_cast<std::size_t>(fate)]; }

private:
    std::array<std::uint64_t, kFates> counts_{};
};

}  // namespace muster::sim
