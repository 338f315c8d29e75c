#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "muster/error.h"
#include "muster/interface.h"

namespace muster::os {

/// Lets the kernel use new IPv6 addresses while it still asks whether another device has them (optimistic duplicate address
/// detection, RFC 4429), instead of 1 to 2 s later. That is a setting of the interface, for all programs, and needs
/// CAP_NET_ADMIN. It applies to addresses that are made from then on: the next time the interface comes up.
class OptimisticAddresses {
public:
    /// `settings`: where the kernel has them.
    explicit OptimisticAddresses(std::string settings = "/proc/sys/net/ipv6/conf");
    OptimisticAddresses(const OptimisticAddresses&) = delete;
    OptimisticAddresses& operator=(const OptimisticAddresses&) = delete;
    /// Puts back what it has changed, where nobody has changed it since.
    ~OptimisticAddresses();

    /// These are the interfaces now: prepares those that are new, but for what is prohibited or has no neighbours.
    void follow(std::span<const Interface> interfaces);
    /// What was done for each interface, or why it could not be.
    std::vector<Evidence> findings() const;

private:
    struct Prepared {
        std::string name;
        std::string finding;
        std::vector<std::string> changed;  // files that held a 0
    };
    Prepared prepare(const std::string& name) const;
    static void put_back(const Prepared& prepared);

    std::string settings_;
    std::map<InterfaceIndex, Prepared> prepared_;
};

}  // namespace muster::os
