#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "node/file_threads.h"
#include "session/journal.h"

#include "muster/error.h"
#include "muster/ids.h"

namespace muster::node {

/// A journal in an SQLite file. What was written outlives the process, also if it is killed.
class JournalFile final : public session::Journal {
public:
    enum class Role : std::uint8_t { coordinator, member };
    struct Owner {
        DeviceId device;
        std::string group;
        Role role{};

        bool operator==(const Owner&) const = default;
    };
    /// What the last process left.
    struct Contents {
        session::JournalContents sessions;
        std::uint16_t port = 0;  ///< UDP; 0: not known
        std::string damage;      ///< of the file as a whole, for people; empty if there was none
    };

    /// Opens or makes the file, of mode 0600. A file that is damaged is put aside (".damaged") and a new one made.
    /// Null if `path` is empty. Errors: already_exists (another process has it), bad_input (it belongs to another device,
    /// group or role, or to another version), storage.
    static Result<std::unique_ptr<JournalFile>> open(const std::string& path, const Owner& owner);
    ~JournalFile() override;

    std::uint16_t port() const { return contents_.port; }
    Contents take_contents() { return std::move(contents_); }
    /// Error storage.
    Result<void> note_port(std::uint16_t port);
    /// What is in it cannot be used: it is kept beside, for people, and the file is gone. No write() after that.
    void put_aside();

    struct Listener {
        std::function<void()> on_written;
        /// Once at most. The file is gone then: it would tell another process what is not so any more.
        std::function<void(const Error&)> on_failed;
    };
    /// A write that takes longer than `patience` has failed: until it is done nothing leaves, and nobody knows why.
    static constexpr Duration kPatience = std::chrono::seconds{5};
    /// Who is told on `strand` of each write().
    void start(const boost::asio::any_io_executor& strand, Listener listener, Duration patience = kPatience);
    void write(session::JournalBatch batch) override;

private:
    class File;
    struct Desk;

    JournalFile(std::shared_ptr<File> file, Contents contents, std::shared_ptr<FileThreads> threads);

    std::shared_ptr<File> file_;  // owners: this and the write under way
    Contents contents_;
    std::shared_ptr<Desk> desk_;            // owner: this
    std::shared_ptr<FileThreads> threads_;  // first to go: nothing is told from then on
};

}  // namespace muster::node
