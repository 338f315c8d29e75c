#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "session/frame.h"
#include "session/journal.h"
#include "session/safe_count.h"

namespace muster::session {

/// Messages of one session for the application, between their arrival and the moment when the application has dealt
/// with them, where a journal keeps them: they reach the application only when the journal has them, and stay in it
/// until the application asks for no more of them.
class KeptMessages {
public:
    struct Kept {
        std::uint64_t number =
            0;  ///< counts the session's messages for the application, from 0; the same after a restart
        Address from;  ///< direct: the session's peer itself
        Delivery delivery{};
        Slice record;  ///< of the journal: the address, then the payload
        std::size_t payload_at = 0;
        bool redelivered = false;  ///< the application may have had it before the restart

        ByteView payload() const { return record.view().subspan(payload_at); }
    };

    void add(Address from, Delivery delivery, ByteView payload);
    /// The application is done with that many more, the oldest that it had.
    void on_consumed(std::size_t messages);

    bool has_news() const { return numbers_.saved() < next_ || erased_ < done_; }
    void save(JournalBatch& batch, std::uint32_t session);
    void on_written() { numbers_.on_written(); }
    void stop_journaling() { numbers_.set(~std::uint64_t{0}); }
    /// Those that the application may have now, each once.
    std::vector<Kept> take_safe();

    std::uint64_t next_number() const { return next_; }
    /// False: it cannot be. In the order of their numbers.
    bool restore(std::uint64_t next_number, const std::vector<JournalEntry>& messages);

private:
    std::deque<Kept> waiting_;  // for the journal
    std::uint64_t next_ = 0;    // number of the next one
    SafeCount numbers_;
    std::uint64_t done_ = 0, erased_ = 0;
};

}  // namespace muster::session
