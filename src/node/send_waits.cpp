#include "node/send_waits.h"

#include <algorithm>

namespace muster::node {
namespace {

bool overlap(const Recipients& a, const Recipients& b) {
    using Kind = Recipients::Kind;
    if (a.kind() == Kind::everyone || b.kind() == Kind::everyone) return true;
    if (a.kind() != Kind::listed || b.kind() != Kind::listed)
        return true;  // the coordinator may be listed by its id
    return std::ranges::any_of(
        a.ids(), [&b](const DeviceId& id) { return std::ranges::find(b.ids(), id) != b.ids().end(); });
}

bool is_full(const Result<void>& outcome) { return !outcome && outcome.error().code() == Errc::queue_full; }

}  // namespace

bool SendWaits::must_wait(const Recipients& to) const {
    return std::ranges::any_of(waits_, [&to](const Wait& wait) { return overlap(wait.to, to); });
}

void SendWaits::send(Recipients to, Bytes payload, SendOptions options, WaitId id,
                     Session::DoneHandler handler) {
    if (!must_wait(to)) {
        auto outcome = attempt_(to, options, payload);
        if (outcome) return taken_(options, id, std::move(handler));
        if (!is_full(outcome)) return complete(executor_, std::move(handler), std::move(outcome));
    }
    if (waits_.size() >= kMaxWaits)
        return fail(executor_, std::move(handler), Errc::queue_full, "1024 sends wait already");
    if (!waits_.empty() && octets_ + payload.size() > kMaxOctets)
        return fail(executor_, std::move(handler), Errc::queue_full, "64 MiB of sends wait already");
    octets_ += payload.size();
    waits_.push_back({id, std::move(to), std::move(payload), options, std::move(handler)});
}

void SendWaits::retry() {
    std::list<Wait> still;
    while (!waits_.empty()) {
        Wait& first = waits_.front();
        const bool behind =
            std::ranges::any_of(still, [&](const Wait& wait) { return overlap(wait.to, first.to); });
        auto outcome = behind ? Result<void>{Error{Errc::queue_full, ""}}
                              : attempt_(first.to, first.options, first.payload);
        if (is_full(outcome)) {
            still.splice(still.end(), waits_, waits_.begin());
            continue;
        }
        octets_ -= first.payload.size();
        if (outcome)
            taken_(first.options, first.id, std::move(first.handler));
        else
            complete(executor_, std::move(first.handler), std::move(outcome));
        waits_.pop_front();
    }
    waits_ = std::move(still);
}

void SendWaits::fail_all(const Error& why) {
    octets_ = 0;
    for (Wait& wait : std::exchange(waits_, {}))
        complete(executor_, std::move(wait.handler), Result<void>{why});
}

void SendWaits::cancel(WaitId id) {
    const auto found = std::ranges::find(waits_, id, &Wait::id);
    if (found == waits_.end()) return;
    fail(executor_, std::move(found->handler), Errc::cancelled, "the send was cancelled while it waited");
    octets_ -= found->payload.size();
    waits_.erase(found);
    retry();  // others may have waited only behind it
}

}  // namespace muster::node
