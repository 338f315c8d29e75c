#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "muster/endpoint.h"
#include "muster/error.h"

namespace muster::os {

/// What the system's resolver says of a name.
struct LookupOutcome {
    /// In the resolver's order, each once, at most 16; without port. The interface is the resolver's, for link-local ones of mDNS.
    /// What can be no host's (0.0.0.0 of a server that blocks names) is left out.
    std::vector<Endpoint> addresses;
    std::string trouble;  ///< Why there is none, in the resolver's words; empty if there is one.

    bool operator==(const LookupOutcome&) const = default;
};

/// One question to the system's resolver (getaddrinfo), on a thread of its own: it cannot be interrupted, and may take half a
/// minute. Whoever does not want to wait drops this; the thread ends when the resolver does. A resource.
class NameLookup {
public:
    /// Errors: system (no thread, or 16 earlier lookups still hang).
    static Result<std::unique_ptr<NameLookup>> begin(std::string name);
    ~NameLookup();
    NameLookup(const NameLookup&) = delete;
    NameLookup& operator=(const NameLookup&) = delete;

    /// Nullopt while the resolver has not answered.
    std::optional<LookupOutcome> outcome() const;

private:
    struct Shared;
    explicit NameLookup(std::shared_ptr<Shared> shared);

    std::shared_ptr<Shared> shared_;  // with the thread
};

}  // namespace muster::os
