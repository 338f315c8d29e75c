#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "muster/error.h"
#include "muster/file_transfer.h"

namespace muster {

namespace detail {
class TransferNode;
}

/// What both ends of a file transfer can do. A resource; movable; destroying it cancels a transfer that still
/// runs, and what waits on it is told `cancelled`. Any thread.
class FileTransfer {
public:
    using ProgressHandler = boost::asio::any_completion_handler<void(Result<FileProgress>)>;
    using ResultHandler = boost::asio::any_completion_handler<void(Result<FileReceipt>)>;

    explicit FileTransfer(std::shared_ptr<detail::TransferNode> node) : node_(std::move(node)) {}
    FileTransfer(FileTransfer&&) noexcept = default;
    FileTransfer& operator=(FileTransfer&&) noexcept;
    FileTransfer(const FileTransfer&) = delete;
    FileTransfer& operator=(const FileTransfer&) = delete;
    ~FileTransfer();

    /// How far it is now.
    FileProgress progress() const;

    /// Waits until the progress differs from what this call told last. One wait at a time. Errors: closed
    /// once the transfer is over, so that `while (auto progress = co_await file.next_progress())` ends with
    /// it; cancelled; bad_input (a second wait; the first goes on). Cancellation: total.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto next_progress(Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(Result<FileProgress>)>(
            [this](auto handler) { start_progress(std::move(handler)); }, token);
    }

    /// Waits for the end: the receiver has verified the SHA-256 and stored the file, or the Error that says
    /// why not. A session that goes while the disk works ends the wait as `closed`; the text says so if the file
    /// may be there nevertheless. One wait at a time: a second one is told bad_input, and the first goes on.
    /// Cancellation: total; the transfer goes on.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto finished(Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(Result<FileReceipt>)>(
            [this](auto handler) { start_finished(std::move(handler)); }, token);
    }

    /// Ends the transfer; the other end sees the reason. Harmless when it is over.
    void cancel(std::string_view reason);

protected:
    std::shared_ptr<detail::TransferNode> node_;  // owners: this handle and the session that moves the octets

private:
    void start_progress(ProgressHandler handler);
    void start_finished(ResultHandler handler);
};

/// A file on its way to a peer.
class OutgoingFile : public FileTransfer {
public:
    using FileTransfer::FileTransfer;
};

/// A file that a peer offers. Destroying it without accept() declines it.
class IncomingFile : public FileTransfer {
public:
    using FileTransfer::FileTransfer;

    const FileOffer& offer() const;
    /// Takes the file into `options.directory`; await finished() next, whose result is bad_name if `options.name` is not
    /// fit, and then the sender is told so. Ignored after the first time, and when the offer was withdrawn.
    void accept(ReceiveFileOptions options = {});
    /// Does not take it; the sender sees the reason.
    void decline(std::string_view reason);
};

}  // namespace muster
