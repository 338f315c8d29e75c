#include "session/kept_messages.h"

#include <algorithm>

namespace muster::session {

void KeptMessages::add(Address from, Delivery delivery, ByteView payload) {
    Bytes record;
    Writer out{record};
    from.write(out);
    const std::size_t payload_at = record.size();
    out.write(payload);
    waiting_.push_back({next_++, std::move(from), delivery, Slice::from(std::move(record)), payload_at});
}

void KeptMessages::on_consumed(std::size_t messages) { done_ = std::min(done_ + messages, next_); }

void KeptMessages::save(JournalBatch& batch, std::uint32_t session) {
    const JournalKey key{session, JournalPart::message};
    for (const Kept& message : waiting_) {
        if (message.number < numbers_.saved()) continue;
        JournalKey at = key;
        at.offset = message.number;
        batch.put(at, static_cast<std::uint64_t>(message.delivery), message.record);
    }
    numbers_.save(next_);
    if (erased_ == done_) return;
    erased_ = done_;
    JournalKey below = key;
    below.offset = done_;
    batch.erase_below(below);
}

std::vector<KeptMessages::Kept> KeptMessages::take_safe() {
    std::vector<Kept> safe;
    while (!waiting_.empty() && waiting_.front().number < numbers_.safe()) {
        safe.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
    }
    return safe;
}

bool KeptMessages::restore(std::uint64_t next_number, const std::vector<JournalEntry>& messages) {
    next_ = next_number;
    numbers_.set(next_);
    done_ = erased_ = messages.empty() ? next_ : messages.front().key.offset;
    for (const JournalEntry& message : messages) {
        const Delivery delivery{static_cast<std::uint8_t>(message.number)};
        Reader in{message.value.view()};
        Address from;
        const bool can_be = message.key.offset == done_ + waiting_.size() && message.number <= 0xff &&
                            (delivery == Delivery::ordered || delivery == Delivery::unordered) &&
                            from.read(in, 1) && from.kind != Address::Kind::everyone;
        if (!can_be) return false;
        waiting_.push_back({message.key.offset, std::move(from), delivery, message.value,
                            message.value.size() - in.remaining(), true});
    }
    return done_ + waiting_.size() == next_;
}

}  // namespace muster::session
