#pragma once

#include <deque>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "quic/arrivals.h"
#include "quic/block_pool.h"
#include "quic/cid_table.h"
#include "quic/endpoint.h"
#include "quic/frame_guard.h"
#include "quic/timer_heap.h"
#include "quic/tls.h"

namespace muster::quic {

/// What is left of a connection that has ended: late packets of its peer must neither count as unknown (they
/// would earn a stateless reset) nor go unanswered if our CONNECTION_CLOSE was lost.
struct Tombstone {
    std::vector<Cid> cids;
    Bytes close_packet;  // empty: the peer closed, or silently; say nothing
    TimePoint until{};
    unsigned heard = 0;
};

using AutoUnlink = boost::intrusive::link_mode<boost::intrusive::auto_unlink>;
struct DirtyTag {};
using DirtyHook = boost::intrusive::list_base_hook<AutoUnlink, boost::intrusive::tag<DirtyTag>>;
using DirtyList = boost::intrusive::list<DirtyHook, boost::intrusive::base_hook<DirtyHook>,
                                         boost::intrusive::constant_time_size<false>>;

/// What all connections of one endpoint share. Outlives them.
struct Shared {
    Shared(Config configuration, Randomness& randomness, bool accepts);

    Config config;
    Randomness& random;
    TlsContext tls;
    BlockPool memory;
    Bytes reset_secret;
    Bytes retry_secret;
    CidTable cids;
    CidTable peer_reset_tokens;  // by which a peer tells that it has forgotten a connection
    TimerHeap<ConnectionImpl> timers;
    DirtyList dirty;  // connections that may have something to write
    std::deque<std::unique_ptr<Tombstone>> tombstones;
    Arrivals arrivals;
    std::size_t connection_count = 0;
    FrameGuard guard;  // of the packet that is being read

    /// Ends the ids of a connection at once or, with `keep`, after a time in which they are still known.
    void bury(std::vector<Cid> ids, bool keep, Bytes close_packet, TimePoint now);
    void exhume_first();
    /// RFC 9000 section 10.3: the token by which the peer recognises our loss of state.
    void reset_token(const Cid& cid, std::uint8_t* token) const;
};

inline ngtcp2_tstamp to_ngtcp2(TimePoint when) {
    const auto count = std::chrono::nanoseconds{when.time_since_epoch()}.count();
    return count < 0 ? 0 : static_cast<ngtcp2_tstamp>(count);
}

inline TimePoint from_ngtcp2(ngtcp2_tstamp when) {
    constexpr auto kLast = static_cast<ngtcp2_tstamp>(TimePoint::max().time_since_epoch().count());
    if (when >= kLast) return kNever;
    return TimePoint{std::chrono::nanoseconds{when}};
}

inline ngtcp2_duration duration_of(Duration duration) {
    return static_cast<ngtcp2_duration>(std::chrono::nanoseconds{duration}.count());
}

}  // namespace muster::quic
