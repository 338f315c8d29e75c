#include <algorithm>

#include "base/text.h"
#include "session/coordinator_impl.h"

namespace muster::session {
namespace {

using namespace std::chrono_literals;

// Links that have not become a member's yet: more than devices that are switched on together, and small
// enough that strangers cannot grow us.
constexpr std::size_t kMaxStrangers = 4096;

}  // namespace

link::LinkHandler& CoordinatorEngine::Impl::on_link_up(link::LinkPort& port, TimePoint now) {
    now_ = now;
    auto made = std::make_unique<Door>();
    Door& door = *made;
    door.binding = std::make_unique<LinkBinding>(port, *this, LinkBinding::End::coordinator);
    if (auto& place = doors_[&port]; place != nullptr) {
        graves_.push_back(std::exchange(place, std::move(made)));  // the same port again without link down
        door_deadlines_.set(*graves_.back(), kNever);
    } else {
        place = std::move(made);
    }
    ++strangers_;
    if (life_ != Life::open) {
        door.stage = Door::Stage::leaving;
        door.binding->close(closing_.code, closing_.reason);
    } else if (strangers_ > kMaxStrangers) {
        leave(door, LinkCode::full, "");
    } else {
        door_deadlines_.set(door, now + options_.hello_deadline);
    }
    return *door.binding;
}

void CoordinatorEngine::Impl::on_link_down(link::LinkPort& port, const LinkEnd& how, TimePoint now) {
    now_ = now;
    const auto found = doors_.find(&port);
    if (found == doors_.end()) return;
    std::unique_ptr<Door> door = std::move(found->second);
    doors_.erase(found);
    door_deadlines_.set(*door, kNever);
    std::erase(accepted_, door.get());
    if (door->stage != Door::Stage::inside && door->member == nullptr) --strangers_;
    door->binding->forget_port();
    if (door->stage == Door::Stage::inside && door->member->session.binding() == door->binding.get())
        end_link(door->member->session, how, now);
    lose_newcomer(*door);
    graves_.push_back(std::move(door));
}

Door* CoordinatorEngine::Impl::door_of(const LinkBinding& binding) {
    const auto found = doors_.find(&const_cast<LinkBinding&>(binding).port());
    return found == doors_.end() || found->second->binding.get() != &binding ? nullptr : found->second.get();
}

Door* CoordinatorEngine::Impl::door_with(std::uint64_t ticket) {
    const auto found = std::ranges::find_if(doors_, [ticket](const auto& entry) {
        return entry.second->request.ticket == ticket && entry.second->stage == Door::Stage::asked;
    });
    return ticket == 0 || found == doors_.end() ? nullptr : found->second.get();
}

/// A link that is gone before its member could be welcomed.
void CoordinatorEngine::Impl::lose_newcomer(Door& door) {
    if (door.stage != Door::Stage::saving || door.member == nullptr) return;
    door.member->saving = nullptr;
    door.member->session.fail({Errc::lost, "its link went while it joined"}, LinkCode::done);
}

void CoordinatorEngine::Impl::leave(Door& door, LinkCode code, std::string_view reason) {
    lose_newcomer(door);
    door.stage = Door::Stage::leaving;
    door_deadlines_.set(door, kNever);
    std::erase(accepted_, &door);
    door.binding->close(code, reason);
}

/// Tells a device why it is not let in. It closes the link then.
void CoordinatorEngine::Impl::turn_away(Door& door, Errc why, std::string_view reason) {
    Refused refused;
    refused.why = why;
    refused.reason = cleaned(reason, kMaxReasonSize);
    door.binding->send(refused);
    door.binding->flush();
    door.binding->go_deaf();
    door.stage = Door::Stage::leaving;
    std::erase(accepted_, &door);
    door_deadlines_.set(door, now_ + kLinger);
}

void CoordinatorEngine::Impl::on_binding_ready(LinkBinding& binding) { binding.flush(); }

void CoordinatorEngine::Impl::on_violation(LinkBinding& binding, std::string what) {
    Door* const door = door_of(binding);
    if (door == nullptr || door->stage == Door::Stage::leaving) return;
    if (door->stage == Door::Stage::inside && door->member->session.binding() == &binding)
        return door->member->session.fail({Errc::protocol_violation, "the member sent " + what},
                                          LinkCode::protocol_violation);
    leave(*door, LinkCode::protocol_violation, "the device sent " + what);
}

void CoordinatorEngine::Impl::on_control_frame(LinkBinding& binding, FrameType type, ByteView body) {
    Door* const door = door_of(binding);
    if (door == nullptr || door->stage == Door::Stage::leaving) return;
    std::uint64_t nonce = 0;
    if (type == FrameType::ping && Reader{body}.read(nonce)) {
        if (!binding.is_congested()) binding.send_nonce(FrameType::pong, nonce);
        return binding.flush();
    }
    if (door->stage == Door::Stage::saving) return;  // it is to wait for the welcome
    if (door->stage != Door::Stage::inside) return on_first_frames(*door, type, body);
    if (door->member->session.binding() != &binding) return;
    if (type == FrameType::pong) return on_pong(*door);
    if (const Violation broken = door->member->session.on_control_frame(type, body))
        on_violation(binding, std::string{broken.what()});
}

void CoordinatorEngine::Impl::on_first_frames(Door& door, FrameType type, ByteView body) {
    if (type == FrameType::hello && !door.said_hello) return on_hello(door, body);
    const bool may_ask = door.said_hello && door.stage == Door::Stage::hello;
    if (may_ask && type == FrameType::join) return on_join(door, body);
    if (may_ask && type == FrameType::resume) return on_resume(door, body);
    if ((static_cast<std::uint64_t>(type) & 1) == 0) on_violation(*door.binding, "a frame before its time");
}

void CoordinatorEngine::Impl::on_hello(Door& door, ByteView body) {
    const auto hello = Hello::parse(body);
    if (!hello) return on_violation(*door.binding, "a hello that cannot be read");
    door.said_hello = true;
    if (hello->min_version <= kVersion && kVersion <= hello->max_version) return;
    turn_away(door, Errc::version_mismatch,
              "this coordinator speaks version " + std::to_string(kVersion) + ", the device " +
                  std::to_string(hello->min_version) + " to " + std::to_string(hello->max_version));
}

void CoordinatorEngine::Impl::on_join(Door& door, ByteView body) {
    auto join = Join::parse(body);
    if (!join) return on_violation(*door.binding, "a request to join that cannot be read");
    door.request.ticket = next_ticket_++;
    door.request.id = door.binding->peer();
    door.request.name = std::move(join->name);
    door.request.info = std::move(join->info);
    door.request.context = std::move(join->context);
    door.limits = join->limits;
    door.grace_ms = join->grace_ms;
    consider(door);
}

std::optional<Error> CoordinatorEngine::Impl::objection_to(const JoinRequest& request,
                                                           const ReceiveLimits& limits) const {
    if (life_ != Life::open) return Error{Errc::closed, "the coordinator is closing"};
    if (auto good = check_name(request.name); !good) return good.error();
    if (auto good = check_info(request.info); !good) return good.error();
    if (request.context.size() > kMaxContextSize) return Error{Errc::too_large, "the context is too large"};
    if (!are_sensible(limits)) return Error{Errc::bad_input, "the device's limits cannot work"};
    if (request.id == self_) return Error{Errc::name_in_use, "this is the coordinator's own device id"};
    if (!is_trusted(request.id))
        return Error{Errc::refused, "device " + request.id.short_string() + " is not on the allow list"};
    if (members_.size() >= options_.limits.members && !members_.contains(request.id))
        return Error{Errc::full, "all " + std::to_string(options_.limits.members) + " places are taken"};
    if (next_serial_ > kLastSerial)
        return Error{Errc::full, "this coordinator has numbered all the sessions that it can"};
    if (options_.names == CoordinatorOptions::Names::may_repeat) return std::nullopt;
    const auto same = [&](const PeerInfo& peer) {
        return peer.name == request.name && peer.id != request.id;
    };
    if (std::ranges::any_of(roster_.roster().peers, same))
        return Error{Errc::name_in_use, "another member is called '" + request.name + "'"};
    return std::nullopt;
}

/// A request is complete: refuses it, asks the application, or probes the member that has the same device id.
void CoordinatorEngine::Impl::consider(Door& door) {
    if (const auto objection = objection_to(door.request, door.limits))
        return turn_away(door, objection->code(), objection->message());
    for (const auto& [port, other] : doors_) {
        const bool waits = other->stage == Door::Stage::asked || other->stage == Door::Stage::probing ||
                           other->stage == Door::Stage::accepted;
        if (waits && other.get() != &door && other->request.id == door.request.id)
            turn_away(*other, Errc::name_in_use, "the same device has asked again");
    }
    CoordinatorMember* const twin = find(door.request.id);
    // Its welcome never arrived, or its answer did not: nobody lives there yet.
    if (twin != nullptr && twin->session.outbox().control_acknowledged() == 0)
        twin->session.fail(
            {Errc::lost, "its link went before it heard that it was in, and its device asked again"},
            LinkCode::superseded);
    if (twin != nullptr && twin->session.binding() != nullptr && !twin->session.end()) {
        // The same key twice: a device that lost its session and starts afresh, or a copy of the key. If the
        // old link still answers, it is the latter.
        door.stage = Door::Stage::probing;
        door_deadlines_.set(door, now_ + options_.duplicate_probe);
        twin->session.binding()->send_nonce(FrameType::ping, door.request.ticket);
        return twin->session.binding()->flush();
    }
    if (options_.admission == CoordinatorOptions::Admission::automatic) {
        door.stage = Door::Stage::accepted;
        accepted_.push_back(&door);
        door_deadlines_.set(door, now_);
        return;
    }
    door.stage = Door::Stage::asked;
    door_deadlines_.set(door, now_ + options_.decision_deadline);
    const JoinRequest request = door.request;  // the listener may decide now, and the door change
    listener_.on_join_request(request);
}

void CoordinatorEngine::Impl::on_pong(Door& door) {
    for (const auto& [port, other] : doors_)
        if (other->stage == Door::Stage::probing && other->request.id == door.member->info.id)
            turn_away(*other, Errc::name_in_use, "a device with this id is a member already, and alive");
}

void CoordinatorEngine::Impl::on_door_deadline(Door& door) {
    switch (door.stage) {
        case Door::Stage::hello: return leave(door, LinkCode::timed_out, "no request to join in time");
        case Door::Stage::asked:
            return turn_away(door, Errc::timed_out, "nobody decided about the request in time");
        case Door::Stage::probing:
            if (CoordinatorMember* const twin = find(door.request.id))
                twin->session.fail({Errc::lost, "it fell silent, and its device joined afresh"},
                                   LinkCode::superseded);
            return consider(door);
        case Door::Stage::leaving: return leave(door, LinkCode::done, "");
        case Door::Stage::accepted:
        case Door::Stage::saving:
        case Door::Stage::inside: return;
    }
}

void CoordinatorEngine::Impl::accept(std::uint64_t ticket) {
    Door* const door = door_with(ticket);
    if (door == nullptr) return;
    door->stage = Door::Stage::accepted;
    accepted_.push_back(door);
    door_deadlines_.set(*door, now_);
}

void CoordinatorEngine::Impl::refuse(std::uint64_t ticket, Errc why, std::string_view reason) {
    if (Door* const door = door_with(ticket)) turn_away(*door, why, reason);
}

void CoordinatorEngine::Impl::admit(Door& door) {
    door_deadlines_.set(door, kNever);
    if (const auto objection =
            objection_to(door.request, door.limits))  // much may have happened since it asked
        return turn_away(door, objection->code(), objection->message());
    if (CoordinatorMember* const twin = find(door.request.id)) {
        if (!twin->session.end() && twin->session.binding() != nullptr)
            return turn_away(door, Errc::name_in_use, "the device is a member already");
        twin->session.fail({Errc::lost, "its device joined afresh"}, LinkCode::superseded);
        accepted_.push_back(&door);  // the next round has removed the twin
        return;
    }
    PeerSession::Config config;
    config.limits = options_.limits;
    config.peer = door.limits;
    config.grace = shorter_grace(options_.grace, door.grace_ms);
    PeerInfo info{door.request.id, std::move(door.request.name), std::move(door.request.info)};
    auto made = make_member(std::move(info), next_serial_++, config);
    CoordinatorMember& member = *made;
    random_.fill(std::as_writable_bytes(std::span{member.session_id}));
    random_.fill(std::as_writable_bytes(std::span{member.secret}));
    add_member(std::move(made));
    door.request = {};
    door.member = &member;
    --strangers_;
    if (journal_.is_open()) {
        door.stage = Door::Stage::saving;
        member.saving = &door;
        note_unsaved(member);
    } else {
        let_in(member, door);
    }
    listener_.on_member_joined(member.info);
}

std::unique_ptr<CoordinatorMember> CoordinatorEngine::Impl::make_member(PeerInfo info, std::uint32_t serial,
                                                                        PeerSession::Config config) {
    config.end = LinkBinding::End::coordinator;
    config.patience = options_.patience;
    config.journaled = journal_.is_open();
    return std::make_unique<CoordinatorMember>(*this, std::move(info), serial, config);
}

void CoordinatorEngine::Impl::add_member(std::unique_ptr<CoordinatorMember> made) {
    CoordinatorMember& member = *made;
    member.place = everyone_.size();
    everyone_.push_back(&member);
    by_serial_.emplace(member.serial, &member);
    members_.emplace(member.info.id, std::move(made));
    roster_.add(member.info);
}

void CoordinatorEngine::Impl::let_in(CoordinatorMember& member, Door& door) {
    Welcome welcome;
    welcome.session = member.session_id;
    welcome.secret = member.secret;
    welcome.grace_ms = grace_in_ms(options_.grace);
    welcome.name = options_.name;
    welcome.info = options_.info;
    welcome.limits = receive_limits(options_.limits);
    door.stage = Door::Stage::inside;
    door.binding->port().let_in();
    door.binding->send(welcome);
    wipe_secret(welcome.secret);
    member.session.attach(*door.binding, nullptr);
}

void CoordinatorEngine::Impl::on_resume(Door& door, ByteView body) {
    const auto resume = Resume::parse(body);
    if (!resume) return on_violation(*door.binding, "a resumption that cannot be read");
    CoordinatorMember* const member = find(door.binding->peer());
    const bool known = member != nullptr && !member->session.end() && member->session_id == resume->session;
    if (!known)
        return turn_away(
            door, Errc::lost,
            "this session is not known here any more: the coordinator was started anew, or has given it up");
    const Sha256Digest proof = resume_proof(LinkBinding::End::member, door.binding->port(), member->secret,
                                            resume->session, resume->attempt);
    if (!equal_in_constant_time(std::as_bytes(std::span{proof}), std::as_bytes(std::span{resume->proof})))
        return turn_away(door, Errc::refused, "the proof of this resumption is wrong");
    if (resume->attempt <= member->last_attempt)
        return turn_away(door, Errc::refused, "a newer link has resumed this session");
    member->last_attempt = resume->attempt;
    if (LinkBinding* const old = member->session.binding()) {
        if (Door* const old_door = door_of(*old))
            leave(*old_door, LinkCode::superseded, "the session moved on");
    }
    door_deadlines_.set(door, kNever);
    door.stage = Door::Stage::inside;
    door.member = member;
    --strangers_;
    Resumed resumed;
    resumed.proof = resume_proof(LinkBinding::End::coordinator, door.binding->port(), member->secret,
                                 resume->session, resume->attempt);
    resumed.state = member->session.state();
    door.binding->port().let_in();
    door.binding->send(resumed);
    member->session.attach(*door.binding, &resume->state);
    if (resume->starts_anew) {
        member->knows_roster = false;
        member->addresses_sent = 0;
    }
    if (std::exchange(member->interruption_told, false)) listener_.on_resumed(member->info);
}

}  // namespace muster::session
