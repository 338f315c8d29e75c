#pragma once

#include <array>
#include <unordered_map>

#include <boost/intrusive/list.hpp>

#include "quic/keyed_hash.h"

#include "muster/endpoint.h"
#include "muster/time.h"

namespace muster::quic {

/// Whoever shares it shares a limit: an IPv4 address, an IPv6 network of 64 bits (a single owner gets no
/// less), or a single link-local address, because all devices of a link have the same 64 bits there.
struct Source {
    std::array<std::uint8_t, 20> octets{};

    bool operator==(const Source&) const = default;
};

Source source_of(const muster::Endpoint& remote);

class SourceHash {
public:
    explicit SourceHash(Randomness& random) : hash_(random) {}
    std::size_t operator()(const Source& source) const { return hash_.of(source.octets); }

private:
    KeyedHash hash_;
};

/// How many of one source are shaking hands, or have done so and are strangers still.
struct Crowd {
    Source source;
    std::size_t unproven = 0;  // came without a Retry: others may have sent them in the name of the source
    std::size_t proven = 0;
    std::size_t strangers = 0;

    std::size_t half_open() const { return unproven + proven; }
};

/// An incoming connection until it is let in.
struct Arrival
    : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    TimePoint since{};
    Crowd* crowd = nullptr;  // null: not, or not any more, counted
    bool proven = false;
    bool is_stranger = false;  // the handshake is done
};

/// Counts incoming connections that have not been let in, by source, and knows the handshakes in order of
/// age. Owns none.
class Arrivals {
public:
    explicit Arrivals(Randomness& random) : crowds_(0, SourceHash{random}) {}

    void enter(Arrival& arrival, const Source& source, bool proven, TimePoint now);
    void finish_handshake(Arrival& arrival);
    void leave(Arrival& arrival);

    std::size_t half_open() const { return half_open_; }
    Crowd of(const Source& source) const;
    /// Null if there is none.
    const Arrival* oldest() const { return by_age_.empty() ? nullptr : &by_age_.front(); }
    Arrival* oldest() { return by_age_.empty() ? nullptr : &by_age_.front(); }
    /// The oldest one of the source that has most; null unless that source has more than `count`.
    Arrival* oldest_of_a_crowd_above(std::size_t count);

private:
    void leave_handshake(Arrival& arrival);

    boost::intrusive::list<Arrival, boost::intrusive::constant_time_size<false>> by_age_;
    std::unordered_map<Source, Crowd, SourceHash> crowds_;
    std::size_t half_open_ = 0;
};

}  // namespace muster::quic
