#pragma once

#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <unordered_map>

#include "base/random.h"
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

/// Finds the connection of a packet. Its hash is keyed: a client chooses its first id itself, and must not be
/// able to make them all fall into one bucket.
class CidTable {
public:
    explicit CidTable(Randomness& random)
        : owners_(0, Hash{random.next() | 1, random.next() | 1, random.next() | 1}) {}

    std::optional<CidOwner> find(const Cid& cid) const {
        const auto it = owners_.find(cid);
        if (it == owners_.end()) return std::nullopt;
        return it->second;
    }
    bool insert(const Cid& cid, CidOwner owner) { return owners_.emplace(cid, owner).second; }
    void replace(const Cid& cid, CidOwner owner) { owners_[cid] = owner; }
    void erase(const Cid& cid) { owners_.erase(cid); }
    std::size_t size() const { return owners_.size(); }

private:
    struct Hash {
        std::uint64_t k0, k1, k2;

        std::size_t operator()(const Cid& cid) const {
            std::array<std::uint64_t, 3> words{};
            std::memcpy(words.data(), cid.octets.data(), cid.octets.size());
            std::uint64_t h = cid.size * k0;
            for (const std::uint64_t word : words) {
                const auto product = static_cast<unsigned __int128>(h ^ word ^ k1) * k2;
                h = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
            }
            return h;
        }
    };

    std::unordered_map<Cid, CidOwner, Hash> owners_;
};

}  // namespace muster::quic
