#include "muster/identity.h"

#include "base/crypto.h"
#include "node/known_coordinators.h"
#include "os/files.h"

namespace muster {

namespace {

constexpr char kKeyFile[] = "/device-key.pem";
constexpr char kJournalFolder[] = "/journals";

Result<DeviceKey> load_or_make_key(const std::string& path) {
    auto pem = os::read_file(path);
    if (!pem && pem.error().code() == Errc::bad_input) {  // not there: the first of two processes makes it
        const auto made = os::write_file(path, DeviceKey::generate().to_pem(), os::IfPresent::keep);
        if (!made) return made.error();
        pem = os::read_file(path);
    }
    if (!pem) return pem.error();
    auto key = DeviceKey::from_pem(*pem);
    wipe(std::as_writable_bytes(std::span{*pem}));
    if (!key)
        return Error{key.error()}
            .during("reading the device key " + path)
            .cure("restore the file from a backup, or remove it to become a new device");
    return key;
}

}  // namespace

Identity::Identity(std::shared_ptr<const DeviceKey> key, std::string directory)
    : key_(std::move(key)), directory_(std::move(directory)) {}

Result<Identity> Identity::load(std::string directory) {
    if (directory.empty()) {
        auto state = os::state_directory();
        if (!state) return state.error();
        directory = std::move(*state);
    } else if (auto made = os::make_private_directory(directory); !made) {
        return made.error();
    }
    auto key = load_or_make_key(directory + kKeyFile);
    if (!key) return key.error();
    return Identity{std::make_shared<const DeviceKey>(std::move(*key)), std::move(directory)};
}

Identity Identity::ephemeral() {
    return Identity{std::make_shared<const DeviceKey>(DeviceKey::generate()), {}};
}

Result<std::vector<Pin>> Identity::pins() const { return node::KnownCoordinators{directory_}.pins(); }

Result<bool> Identity::forget_pin(const std::string& group) const {
    return node::KnownCoordinators{directory_}.forget(group);
}

Result<std::string> Identity::journal_file(const std::string& group) const {
    return journal_of(group, ".journal");
}

Result<std::string> Identity::member_journal_file(const std::string& group) const {
    return journal_of(group, ".member.journal");
}

Result<std::string> Identity::journal_of(const std::string& group, const char* suffix) const {
    if (directory_.empty())
        return Error{Errc::bad_input, "an ephemeral identity has no journal: its key ends with the process"};
    const std::string folder = directory_ + kJournalFolder;
    if (auto made = os::make_private_directory(folder); !made) return made.error();
    const Sha256Digest digest = sha256(as_bytes(group));  // a group's name may hold anything
    return folder + "/" + base32(std::as_bytes(std::span{digest}).first(10)) + suffix;
}

const DeviceId& Identity::id() const { return key_->id(); }

}  // namespace muster
