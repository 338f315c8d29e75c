#pragma once

#include <optional>
#include <string>
#include <vector>

#include "muster/endpoint.h"
#include "muster/error.h"
#include "muster/identity.h"
#include "muster/ids.h"

namespace muster::node {

/// What a device remembers of a group: whose key it has seen there first, and where that was.
struct KnownCoordinator {
    DeviceId id;
    std::vector<Endpoint> endpoints;  ///< Where it was reached last; hints only.
};

/// One small JSON file for each group below the state directory, written atomically; so two
/// processes never tear it.
class KnownCoordinators {
public:
    /// `directory`: of the identity; empty: nothing is remembered.
    explicit KnownCoordinators(std::string directory) : directory_(std::move(directory)) {}

    /// Nullopt if nothing is known. A damaged file is an error, not a reason to trust anyone:
    /// Errc::bad_input.
    Result<std::optional<KnownCoordinator>> find(const std::string& group) const;
    /// Errors: storage.
    Result<void> remember(const std::string& group, const KnownCoordinator& coordinator) const;
    /// All pins, by group. Errors: storage, bad_input (a damaged file).
    Result<std::vector<Pin>> pins() const;
    /// Forgets the pin. True if there was one. Errors: storage.
    Result<bool> forget(const std::string& group) const;

private:
    std::string folder() const;
    std::string path_of(const std::string& group) const;

    std::string directory_;
};

}  // namespace muster::node
