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
/// quarter by it. Everything else comes from malloc. Of the pages that are not in use, a megabyte stays; the
/// rest goes back to the system at once, only the addresses are kept.
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
    // For eight connections: devices that come and go one by one cost no system call.
    static constexpr std::size_t kMostIdlePages = 256;

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
    void* reuse(std::size_t pages);
    void* take_pages(std::size_t pages);

    std::array<FreeBlock*, kMostPages + 1> free_{};  // by pages
    std::size_t idle_pages_ = 0;                     // in free_
    // By pages: blocks whose memory the system has. Each has room for as many as there are blocks.
    std::array<std::vector<void*>, kMostPages + 1> returned_;
    std::array<std::size_t, kMostPages + 1> blocks_{};  // ever made
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
