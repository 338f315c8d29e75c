#pragma once

#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <unordered_map>

#include "quic/keyed_hash.h"
#include "quic/ngtcp2_compat.h"

#include "muster/bytes.h"

namespace muster::quic {

class ConnectionImpl;
struct Tombstone;

/// The size of the connection ids given out here. 64 random bits: with 20,000 connections of ten ids each a
/// random packet hits one with a chance of 10^-14, and every octet more is paid in every packet.
inline constexpr std::size_t kCidSize = 8;

/// Whose packets carry a connection id: those of a living connection or of one that has ended lately.
struct CidOwner {
    ConnectionImpl* live = nullptr;
    Tombstone* dead = nullptr;
};

struct Cid {
    std::array<std::uint8_t, NGTCP2_MAX_CIDLEN> octets{};
    std::uint8_t size = 0;

    Cid() = default;
    Cid(const std::uint8_t* data, std::size_t length) : size(static_cast<std::uint8_t>(length)) {
        std::memcpy(octets.data(), data, length);
    }
    explicit Cid(const ngtcp2_cid& cid) : Cid(cid.data, cid.datalen) {}

    static Cid random(Randomness& randomness, std::size_t length) {
        Cid cid;
        cid.size = static_cast<std::uint8_t>(length);
        randomness.fill(std::as_writable_bytes(std::span{cid.octets}.first(length)));
        return cid;
    }

    ngtcp2_cid to_ngtcp2() const {
        ngtcp2_cid cid;
        ngtcp2_cid_init(&cid, octets.data(), size);
        return cid;
    }
    ByteView view() const { return std::as_bytes(std::span{octets}.first(size)); }
    bool operator==(const Cid&) const = default;
};

/// What belongs to a connection id. Its hash is keyed: a client chooses its first id itself.
template <class Owner>
class CidMap {
public:
    explicit CidMap(Randomness& random) : owners_(0, Hash{KeyedHash{random}}) {}

    std::optional<Owner> find(const Cid& cid) const {
        const auto it = owners_.find(cid);
        if (it == owners_.end()) return std::nullopt;
        return it->second;
    }
    bool insert(const Cid& cid, Owner owner) { return owners_.emplace(cid, owner).second; }
    void replace(const Cid& cid, Owner owner) { owners_[cid] = owner; }
    void erase(const Cid& cid) { owners_.erase(cid); }
    std::size_t size() const { return owners_.size(); }

private:
    struct Hash {
        KeyedHash keyed;

        std::size_t operator()(const Cid& cid) const { return keyed.of(std::span{cid.octets}) + cid.size; }
    };

    std::unordered_map<Cid, Owner, Hash> owners_;
};

/// Finds the connection of a packet.
using CidTable = CidMap<CidOwner>;

}  // namespace muster::quic
