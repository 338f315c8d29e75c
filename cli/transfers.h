#pragma once

#include <list>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "output.h"

#include "muster/file_handles.h"
#include "muster/session_types.h"

namespace muster::cli {

/// Follows files on their way and shows how far they are: one live line on a terminal, events
/// with --json. One thread.
class Transfers {
public:
    explicit Transfers(Output& output) : output_(output) {}

    /// Waits for the end of a file and tells it. The receipt, or the error that was told.
    boost::asio::awaitable<Result<FileReceipt>> follow(OutgoingFile file, PeerInfo to, std::string name);
    boost::asio::awaitable<Result<FileReceipt>> follow(IncomingFile file, PeerInfo from);

private:
    enum class Direction { in, out };
    struct Running {
        Direction direction;
        std::string number;  ///< Of the transfer, in JSON.
        PeerInfo peer;
        std::string name;
        FileProgress progress;
        TimePoint told{};
    };

    boost::asio::awaitable<Result<FileReceipt>> watch(FileTransfer& file, Running entry);
    void tell_progress(Running& entry);
    void tell_end(const Running& entry, const Result<FileReceipt>& outcome);
    JsonLine line_of(const Running& entry, std::string_view event) const;
    void draw();

    Output& output_;
    std::list<Running> running_;
    TimePoint drawn_{};
    std::uint64_t next_number_ = 1;
};

}  // namespace muster::cli
