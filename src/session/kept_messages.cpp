#include "session/kept_messages.h"

#include <algorithm>

namespace muster::session {

namespace {

std::uint64_t facts_of(ChannelId channel, Delivery delivery) {
    return static_cast<std::uint64_t>(channel) << 8 | static_cast<std::uint64_t>(delivery);
}

}  // namespace

void KeptMessages::add(ChannelId channel, Delivery delivery, ByteView payload) {
    waiting_.push_back({next_++, channel, delivery, Slice::copy_of(payload)});
}

void KeptMessages::on_consumed(std::size_t messages) { done_ = std::min(done_ + messages, next_); }

void KeptMessages::save(JournalBatch& batch, std::uint32_t session) {
    const JournalKey key{session, JournalPart::message};
    for (const Kept& message : waiting_) {
        if (message.number < saved_) continue;
        JournalKey at = key;
        at.offset = message.number;
        batch.put(at, facts_of(message.channel, message.delivery), message.payload);
    }
    saved_ = next_;
    if (erased_ == done_) return;
    erased_ = done_;
    JournalKey below = key;
    below.offset = done_;
    batch.erase_below(below);
}

std::vector<KeptMessages::Kept> KeptMessages::take_allowed() {
    std::vector<Kept> allowed;
    while (!waiting_.empty() && waiting_.front().number < allowed_) {
        allowed.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
    }
    return allowed;
}

bool KeptMessages::restore(std::uint64_t next_number, const std::vector<JournalEntry>& messages) {
    next_ = saved_ = allowed_ = next_number;
    done_ = erased_ = messages.empty() ? next_ : messages.front().key.offset;
    for (const JournalEntry& message : messages) {
        const auto delivery = static_cast<Delivery>(message.number & 0xff);
        const bool can_be = message.key.offset == done_ + waiting_.size() && message.number >> 8 <= 0xffff &&
                            (delivery == Delivery::ordered || delivery == Delivery::unordered);
        if (!can_be) return false;
        waiting_.push_back({message.key.offset, ChannelId{static_cast<std::uint16_t>(message.number >> 8)},
                            delivery, message.value, true});
    }
    return done_ + waiting_.size() == next_;
}

}  // namespace muster::session
