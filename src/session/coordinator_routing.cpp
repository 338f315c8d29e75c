#include <algorithm>
#include <utility>

#include "base/log.h"
#include "session/coordinator_impl.h"

namespace muster::session {
namespace {

// What one member may have waiting in the queues of others, per recipient of its messages, before it
// gets no more credit: its own queue fills then, and its application hears queue_full, instead of
// messages being refused.
constexpr std::size_t kPassedPerRecipient = 1 << 20;

// Over so many octets of messages the number of their recipients is averaged.
constexpr std::size_t kFanOutMemory = 64 * 1024;

// One member may make this part of the channels towards another: nobody can keep all others from it.
constexpr std::size_t kChannelShares = 4;

// Adjacent messages of one sender are accounted for together up to this size.
constexpr std::size_t kPassedPiece = 16 * 1024;

// Notices waiting for a member that sends on without hearing them: more than its credit allows an honest one.
constexpr std::size_t kMaxNoticesWaiting = 16 << 20;

// Notices to our own application between two flushes; beyond it a send is refused as a whole.
constexpr std::size_t kMaxUndelivered = 4096;

// Payloads from this size are copied once and shared by all recipients.
constexpr std::size_t kWorthSharing = 4096 - 16;

}  // namespace

CoordinatorMember* CoordinatorEngine::Impl::find(const DeviceId& id) const {
    const auto found = members_.find(id);
    return found == members_.end() ? nullptr : found->second.get();
}

/// Its queue has been full for longer than others should have to wait for it.
bool CoordinatorEngine::Impl::is_slow(const CoordinatorMember& member) const {
    const TimePoint since = member.session.full_since();
    return since != kNever && now_ - since >= options_.stall_limit && member.session.outbox().is_owed();
}

/// It has messages waiting and takes none.
bool CoordinatorEngine::Impl::is_stalled(const CoordinatorMember& member) const {
    return member.session.outbox().queued() > 0 &&
           now_ - member.session.progress_at() >= options_.stall_limit && member.session.outbox().is_owed();
}

// What the coordinator itself sends

Result<void> CoordinatorEngine::Impl::send(const Recipients& to, const SendOptions& options,
                                           ByteView payload) {
    if (life_ != Life::open) return Error{Errc::not_connected, "the coordinator is closing"};
    if (options.cookie > kVarintMax) return Error{Errc::bad_input, "a cookie is at most 2^62 - 1"};
    if (payload.size() > options_.limits.message)
        return Error{Errc::too_large, "a message has at most " + std::to_string(options_.limits.message) +
                                          " octets, this one has " + std::to_string(payload.size())};
    if (to.kind() == Recipients::Kind::coordinator)
        return Error{Errc::bad_input, "the coordinator does not send to itself"};
    if (to.kind() == Recipients::Kind::everyone) return send_to_all(everyone_, options, payload);
    if (to.ids().empty() || to.ids().size() > options_.limits.recipients)
        return Error{Errc::bad_input, "a message goes to 1 to " + std::to_string(options_.limits.recipients) +
                                          " listed recipients; for more, address everyone"};
    chosen_.clear();
    for (const DeviceId& id : to.ids()) {
        CoordinatorMember* const member = find(id);
        if (member == nullptr) return Error{Errc::unknown_peer, "no member has the id " + id.to_string()};
        if (std::ranges::find(chosen_, member) == chosen_.end()) chosen_.push_back(member);
    }
    if (chosen_.size() > 1) return send_to_all(chosen_, options, payload);
    Address origin;
    origin.channel = options.channel;
    return chosen_.front()->session.send(origin, options, payload, nullptr);
}

Result<void> CoordinatorEngine::Impl::send_to_all(const std::vector<CoordinatorMember*>& to,
                                                  const SendOptions& options, ByteView payload) {
    const bool reliable = options.delivery != Delivery::unreliable;
    bool waits = reliable && undelivered_.size() >= kMaxUndelivered;
    for (CoordinatorMember* const member : to) {
        if (!reliable || !member->session.is_full_for(payload.size()) || !member->session.is_accepting())
            continue;
        if (is_slow(*member)) continue;
        member->session.note_refusal();
        waits = true;
    }
    if (waits) return Error{Errc::queue_full, "a recipient's queue is full"};
    Address origin;
    origin.channel = options.channel;
    SendOptions plain = options;
    plain.cookie = 0;  // nobody behind the recipient would report it back
    const Slice shared = payload.size() >= kWorthSharing && reliable ? Slice::copy_of(payload) : Slice{};
    const Slice* const once = shared.empty() ? nullptr : &shared;
    for (CoordinatorMember* const member : to) {
        if (!member->session.is_accepting()) continue;
        const auto sent = member->session.send(origin, plain, once ? shared.view() : payload, once);
        if (sent || !reliable) continue;
        Undelivered missed;
        missed.to = member->info.id;
        missed.channel = options.channel;
        missed.cookie = options.cookie;
        missed.why = sent.error().code();
        undelivered_.push_back(missed);
        again_ = true;
    }
    return {};
}

void CoordinatorEngine::Impl::consume_messages(const DeviceId& from, std::size_t octets,
                                               std::size_t messages) {
    CoordinatorMember* const member = find(from);
    if (member == nullptr) return;
    member->session.consume_messages(octets, messages);
    if (!journal_.is_open()) return;
    member->session.kept().on_consumed(messages);
    note_unsaved(*member);
}

// What members send

void CoordinatorEngine::Impl::on_message(CoordinatorMember& from, const Address& address,
                                         const SendOptions& how, ByteView payload) {
    const bool reliable = how.delivery != Delivery::unreliable;
    bool ours = address.kind != Address::Kind::listed;
    if (address.kind == Address::Kind::direct) return keep_or_tell(from, how, payload);
    const Slice shared = payload.size() >= kWorthSharing && reliable ? Slice::copy_of(payload) : Slice{};
    const Slice* const once = shared.empty() ? nullptr : &shared;
    std::size_t recipients = 0;
    const auto pass = [&](CoordinatorMember* to, const DeviceId& id) {
        const Errc why = to == nullptr ? Errc::unknown_peer : pass_on(from, *to, how, payload, once);
        if (why == Errc{}) ++recipients;
        if (why != Errc{} && reliable) notify_undelivered(from, id, how, why);
    };
    const bool passes = reliable || may_copy(from, address, payload.size());
    if (address.kind == Address::Kind::everyone) {
        for (CoordinatorMember* const member : everyone_)
            if (passes && member != &from && member->session.is_accepting()) pass(member, member->info.id);
    } else {
        for (std::size_t i = 0; i < address.ids.size(); ++i) {
            const DeviceId& id = address.ids[i];
            const auto rest = std::span{address.ids}.first(i);
            if (std::ranges::find(rest, id) != rest.end()) continue;
            if (id == self_) ours = true;
            if (passes && id != self_) pass(id == from.info.id ? nullptr : find(id), id);
        }
    }
    if (reliable) note_fan_out(from, recipients, payload.size() + kMessageOverhead);

    const std::size_t units = message_units(address.ids.size());
    if (reliable && !ours) return return_credit(from, payload.size(), units);
    if (reliable && units > 1) return_credit(from, 0, units - 1);  // the application gives back the last one
    if (ours) keep_or_tell(from, how, payload);
}

/// What returned credit stands for. One small message to many does not excuse what waits for one.
void CoordinatorEngine::Impl::note_fan_out(CoordinatorMember& from, std::size_t recipients,
                                           std::size_t cost) {
    const auto count = static_cast<double>(recipients);
    const double weight = static_cast<double>(std::min(cost, kFanOutMemory)) / kFanOutMemory;
    from.fan_out = from.fan_out == 0 ? count : from.fan_out + (count - from.fan_out) * weight;
}

/// False for an unreliable message to several when its sender has had enough of them copied for now.
bool CoordinatorEngine::Impl::may_copy(CoordinatorMember& from, const Address& address, std::size_t payload) {
    const bool everyone = address.kind == Address::Kind::everyone;
    const std::size_t recipients = everyone ? everyone_.size() - 1 : address.ids.size();
    if (recipients <= 1 ||
        from.copies.take(now_, static_cast<double>(recipients * (payload + kMessageOverhead))))
        return true;
    if (!std::exchange(from.was_rationed, true))
        log_line(LogLevel::warning,
                 "'" + from.info.name +
                     "' sends unreliable messages to many faster than 64 MiB/s of copies: what is "
                     "more is dropped, here and from now on");
    return false;
}

/// Channels towards a member are there for as long as it is. Main is for everybody.
bool CoordinatorEngine::Impl::may_make_channel(const CoordinatorMember& from, const CoordinatorMember& to,
                                               ChannelId channel) {
    if (channel == ChannelId::main) return true;
    const Outbox& outbox = to.session.outbox();
    const std::size_t for_main = outbox.has_channel(ChannelId::main) ? 0 : 1;
    const auto made = std::ranges::count(to.channel_openers, from.serial);
    return outbox.channels_left() > for_main &&
           std::cmp_less(made, std::max<std::size_t>(1, outbox.channels() / kChannelShares));
}

/// Queues a message of one member for another. Errc{}: done.
Errc CoordinatorEngine::Impl::pass_on(CoordinatorMember& from, CoordinatorMember& to, const SendOptions& how,
                                      ByteView payload, const Slice* shared) {
    if (!to.session.is_accepting()) return Errc::unknown_peer;
    const bool makes_channel =
        how.delivery == Delivery::ordered && !to.session.outbox().has_channel(how.channel);
    if (makes_channel && !may_make_channel(from, to, how.channel)) return Errc::bad_input;
    origin_.channel = how.channel;
    origin_.kind = Address::Kind::listed;
    origin_.ids.assign(1, from.info.id);
    SendOptions plain = how;
    plain.cookie = 0;
    const auto sent = to.session.send(origin_, plain, payload, shared);
    if (!sent) return sent.error().code();
    if (makes_channel) to.channel_openers.push_back(from.serial);
    if (how.delivery == Delivery::unreliable || is_stalled(to)) return Errc{};
    const std::size_t cost = payload.size() + kMessageOverhead;
    const std::uint64_t mark = to.session.outbox().accepted();
    from.passed_outstanding += cost;
    if (!to.passed.empty() && to.passed.back().from == from.serial && to.passed.back().cost < kPassedPiece) {
        to.passed.back().mark = mark;
        to.passed.back().cost += cost;
    } else {
        to.passed.push_back({mark, from.serial, cost});
    }
    return Errc{};
}

void CoordinatorEngine::Impl::notify_undelivered(CoordinatorMember& sender, const DeviceId& to,
                                                 const SendOptions& how, Errc why) {
    UndeliveredNotice notice;
    notice.what.to = to;
    notice.what.channel = how.channel;
    notice.what.cookie = how.cookie;
    notice.what.why = why == Errc::not_connected ? Errc::unknown_peer : why;
    sender.session.send_frame(encode(notice));
    if (sender.session.outbox().control_queued() > kMaxNoticesWaiting)
        sender.session.fail({Errc::too_slow, "it sends what cannot be delivered, and does not hear of it"},
                            LinkCode::too_slow);
}

/// Gives a member credit for a message that was passed on, now or when the queues it went
/// to have got shorter.
void CoordinatorEngine::Impl::return_credit(CoordinatorMember& member, std::size_t octets,
                                            std::size_t messages) {
    member.held_octets += octets;
    member.held_messages += messages;
    if (member.held_messages == 0) return;
    const double allowed = static_cast<double>(kPassedPerRecipient) * std::max(1.0, member.fan_out);
    const bool too_much = static_cast<double>(member.passed_outstanding) > allowed;
    if (too_much || member.session.outbox().control_queued() > kNoticesWaiting) return;
    member.session.consume_messages(std::exchange(member.held_octets, 0),
                                    std::exchange(member.held_messages, 0));
    if (journal_.is_open())
        note_unsaved(member);  // nothing else may happen to it until it hears of its credit
}

/// Settles with the senders what `member` has taken of what they sent it, or all.
void CoordinatorEngine::Impl::settle_passed(CoordinatorMember& member, bool all) {
    const std::uint64_t taken = member.session.outbox().acknowledged();
    while (!member.passed.empty() && (all || member.passed.front().mark <= taken)) {
        const auto piece = member.passed.front();
        member.passed.pop_front();
        const auto sender = by_serial_.find(piece.from);
        if (sender == by_serial_.end()) continue;
        sender->second->passed_outstanding -= piece.cost;
        if (sender->second->held_messages > 0) return_credit(*sender->second, 0, 0);
    }
    if (member.passed.empty()) std::deque<CoordinatorMember::Passed>{}.swap(member.passed);
}

}  // namespace muster::session
