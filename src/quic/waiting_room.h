#pragma once

#include <deque>
#include <functional>
#include <list>
#include <optional>
#include <unordered_map>

#include "quic/arrivals.h"
#include "quic/cid_table.h"
#include "quic/connection.h"

namespace muster::quic {

/// The first packets of clients for whose handshake there is no place yet: a line for each source, and the
/// sources take turns. Bounded: 1.3 kB each instead of the 46 kB of a handshake.
class WaitingRoom {
public:
    struct Guest {
        PathId path{};
        Bytes packet;
        std::uint8_t ecn = 0;
        Cid dcid;  // as in the packet
        Source source;
    };

    explicit WaitingRoom(Randomness& random) : ids_(random), by_source_(0, SourceHash{random}) {}

    bool is_empty() const { return lines_.empty(); }
    bool has_line(const Source& source) const { return by_source_.contains(source); }
    /// True: this client waits already and has repeated itself, perhaps from another path.
    bool recognize(const Cid& dcid, PathId path);
    /// False: there is no room, for anybody or for this source.
    bool add(Guest guest);
    /// Takes out who is next among the sources that `has_place` is true for.
    std::optional<Guest> next(const std::function<bool(const Source&)>& has_place);

private:
    using Line = std::deque<Guest>;

    CidMap<Guest*> ids_;
    std::list<Line> lines_;  // none is empty; the source whose turn it is comes first
    std::unordered_map<Source, std::list<Line>::iterator, SourceHash> by_source_;
    std::size_t guests_ = 0;
};

}  // namespace muster::quic
