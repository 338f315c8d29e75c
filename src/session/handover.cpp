#include "session/handover.h"

#include <algorithm>

#include "base/text.h"

namespace muster::session {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kProofKeySize = 32;

// One message more than the longest always fits: pieces are sealed at 64 KiB, see out_lane.cpp.
constexpr std::size_t kCreditAboveMessage = 128 * 1024;

// A link allows that many streams in each direction (quic::Config), and every lane in use takes one: the
// control stream, the control lane, the pool, each channel, and both directions of each stream. If they did
// not all fit, a channel might wait for a stream to end.
constexpr std::size_t kLinkStreams = 256;
constexpr std::size_t kLanesBesides = 2 + kUnorderedLanes;

// More than anybody waits for a link; a hundredth of what would overflow a time.
constexpr std::chrono::milliseconds kMostGrace = 366 * 24h;

// A stream's header block has to fit into its first credit.
constexpr std::size_t kLeastStreamCredit = 8 * 1024;

}  // namespace

Error cause_of(const LinkClosed& closed) {
    const std::string said = closed.reason.empty() ? "" : ": " + cleaned(closed.reason, kMaxReasonSize);
    if (closed.code < static_cast<std::uint64_t>(LinkCode::done))
        return {Errc::closed, "the peer closed the link with code " + std::to_string(closed.code) + said};
    switch (static_cast<LinkCode>(closed.code)) {
        case LinkCode::done: return {Errc::lost, "the peer had ended the session already" + said};
        case LinkCode::protocol_violation:
            return {Errc::protocol_violation, "the peer could not make sense of what this end sent" + said};
        case LinkCode::too_slow: return {Errc::too_slow, "the peer dropped this end for not reading" + said};
        case LinkCode::timed_out: return {Errc::timed_out, "the peer waited for this end in vain" + said};
        case LinkCode::superseded: return {Errc::lost, "another link of this device took over" + said};
        case LinkCode::full: return {Errc::full, "too many devices ask the peer at the same time" + said};
        case LinkCode::aborted: return {Errc::lost, "the peer gave up without a goodbye" + said};
    }
    return {Errc::lost,
            "the peer closed the link with the unknown code " + std::to_string(closed.code) + said};
}

Sha256Digest resume_proof(LinkBinding::End prover, const link::LinkPort& port, const Secret& secret,
                          const SessionId& session, std::uint64_t attempt) {
    const Bytes binding = port.export_key("EXPORTER-muster-resume", kProofKeySize);
    Bytes text;
    Writer{text}
        .write(static_cast<std::uint8_t>(prover == LinkBinding::End::member ? 'm' : 'c'))
        .write(session)
        .write(attempt)
        .write(binding);
    return hmac_sha256(std::as_bytes(std::span{secret}), text);
}

void end_link(PeerSession& session, const LinkEnd& how, TimePoint now) {
    if (const auto* cause = std::get_if<Error>(&how)) return session.on_link_lost(*cause, now);
    const auto& closed = std::get<LinkClosed>(how);
    if (closed.code < static_cast<std::uint64_t>(LinkCode::done))
        return session.on_link_closed(static_cast<CloseCode>(closed.code), closed.reason);
    // A link that the other end gave up for a fresh one: that one may still be on its way.
    if (closed.code == static_cast<std::uint64_t>(LinkCode::superseded))
        return session.on_link_lost(cause_of(closed), now);
    if (session.is_closing()) {  // after our goodbye, "done" is as good as its answer
        const bool heard =
            closed.code == static_cast<std::uint64_t>(LinkCode::done) && session.has_said_goodbye();
        return session.end_closing(heard ? std::nullopt : std::optional{cause_of(closed)});
    }
    session.detach();
    session.fail(cause_of(closed), LinkCode::done);
}

ReceiveLimits receive_limits(const SessionLimits& limits) {
    ReceiveLimits out;
    out.message = limits.message;
    out.message_credit = limits.receive_queue;
    out.stream_credit = first_stream_credit(limits);
    out.streams = limits.streams;
    out.channels = limits.channels;
    return out;
}

bool are_sensible(const ReceiveLimits& limits) {
    return limits.message <= kVarintMax / 4 &&
           limits.message_credit >= kCreditAboveMessage + limits.message &&
           limits.stream_credit >= kLeastStreamCredit && limits.message_credit <= kVarintMax / 2;
}

Result<void> check_limits(const SessionLimits& limits) {
    if (limits.receive_queue < limits.message + kCreditAboveMessage)
        return Error{Errc::bad_input, "limits: receive_queue must be at least 128 KiB more than message"};
    if (limits.stream_buffer < kLeastStreamCredit)
        return Error{Errc::bad_input, "limits: stream_buffer must be at least 8 KiB"};
    if (kLanesBesides + limits.channels + 2 * limits.streams > kLinkStreams)
        return Error{Errc::bad_input, "limits: channels and twice the streams must be at most " +
                                          std::to_string(kLinkStreams - kLanesBesides) + " together"};
    if (limits.message == 0 || limits.message > (std::size_t{1} << 30) || limits.channels == 0 ||
        limits.recipients == 0 || limits.recipients > 512)
        return Error{Errc::bad_input, "limits: message, channels, streams or recipients out of range"};
    return {};
}

std::uint64_t grace_in_ms(Duration grace) {
    const auto most = std::chrono::duration_cast<Duration>(kMostGrace);
    return static_cast<std::uint64_t>(std::clamp(grace, Duration{}, most) / 1ms);
}

Duration shorter_grace(Duration ours, std::uint64_t theirs_ms) {
    const auto most = static_cast<std::uint64_t>(kMostGrace.count());
    const Duration theirs = std::chrono::milliseconds{std::min(theirs_ms, most)};
    return std::clamp(ours, Duration{}, theirs);
}

void wipe_secret(Secret& secret) { wipe(std::as_writable_bytes(std::span{secret})); }

}  // namespace muster::session
