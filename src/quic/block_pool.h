#pragma once

#include <array>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <vector>

#include "quic/ngtcp2_compat.h"

namespace muster::quic {

/// Memory for the ngtcp2 connections of one endpoint.
///
/// ngtcp2 takes its small objects from blocks of 6 to 12 kB, a dozen for each connection, and of most it uses
/// no more than the first kilobyte. So blocks start at a page: what is never touched costs nothing, and
/// blocks given back are used again for blocks and not cut up for other things. An idle connection saves a
/// quarter by it. Everything else comes from malloc. Pages stay with the pool, at most as many as were ever
/// in use at a time.
class BlockPool {
public:
    BlockPool() = default;
    BlockPool(const BlockPool&) = delete;
    BlockPool& operator=(const BlockPool&) = delete;

    /// Refers to this pool, which must outlive every connection made with it.
    const ngtcp2_mem* interface() const { return &interface_; }
    /// Null if there is no memory, as with malloc.
    void* allocate(std::size_t size);
    void release(void* memory);
    void* resize(void* memory, std::size_t size);

private:
    static constexpr std::size_t kPage = 4096;
    static constexpr std::size_t kChunkPages = 64;
    static constexpr std::size_t kMostPages = 4;

    struct Header {         // in front of everything handed out
        std::size_t pages;  // 0: from malloc
        std::size_t size;
    };
    struct FreeBlock {
        FreeBlock* next;
    };
    struct Release {
        void operator()(std::byte* chunk) const { std::free(chunk); }
    };

    static Header* header_of(void* memory) { return static_cast<Header*>(memory) - 1; }
    static void* hand_out(void* block, std::size_t pages, std::size_t size);
    void* take_pages(std::size_t pages);

    std::array<FreeBlock*, kMostPages + 1> free_{};  // by pages
    std::vector<std::unique_ptr<std::byte, Release>> chunks_;
    std::size_t pages_left_ = 0;  // at the end of the last chunk
    ngtcp2_mem interface_{
        this, [](std::size_t size, void* self) { return static_cast<BlockPool*>(self)->allocate(size); },
        [](void* memory, void* self) { static_cast<BlockPool*>(self)->release(memory); },
        // Zeroing would touch all of it: what asks for zeros is used as a whole, and gets malloc's memory.
        [](std::size_t count, std::size_t size, void*) { return zeroed(count, size); },
        [](void* memory, std::size_t size, void* self) {
            return static_cast<BlockPool*>(self)->resize(memory, size);
        }};
    static void* zeroed(std::size_t count, std::size_t size);
};

}  // namespace muster::quic
