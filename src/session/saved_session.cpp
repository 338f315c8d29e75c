#include "session/saved_session.h"

#include <algorithm>
#include <array>

#include "session/handover.h"

namespace muster::session {

namespace {

constexpr std::uint64_t kFormat = 1;

constexpr std::size_t kMostRecipients = 512;  // check_limits()

std::array<std::size_t*, 8> fields_of(SessionLimits& limits) {
    return {&limits.message, &limits.send_buffer, &limits.receive_queue, &limits.stream_buffer,
            &limits.streams, &limits.channels,    &limits.members,       &limits.recipients};
}

bool read_all(Reader& in, std::initializer_list<std::uint64_t*> numbers) {
    return std::ranges::all_of(
        numbers, [&in](std::uint64_t* number) { return in.read_varint(*number) && *number <= kMostCounted; });
}

bool read_address(const JournalEntry& entry, Address& address) {
    Reader in{entry.value.view()};
    return LaneId{entry.key.lane} == kControlLane ? in.empty()
                                                  : address.read(in, kMostRecipients) && in.empty();
}

}  // namespace

Bytes SessionIdentity::encoded() const {
    Bytes value;
    Writer out{value};
    out.write_varint(kFormat);
    write_peer(out, peer);
    out.write(session).write(secret);
    SessionLimits ours = limits;
    for (const std::size_t* field : fields_of(ours)) out.write_varint(*field);
    peer_limits.write(out);
    out.write_varint(grace_in_ms(grace));
    return value;
}

std::optional<SessionIdentity> SessionIdentity::parse(ByteView value) {
    SessionIdentity told;
    Reader in{value};
    std::uint64_t format = 0, grace = 0;
    if (!in.read_varint(format) || format != kFormat || !read_peer(in, told.peer) || !in.read(told.session) ||
        !in.read(told.secret))
        return std::nullopt;
    for (std::size_t* const field : fields_of(told.limits)) {
        std::uint64_t number = 0;
        if (!in.read_varint(number) || number > kMostCounted) return std::nullopt;
        *field = static_cast<std::size_t>(number);
    }
    if (!told.peer_limits.read(in) || !in.read_varint(grace) || !in.empty()) return std::nullopt;
    if (!check_limits(told.limits) || !are_sensible(told.peer_limits)) return std::nullopt;
    told.grace = shorter_grace(Duration::max(), grace);
    return told;
}

Bytes SessionCounters::encoded() const {
    Bytes value;
    Writer{value}
        .write_varint(inbox.used)
        .write_varint(inbox.consumed)
        .write_varint(inbox.granted)
        .write_varint(saved_cost)
        .write_varint(next_message);
    return value;
}

std::optional<SessionCounters> SessionCounters::parse(ByteView value) {
    SessionCounters told;
    Reader in{value};
    const bool whole = read_all(in, {&told.inbox.used, &told.inbox.consumed, &told.inbox.granted,
                                     &told.saved_cost, &told.next_message});
    if (!whole || !in.empty()) return std::nullopt;
    return told;
}

std::optional<SavedSession> SavedSession::parse(std::span<const JournalEntry> entries) {
    SavedSession told;
    std::optional<SessionIdentity> identity;
    std::optional<SessionCounters> counters;
    const auto lane_of = [&told](const JournalEntry& entry) {
        return std::ranges::find(told.out_lanes, LaneId{entry.key.lane}, &SavedOutLane::id);
    };
    for (const JournalEntry& entry : entries) {
        if (entry.number > kMostCounted || entry.key.offset > kMostCounted) return std::nullopt;
        switch (entry.key.part) {
            case JournalPart::identity: identity = SessionIdentity::parse(entry.value.view()); break;
            case JournalPart::counters: counters = SessionCounters::parse(entry.value.view()); break;
            case JournalPart::out_lane: {
                auto& lane = told.out_lanes.emplace_back();
                lane.id = LaneId{entry.key.lane};
                lane.end = entry.number;
                if (!read_address(entry, lane.last)) return std::nullopt;
                break;
            }
            case JournalPart::octets: {
                const auto lane = lane_of(entry);
                if (lane == told.out_lanes.end()) return std::nullopt;
                lane->pieces.push_back(
                    {entry.key.offset, static_cast<std::size_t>(entry.number), entry.value});
                break;
            }
            case JournalPart::in_lane: {
                auto& lane = told.in_lanes.emplace_back();
                lane.id = LaneId{entry.key.lane};
                lane.received = entry.number;
                if (!read_address(entry, lane.last)) return std::nullopt;
                break;
            }
            case JournalPart::message: told.messages.push_back(entry); break;
            case JournalPart::streams: told.streams = entry.value; break;
            case JournalPart::roster: told.roster_sent = entry.number; break;
            case JournalPart::owner: return std::nullopt;
        }
    }
    if (!identity || !counters) return std::nullopt;
    told.identity = std::move(*identity);
    told.counters = *counters;
    return told;
}

}  // namespace muster::session
