#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "muster/bytes.h"

namespace muster::sim {

/// Keeps the octets of datagrams in flight and uses their storage again, so that a million datagrams cost no
/// million allocations. The copies of one multicast share one payload. Must outlive its payloads.
class PayloadPool {
public:
    struct Block {
        Bytes octets;
        std::uint32_t owners = 0;
    };

    Block* make(ByteView octets) {
        if (free_.empty()) {
            blocks_.push_back(std::make_unique<Block>());
            free_.push_back(blocks_.back().get());
        }
        Block* block = free_.back();
        free_.pop_back();
        block->octets.assign(octets.begin(), octets.end());
        block->owners = 1;
        return block;
    }
    void release(Block* block) {
        if (--block->owners == 0) free_.push_back(block);
    }

private:
    std::vector<std::unique_ptr<Block>> blocks_;
    std::vector<Block*> free_;
};

/// A share in the octets of one datagram. The owners are the copies of it that are in flight.
class Payload {
public:
    Payload() = default;
    Payload(PayloadPool& pool, ByteView octets) : pool_(&pool), block_(pool.make(octets)) {}
    Payload(const Payload& other) : pool_(other.pool_), block_(other.block_) {
        if (block_ != nullptr) ++block_->owners;
    }
    Payload(Payload&& other) noexcept : pool_(other.pool_), block_(std::exchange(other.block_, nullptr)) {}
    Payload& operator=(Payload other) noexcept {
        std::swap(pool_, other.pool_);
        std::swap(block_, other.block_);
        return *this;
    }
    ~Payload() {
        if (block_ != nullptr) pool_->release(block_);
    }

    ByteView view() const { return block_ == nullptr ? ByteView{} : ByteView{block_->octets}; }
    std::size_t size() const { return view().size(); }

private:
    PayloadPool* pool_ = nullptr;
    PayloadPool::Block* block_ = nullptr;
};

}  // namespace muster::sim
