#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "muster/endpoint.h"
#include "muster/error.h"
#include "muster/service.h"

namespace muster::discovery {

/// Whether a name has to be probed before it is used (RFC 6762 section 8.1).
enum class Uniqueness {
    probe,         ///< ask three times first: 0.75 to 1 s until it is announced
    known_unique,  ///< 64 random bits or a key's fingerprint: announced at once; conflicts are still watched
                   ///< for
};

/// What happens when somebody else holds the name.
enum class OnConflict {
    rename,  ///< go on as "Name (2)", "Name (3)" ...
    report,  ///< stop announcing it and say who holds it; `probe_again` starts over
    keep,    ///< announce it again and go on: the name holds a key's fingerprint, so whoever contradicts
             ///< forges
};

/// Whether browsing finds the instance, or only those who know its name.
enum class Listing { listed, unlisted };

/// How many instances the application's own rules let stand under a subtype on one network.
enum class Occupancy {
    many,
    one,  ///< whoever is there is the only one to answer: its answer need not make way for others'
};

/// What is to be advertised. The domain is always "local".
struct Registration {
    std::string instance;  ///< the first label, at most 63 octets of UTF-8
    std::string type;      ///< "_muster._udp"
    std::vector<std::string> subtypes;
    std::uint16_t port = 0;
    TxtRecord txt;
    Uniqueness uniqueness = Uniqueness::probe;
    OnConflict on_conflict = OnConflict::rename;
    Listing listing = Listing::listed;
    Occupancy occupancy = Occupancy::many;  ///< of the subtypes
    std::uint16_t priority = 0;
    std::uint16_t weight = 0;
};

/// Who answers for a name that we wanted.
struct NameHolder {
    Endpoint source;  ///< where the packet came from, with the interface
    std::string host;
    std::uint16_t port = 0;
    TxtRecord txt;  ///< Muster's coordinators put group, name and id there
    bool operator==(const NameHolder&) const = default;
};

struct AdvertiseEvent {
    enum class Kind {
        announced,  ///< the name is ours and has been announced on `interface`
        renamed,    ///< somebody else holds the old name; `instance` is the new one
        conflict,   ///< somebody else holds the name and the registration says OnConflict::report
    };
    Kind kind = Kind::announced;
    std::string instance;
    InterfaceIndex interface = InterfaceIndex::none;
    NameHolder holder;  ///< for `renamed` and `conflict`; may lack host and TXT if the holder did not say
};

struct BrowseRequest {
    std::string type;     ///< "_muster._udp"
    std::string subtype;  ///< empty: every instance of the type
    /// `one`: backed up by one-shot queries until something is found, as a unique name is.
    Occupancy occupancy = Occupancy::many;
};

struct ResolveRequest {
    std::string instance;  ///< the one unique name to ask for
    std::string type;
    /// Where it was last seen: asked by unicast at the same time (RFC 6762 section 5.5). The port is ignored.
    std::vector<Endpoint> hints;
};

class Discovery;

/// Keeps one browse, resolve or advertisement alive; its destruction ends it. A resource: movable, not
/// copyable. No callback comes after `stop()` or the destructor, and stopping inside the callback is allowed.
/// May outlive its Discovery, then it does nothing.
class Subscription {
public:
    Subscription() = default;
    explicit Subscription(std::function<void()> stop) : stop_(std::move(stop)) {}
    Subscription(Subscription&& other) noexcept : stop_(std::exchange(other.stop_, nullptr)) {}
    Subscription& operator=(Subscription&& other) noexcept {
        if (this != &other) {
            stop();
            stop_ = std::exchange(other.stop_, nullptr);
        }
        return *this;
    }
    ~Subscription() { stop(); }

    /// Browse and resolve: forgets the question. Advertisement: says goodbye on every interface.
    void stop() {
        if (auto stop = std::exchange(stop_, nullptr)) stop();
    }
    explicit operator bool() const { return static_cast<bool>(stop_); }

private:
    std::function<void()> stop_;
};

enum class AdvertisementId : std::uint32_t { none = 0 };

/// An advertisement that is running: its number, and the subscription that keeps it.
struct Advertisement {
    AdvertisementId id = AdvertisementId::none;
    Subscription subscription;
};

using ServiceHandler = std::function<void(const ServiceEvent&)>;
using AdvertiseHandler = std::function<void(const AdvertiseEvent&)>;

/// What coordinators, members, Browser and Advertiser ask of discovery. Real: MdnsService; in simulations:
/// MdnsFront over an engine in virtual time. Everything is called on, and calls back on, one strand;
/// callbacks never come from inside the call that subscribes.
class Discovery {
public:
    virtual ~Discovery() = default;

    /// Errors: bad_name, bad_input (type, subtype, port 0), too_large, queue_full (more than the limit).
    virtual Result<Advertisement> advertise(Registration registration, AdvertiseHandler handler) = 0;
    /// Replaces the TXT record and announces the change. Unknown ids are ignored.
    virtual void update_txt(AdvertisementId id, TxtRecord txt) = 0;
    /// Starts over with a name that was in conflict (OnConflict::report), by probing.
    virtual void probe_again(AdvertisementId id) = 0;

    /// `found` comes once SRV and an address are known (and TXT, or a second without), `updated` for every
    /// change, `left` when the last interface lost it. Errors: bad_input, queue_full.
    virtual Result<Subscription> browse(BrowseRequest request, ServiceHandler handler) = 0;
    /// Asks for one unique name in a packet of its own, at once. `found` comes with the first address,
    /// `updated` as addresses, interfaces and TXT trickle in, `left` when it is gone; goes on until stopped.
    virtual Result<Subscription> resolve_unique(ResolveRequest request, ServiceHandler handler) = 0;

    /// Tells that this instance did not answer on its own protocol: asked again, and dropped after 10 s of
    /// silence (RFC 6762 section 10.4).
    virtual void reconfirm(std::string_view instance, std::string_view type) = 0;
};

}  // namespace muster::discovery
