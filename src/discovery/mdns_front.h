#pragma once

#include <functional>
#include <memory>

#include "discovery/discovery.h"
#include "discovery/mdns_engine.h"

namespace muster::discovery {

/// Discovery over an engine: handlers instead of polled events, subscriptions instead of numbers.
/// Drives no time and no sockets: whoever owns the engine calls dispatch() after each of its inputs.
/// Same strand as the engine.
class MdnsFront final : public Discovery {
public:
    /// `engine` must outlive the front. `now` is the time of the calls that come in through
    /// Discovery; `wake` is called when the engine has something to do: call on_timer and dispatch
    /// soon, but not from inside it.
    MdnsFront(MdnsEngine& engine, std::function<TimePoint()> now, std::function<void()> wake);
    ~MdnsFront() override;
    MdnsFront(const MdnsFront&) = delete;
    MdnsFront& operator=(const MdnsFront&) = delete;

    Result<Advertisement> advertise(Registration registration, AdvertiseHandler handler) override;
    void update_txt(AdvertisementId id, TxtRecord txt) override;
    void probe_again(AdvertisementId id) override;
    Result<Subscription> browse(BrowseRequest request, ServiceHandler handler) override;
    Result<Subscription> resolve_unique(ResolveRequest request, ServiceHandler handler) override;
    void reconfirm(std::string_view instance, std::string_view type) override;

    /// Calls the handlers of all events that the engine has. A handler may do anything, also close() this.
    void dispatch();
    /// No handler is called any more; subscriptions become harmless.
    void close();

private:
    struct State;
    Result<Subscription> subscribe(Result<WatchId> watch, ServiceHandler handler);

    std::shared_ptr<State>
        state_;  // owners: this object, and dispatch() while it runs; subscriptions hold it weakly
};

}  // namespace muster::discovery
