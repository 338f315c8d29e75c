#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include <boost/asio/any_io_executor.hpp>

#include "base/file_storage.h"
#include "files/receiver.h"
#include "files/sender.h"
#include "node/completion.h"
#include "node/file_threads.h"
#include "node/stream_sink.h"
#include "session/stream_port.h"

#include "muster/file_handles.h"

namespace muster::detail {

/// One file transfer between the session's strand, the file threads and the application's handle.
/// Everything runs on the strand but progress() and offer(), which any thread may call.
class TransferNode : public node::StreamSink, public std::enable_shared_from_this<TransferNode> {
public:
    struct Wiring {
        boost::asio::any_io_executor strand;
        std::shared_ptr<FileStorage> storage;  // owners: the session and its transfers
        std::function<void()> poke;            ///< Asks the session's driver to flush.
        /// Called once, when the offer has arrived (receiver only).
        std::function<void(std::shared_ptr<TransferNode>)> on_offer;
    };

    static std::shared_ptr<TransferNode> send(Wiring wiring, files::FileSender::Options options,
                                              FileOffer about);
    static std::shared_ptr<TransferNode> receive(Wiring wiring, const files::FileReceiver::Options& options);

    const boost::asio::any_io_executor& strand() const { return wiring_.strand; }
    FileProgress progress() const;
    /// Known once on_offer was called; constant from then on.
    const FileOffer& offer() const { return offer_; }

    void next_progress(node::WaitId id, FileTransfer::ProgressHandler handler);
    void finished(node::WaitId id, FileTransfer::ResultHandler handler);
    void cancel_next_progress(node::WaitId id) { progress_waiter_.cancel(id); }
    void cancel_finished(node::WaitId id) { result_waiter_.cancel(id); }
    virtual void accept(const ReceiveFileOptions& options) = 0;
    virtual void decline(std::string_view reason) = 0;
    virtual void cancel(std::string_view reason) = 0;
    /// The application dropped its handle: what waits is cancelled, and the transfer ends.
    void abandon();
    /// Begins: blocking calls go to `files` as long as it is there, octets go through `stream`.
    void attach(std::weak_ptr<node::FileWork> files, session::StreamPort& port, StreamHandle stream);
    /// After on_stream_lost() was true: the transfer goes on over this one.
    virtual void renew(session::StreamPort& port, StreamHandle stream) = 0;
    /// The transfer never came to be: told instead of attach().
    void fail_at_once(Error why);

protected:
    explicit TransferNode(Wiring wiring);

    void tell_progress(const FileProgress& progress);
    void tell_result(Result<FileReceipt> result);
    void tell_offer(FileOffer offer);

    virtual void begin() = 0;

    Wiring wiring_;
    std::optional<std::weak_ptr<node::FileWork>> files_;  // nullopt before attach()
    session::StreamPort* port_ = nullptr;                 // null before attach() and once the stream is gone
    StreamHandle stream_{};
    FileOffer offer_;

private:
    void serve_progress();
    void serve_result();

    mutable std::mutex mutex_;  // guards progress_ for progress() from other threads; no engine is behind it
    FileProgress progress_;
    bool progress_news_ = false;
    std::optional<Result<FileReceipt>> result_;
    bool over_ = false;
    node::SingleWaiter<void(Result<FileProgress>)> progress_waiter_;
    node::SingleWaiter<void(Result<FileReceipt>)> result_waiter_;
};

}  // namespace muster::detail
