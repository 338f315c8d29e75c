#include <algorithm>

#include "session/coordinator_impl.h"

namespace muster::session {
namespace {

constexpr std::size_t kPruneRelaysAbove = 64;

/// For those who had a stream to a member that has left.
std::string told_of(const Departure& how) {
    if (how.is_lost()) return "the peer is lost: " + how.cause().message();
    const Closed& closed = how.closed();
    std::string told = closed.by == Closed::By::peer ? "the peer closed its session"
                                                     : "the coordinator closed the peer's session";
    if (closed.code != 0) told += " with code " + std::to_string(closed.code);
    return closed.reason.empty() ? told : told + ": " + closed.reason;
}

// One member may take this part of the streams towards another: nobody can keep all others from it.
constexpr std::size_t kShares = 4;

}  // namespace

CoordinatorMember* CoordinatorEngine::Impl::owner_of(StreamHandle stream) const {
    if (relays_.contains(stream)) return nullptr;  // not the application's
    const auto found = by_serial_.find(static_cast<std::uint32_t>(static_cast<std::uint64_t>(stream) >> 32));
    return found == by_serial_.end() ? nullptr : found->second;
}

Result<StreamHandle> CoordinatorEngine::Impl::open_stream(const DeviceId& to, ByteView header) {
    if (life_ != Life::open) return Error{Errc::not_connected, "the coordinator is closing"};
    CoordinatorMember* const member = find(to);
    if (member == nullptr) return Error{Errc::unknown_peer, "no member has the id " + to.to_string()};
    const auto opened = member->session.open_stream(Address{}, header);
    if (!opened) return opened.error();
    return handle_of(*member, *opened);
}

void CoordinatorEngine::Impl::on_stream_opened(CoordinatorMember& from, StreamNumber stream,
                                               const Address& address, ByteView header) {
    if (address.kind == Address::Kind::direct || address.ids.front() == self_)
        return listener_.on_stream_opened(handle_of(from, stream), from.info.id, header);
    const auto refuse = [&](ResetCode code, std::string_view why) {
        from.session.reset(stream, static_cast<std::uint64_t>(code), why);
    };
    CoordinatorMember* const to = address.ids.front() == from.info.id ? nullptr : find(address.ids.front());
    if (to == nullptr) return refuse(ResetCode::unknown_peer, "no other member has this id");
    if (relayed(from, *to) >= std::max<std::size_t>(1, options_.limits.streams / kShares))
        return refuse(ResetCode::too_many, "as many streams to this recipient as one member may have");
    // Each that is opened and reset leaves a word for it, also while it is interrupted.
    if (to->session.outbox().control_queued() > kNoticesWaiting)
        return refuse(ResetCode::too_many, "the recipient has not heard yet of those that were there before");

    Address origin;
    origin.kind = Address::Kind::listed;
    origin.ids.push_back(from.info.id);
    const auto opened = to->session.open_stream(origin, header);
    if (!opened && opened.error().code() == Errc::queue_full)
        return refuse(ResetCode::too_many, "the recipient has as many streams as it allows");
    if (!opened) return refuse(ResetCode::peer_closed, "the recipient is leaving");
    if (relays_.size() >= kPruneRelaysAbove) prune_relays();
    const StreamHandle near = handle_of(from, stream), far = handle_of(*to, *opened);
    relays_[near].other = far;
    relays_[far].other = near;
}

/// Streams that `from` has open to `to`.
std::size_t CoordinatorEngine::Impl::relayed(const CoordinatorMember& from,
                                             const CoordinatorMember& to) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(to.session.streams().numbers(), [&](StreamNumber number) {
            const auto relay = relays_.find(handle_of(to, number));
            const bool ours = (static_cast<std::uint32_t>(number) & 1) != 0;
            return ours && relay != relays_.end() &&
                   static_cast<std::uint64_t>(relay->second.other) >> 32 == from.serial;
        }));
}

void CoordinatorEngine::Impl::on_stream_data(CoordinatorMember& from, StreamNumber stream, ByteView data,
                                             bool fin) {
    const StreamHandle handle = handle_of(from, stream);
    const auto relay = relays_.find(handle);
    if (relay == relays_.end()) return listener_.on_stream_data(handle, data, fin);
    const StreamHandle other = relay->second.other;
    const auto to = by_serial_.find(static_cast<std::uint32_t>(static_cast<std::uint64_t>(other) >> 32));
    if (to == by_serial_.end()) return from.session.consume(stream, data.size());
    PeerSession& session = to->second->session;
    if (!data.empty()) session.pass_on(number_of(other), Slice::copy_of(data));
    if (fin) session.finish(number_of(other));
    // Back-pressure: the sender gets credit only while less than half of the buffer towards
    // the recipient is used.
    if (session.streams().writable(number_of(other)) > options_.limits.stream_buffer / 2)
        return from.session.consume(stream, data.size());
    relay->second.held += data.size();
    session.want_writable(number_of(other));
}

void CoordinatorEngine::Impl::on_stream_writable(CoordinatorMember& from, StreamNumber stream) {
    const StreamHandle handle = handle_of(from, stream);
    const auto relay = relays_.find(handle);
    if (relay == relays_.end()) return listener_.on_stream_writable(handle);
    const auto source = relays_.find(relay->second.other);
    if (source == relays_.end()) return;
    const auto owner =
        by_serial_.find(static_cast<std::uint32_t>(static_cast<std::uint64_t>(source->first) >> 32));
    if (owner == by_serial_.end()) return;
    owner->second->session.consume(number_of(source->first), std::exchange(source->second.held, 0));
}

void CoordinatorEngine::Impl::on_stream_delivered(CoordinatorMember& from, StreamNumber stream) {
    const StreamHandle handle = handle_of(from, stream);
    if (!relays_.contains(handle)) listener_.on_stream_delivered(handle);
}

void CoordinatorEngine::Impl::on_stream_reset(CoordinatorMember& from, StreamNumber stream,
                                              std::uint64_t code, std::string_view reason) {
    // Only a coordinator can know that; whoever hears it waits for another stream.
    if (code == static_cast<std::uint64_t>(ResetCode::relay_restarted))
        code = static_cast<std::uint64_t>(ResetCode::restarted);
    const StreamHandle handle = handle_of(from, stream);
    const auto relay = relays_.find(handle);
    if (relay == relays_.end()) return listener_.on_stream_reset(handle, code, reason);
    const StreamHandle other = relay->second.other;
    relays_.erase(relay);
    relays_.erase(other);
    const auto to = by_serial_.find(static_cast<std::uint32_t>(static_cast<std::uint64_t>(other) >> 32));
    if (to != by_serial_.end()) to->second->session.reset(number_of(other), code, reason);
}

/// A member has gone: so have its streams, for us and for those at their other ends.
void CoordinatorEngine::Impl::end_streams(CoordinatorMember& member, const Departure& how) {
    const auto code =
        static_cast<std::uint64_t>(how.is_lost() ? ResetCode::peer_gone : ResetCode::peer_closed);
    const std::string why = told_of(how);
    for (const StreamNumber stream : member.session.streams().numbers()) {
        const StreamHandle handle = handle_of(member, stream);
        if (relays_.contains(handle))
            on_stream_reset(member, stream, code, why);
        else
            listener_.on_stream_ended(handle, how);
    }
    std::erase_if(relays_, [&](const auto& entry) {
        return static_cast<std::uint64_t>(entry.first) >> 32 == member.serial ||
               static_cast<std::uint64_t>(entry.second.other) >> 32 == member.serial;
    });
}

/// Forgets relays both of whose halves have ended in both directions.
void CoordinatorEngine::Impl::prune_relays() {
    const auto is_there = [this](StreamHandle handle) {
        const auto owner =
            by_serial_.find(static_cast<std::uint32_t>(static_cast<std::uint64_t>(handle) >> 32));
        return owner != by_serial_.end() && owner->second->session.streams().contains(number_of(handle));
    };
    std::erase_if(relays_,
                  [&](const auto& entry) { return !is_there(entry.first) && !is_there(entry.second.other); });
}

}  // namespace muster::session
