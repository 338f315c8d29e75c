#pragma once

#include <span>
#include <string_view>

#include "link/link_port.h"
#include "session/events.h"
#include "session/frame.h"
#include "session/peer_session.h"

namespace muster::session {

/// Proves, to the other end of one link, that this end holds the secret of the session: a MAC bound to the
/// link's own keying material, so that it is worth nothing on any other link.
Sha256Digest resume_proof(LinkBinding::End prover, const link::LinkPort& port, const Secret& secret,
                          const SessionId& session, std::uint64_t attempt);

/// Tells a session that the link under it has ended, and how.
void end_link(PeerSession& session, const LinkEnd& how, TimePoint now);

/// What it means that the peer closed a link on which there was no session yet.
Error cause_of(const LinkClosed& closed);

/// Our own limits as the peer has to know them.
ReceiveLimits receive_limits(const SessionLimits& limits);
/// True if a peer with these limits can be served.
bool are_sensible(const ReceiveLimits& limits);
/// Error bad_input: limits that cannot work.
Result<void> check_limits(const SessionLimits& limits);
/// A grace as it is told to the other end.
std::uint64_t grace_in_ms(Duration grace);
/// The shorter of both ends' graces is that of the session.
Duration shorter_grace(Duration ours, std::uint64_t theirs_ms);
/// Wipes a secret.
void wipe_secret(Secret& secret);

}  // namespace muster::session
