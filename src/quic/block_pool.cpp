#include "quic/block_pool.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <sys/mman.h>

namespace muster::quic {

void* BlockPool::hand_out(void* block, std::size_t pages, std::size_t size) {
    if (block == nullptr) return nullptr;
    auto* header = static_cast<Header*>(block);
    *header = {pages, size};
    return header + 1;
}

void* BlockPool::allocate(std::size_t size) {
    const std::size_t total = size + sizeof(Header);
    if (total < size) return nullptr;
    const std::size_t pages = (total + kPage - 1) / kPage;
    if (pages < 2 || pages > kMostPages) return hand_out(std::malloc(total), 0, size);
    void* const block = reuse(pages);
    return hand_out(block != nullptr ? block : take_pages(pages), pages, size);
}

void* BlockPool::reuse(std::size_t pages) {
    if (FreeBlock* const block = free_[pages]) {
        free_[pages] = block->next;
        idle_pages_ -= pages;
        return block;
    }
    if (returned_[pages].empty()) return nullptr;
    void* const block = returned_[pages].back();
    returned_[pages].pop_back();
    return block;
}

void* BlockPool::zeroed(std::size_t count, std::size_t size) {
    if (size != 0 && count > (SIZE_MAX - sizeof(Header)) / size) return nullptr;
    return hand_out(std::calloc(1, count * size + sizeof(Header)), 0, count * size);
}

void* BlockPool::take_pages(std::size_t pages) {
    if (pages_left_ < pages) {  // the few pages that are left over are never touched
        auto* chunk = static_cast<std::byte*>(std::aligned_alloc(kPage, kChunkPages * kPage));
        if (chunk == nullptr) return nullptr;
        chunks_.emplace_back(chunk);
        pages_left_ = kChunkPages;
    }
    std::byte* block = chunks_.back().get() + (kChunkPages - pages_left_) * kPage;
    pages_left_ -= pages;
    if (std::vector<void*>& room = returned_[pages]; room.capacity() < ++blocks_[pages])
        room.reserve(2 * blocks_[pages]);  // release() must not fail
    return block;
}

void BlockPool::release(void* memory) {
    if (memory == nullptr) return;
    Header* header = header_of(memory);
    const std::size_t pages = header->pages;
    if (pages == 0) return std::free(header);
    if (idle_pages_ + pages > kMostIdlePages) {
        ::madvise(header, pages * kPage, MADV_DONTNEED);  // where pages are larger it fails: we keep them
        return returned_[pages].push_back(header);
    }
    idle_pages_ += pages;
    free_[pages] = new (header) FreeBlock{free_[pages]};
}

void* BlockPool::resize(void* memory, std::size_t size) {
    void* fresh = allocate(size);
    if (fresh == nullptr || memory == nullptr) return fresh;
    std::memcpy(fresh, memory, std::min(size, header_of(memory)->size));
    release(memory);
    return fresh;
}

}  // namespace muster::quic
