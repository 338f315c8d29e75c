#pragma once

#include <memory>
#include <string>
#include <vector>

#include "muster/error.h"
#include "muster/ids.h"

namespace muster {

class DeviceKey;

/// The coordinator that a device met first in a group, and insists on since.
struct Pin {
    std::string group;
    DeviceId coordinator;

    bool operator==(const Pin&) const = default;
};

/// The device's Ed25519 key and where it is kept. A value; copies share the key. Any thread.
class Identity {
public:
    /// Reads the device key from `directory`, or makes one there at first use (file mode 0600).
    /// An empty directory means $MUSTER_HOME, else $XDG_STATE_HOME/muster, else ~/.local/state/muster.
    /// Errors: storage (cannot read or write), bad_input (the file is not an Ed25519 key; it is left alone).
    static Result<Identity> load(std::string directory = {});
    /// Makes a key that is never stored: the device is a stranger after every start.
    static Identity ephemeral();

    const DeviceId& id() const;
    /// Where the key and the pinned peers live; empty for an ephemeral identity.
    const std::string& directory() const { return directory_; }
    const DeviceKey& key() const { return *key_; }

    /// Whom this device has pinned, by group; nobody for an ephemeral identity. Reads files.
    /// Errors: storage; bad_input (a damaged pin; the text names its file).
    Result<std::vector<Pin>> pins() const;
    /// Forgets the coordinator of `group`: the next one is trusted, and pinned. True if there was a pin.
    /// Errors: storage.
    Result<bool> forget_pin(const std::string& group) const;

    /// The usual files for HostOptions::journal and JoinOptions::journal of this group; their directory is made. Errors:
    /// storage; bad_input (an ephemeral identity: nobody else can go on with its sessions).
    Result<std::string> journal_file(const std::string& group) const;
    Result<std::string> member_journal_file(const std::string& group) const;

private:
    Identity(std::shared_ptr<const DeviceKey> key, std::string directory);
    Result<std::string> journal_of(const std::string& group, const char* suffix) const;

    std::shared_ptr<const DeviceKey> key_;  // owners: all copies of this identity
    std::string directory_;
};

}  // namespace muster
