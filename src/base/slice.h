#pragma once

#include <memory>
#include <utility>

#include "muster/bytes.h"

namespace muster {

/// A piece of immutable octets that keeps its storage alive; copying shares, never copies octets.
/// The owners are whoever still needs the octets: a replay buffer until the session acknowledges,
/// a QUIC stream until the packet is acknowledged.
class Slice {
public:
    Slice() = default;
    Slice(std::shared_ptr<const void> owner, ByteView view) : owner_(std::move(owner)), view_(view) {}

    static Slice copy_of(ByteView octets) { return from(to_bytes(octets)); }
    static Slice from(Bytes octets) {
        auto owner = std::make_shared<const Bytes>(std::move(octets));
        const ByteView view{*owner};
        return Slice{std::move(owner), view};
    }

    ByteView view() const { return view_; }
    std::size_t size() const { return view_.size(); }
    bool empty() const { return view_.empty(); }
    Slice subslice(std::size_t offset, std::size_t size) const {
        return Slice{owner_, view_.subspan(offset, size)};
    }
    Slice subslice(std::size_t offset) const { return Slice{owner_, view_.subspan(offset)}; }

private:
    std::shared_ptr<const void> owner_;
    ByteView view_;
};

}  // namespace muster
