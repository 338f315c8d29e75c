#include "discovery/mdns_front.h"

#include <map>
#include <utility>

namespace muster::discovery {

struct MdnsFront::State {
    MdnsEngine* engine = nullptr;  // null once closed
    std::function<TimePoint()> now;
    std::function<void()> wake;
    // Shared with dispatch() alone: a handler may end its own subscription while it runs.
    std::map<WatchId, std::shared_ptr<ServiceHandler>> watches;
    std::map<AdvertisementId, std::shared_ptr<AdvertiseHandler>> advertisements;

    void call(const EngineServiceEvent& event) const {
        const auto place = watches.find(event.watch);
        if (place == watches.end()) return;
        const auto handler = place->second;
        if (*handler) (*handler)(event.event);
    }
    void call(const EngineAdvertiseEvent& event) const {
        const auto place = advertisements.find(event.advertisement);
        if (place == advertisements.end()) return;
        const auto handler = place->second;
        if (*handler) (*handler)(event.event);
    }
};

MdnsFront::MdnsFront(MdnsEngine& engine, std::function<TimePoint()> now, std::function<void()> wake)
    : state_(std::make_shared<State>()) {
    state_->engine = &engine;
    state_->now = std::move(now);
    state_->wake = std::move(wake);
}

MdnsFront::~MdnsFront() { close(); }

Result<Advertisement> MdnsFront::advertise(Registration registration, AdvertiseHandler handler) {
    if (state_->engine == nullptr) return Error{Errc::cancelled, "discovery is closed"};
    const auto id = state_->engine->advertise(std::move(registration), state_->now());
    if (!id) return id.error();
    state_->advertisements[*id] = std::make_shared<AdvertiseHandler>(std::move(handler));
    state_->wake();
    Subscription subscription{[weak = std::weak_ptr<State>{state_}, id = *id] {
        const auto state = weak.lock();
        if (state == nullptr || state->engine == nullptr) return;
        state->advertisements.erase(id);
        state->engine->withdraw(id, state->now());
        state->wake();
    }};
    return Advertisement{*id, std::move(subscription)};
}

void MdnsFront::update_txt(AdvertisementId id, TxtRecord txt) {
    if (state_->engine == nullptr) return;
    state_->engine->update_txt(id, std::move(txt), state_->now());
    state_->wake();
}

void MdnsFront::probe_again(AdvertisementId id) {
    if (state_->engine == nullptr) return;
    state_->engine->probe_again(id, state_->now());
    state_->wake();
}

Result<Subscription> MdnsFront::browse(BrowseRequest request, ServiceHandler handler) {
    if (state_->engine == nullptr) return Error{Errc::cancelled, "discovery is closed"};
    return subscribe(state_->engine->browse(request, state_->now()), std::move(handler));
}

Result<Subscription> MdnsFront::resolve_unique(ResolveRequest request, ServiceHandler handler) {
    if (state_->engine == nullptr) return Error{Errc::cancelled, "discovery is closed"};
    return subscribe(state_->engine->resolve_unique(request, state_->now()), std::move(handler));
}

Result<Subscription> MdnsFront::subscribe(Result<WatchId> watch, ServiceHandler handler) {
    if (!watch) return watch.error();
    state_->watches[*watch] = std::make_shared<ServiceHandler>(std::move(handler));
    state_->wake();
    return Subscription{[weak = std::weak_ptr<State>{state_}, id = *watch] {
        const auto state = weak.lock();
        if (state == nullptr || state->engine == nullptr) return;
        state->watches.erase(id);
        state->engine->stop(id);
        state->wake();
    }};
}

void MdnsFront::reconfirm(std::string_view instance, std::string_view type) {
    if (state_->engine == nullptr) return;
    // A name that cannot exist is not in the cache either: nothing to do, nobody to tell.
    (void)state_->engine->reconfirm(instance, type, state_->now());
    state_->wake();
}

void MdnsFront::dispatch() {
    const auto state = state_;  // a handler may destroy this object
    while (state->engine != nullptr) {
        const auto event = state->engine->poll_event();
        if (!event) return;
        std::visit([&](const auto& each) { state->call(each); }, *event);
    }
}

void MdnsFront::close() {
    state_->engine = nullptr;
    // The handlers may own whatever keeps this object: let go of them last.
    const auto watches = std::exchange(state_->watches, {});
    const auto advertisements = std::exchange(state_->advertisements, {});
}

}  // namespace muster::discovery
