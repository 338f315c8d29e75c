#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "session/journal_writer.h"

#include "muster/error.h"
#include "muster/time.h"

namespace muster::session {

/// An engine whose sessions can outlive the process.
class Journaled {
public:
    struct Restored {
        std::size_t sessions = 0;
        std::vector<std::string> left_out;  ///< which sessions and why, for people
    };

    virtual ~Journaled() = default;
    /// Takes up what another process left in the journal. `why`: what is said of the interruption. Before the first
    /// link. From now on all is journaled; `journal` must outlive the engine. Sessions whose entries make no sense are
    /// left out. Error bad_input: `saved` is no journal of such an engine, and nothing was taken up.
    virtual Result<Restored> start_journal(Journal& journal, const JournalContents& saved, const Error& why,
                                           TimePoint now) = 0;
    /// The batch given to the journal is safe.
    virtual void on_journal_written(TimePoint now) = 0;
    /// It is not, and no later one will be: the engine goes on without a journal.
    virtual void on_journal_failed(TimePoint now) = 0;
    /// Says when what was accepted outlives the process.
    virtual const JournalWriter& journal() const = 0;
};

}  // namespace muster::session
