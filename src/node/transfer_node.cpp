#include "node/transfer_node.h"

#include <algorithm>

#include "os/timer.h"

namespace muster::detail {

namespace asio = boost::asio;

TransferNode::TransferNode(Wiring wiring)
    : wiring_(std::move(wiring)),
      progress_waiter_(wiring_.strand, "waiting for progress"),
      result_waiter_(wiring_.strand, "waiting for the end of the transfer") {}

FileProgress TransferNode::progress() const {
    const std::lock_guard lock(mutex_);
    return progress_;
}

void TransferNode::next_progress(node::WaitId id, FileTransfer::ProgressHandler handler) {
    if (progress_waiter_.begin(id, std::move(handler))) serve_progress();
}

void TransferNode::finished(node::WaitId id, FileTransfer::ResultHandler handler) {
    if (result_waiter_.begin(id, std::move(handler))) serve_result();
}

void TransferNode::abandon() {
    progress_waiter_.give_up();
    result_waiter_.give_up();
    decline("the application did not take it");  // only what waits for its answer
    cancel("the application dropped the transfer");
}

void TransferNode::attach(std::weak_ptr<node::FileWork> files, session::StreamPort& port,
                          StreamHandle stream) {
    files_ = std::move(files);
    port_ = &port;
    stream_ = stream;
    begin();
}

void TransferNode::fail_at_once(Error why) { tell_result(Result<FileReceipt>{std::move(why)}); }

void TransferNode::tell_progress(const FileProgress& progress) {
    {
        const std::lock_guard lock(mutex_);
        progress_ = progress;
    }
    progress_news_ = true;
    serve_progress();
}

void TransferNode::tell_result(Result<FileReceipt> result) {
    result_ = std::move(result);
    over_ = true;
    serve_progress();
    serve_result();
}

void TransferNode::tell_offer(FileOffer offer) {
    offer_ = std::move(offer);
    if (auto told = std::exchange(wiring_.on_offer, nullptr)) told(shared_from_this());
}

void TransferNode::serve_progress() {
    if (!progress_waiter_.is_waiting() || (!progress_news_ && !over_)) return;
    auto told = progress_news_ ? Result<FileProgress>{progress()}
                               : Result<FileProgress>{Error{Errc::closed, "the transfer is over"}};
    progress_news_ = false;
    progress_waiter_.deliver(std::move(told));
}

void TransferNode::serve_result() {
    if (!result_waiter_.is_waiting() || !result_) return;
    result_waiter_.deliver(*result_);
}

namespace {

constexpr std::size_t kMaxPiece = 256 * 1024;

/// Runs one of the two engines; Request is what it asks of its Worker.
template <class Engine, class Worker, class Request>
class TransferDriver final : public TransferNode {
public:
    TransferDriver(Wiring wiring, typename Engine::Options options, Worker worker)
        : TransferNode(std::move(wiring)),
          engine_(std::move(options), SteadyClock::now()),
          worker_(std::make_shared<Worker>(std::move(worker))),
          timer_(wiring_.strand) {}

    void about(FileOffer offer) { offer_ = std::move(offer); }
    void on_data(ByteView data, bool fin) override {
        fin_ = fin_ || fin;
        if (held_.empty()) data = data.subspan(feed(data, SteadyClock::now()));
        held_.insert(held_.end(), data.begin(), data.end());
        turn();
    }
    void on_reset(Error why) override {
        port_ = nullptr;
        unwritten_ = {};
        reset_ = std::move(why);
        turn();
    }
    bool on_stream_lost(Error why) override {
        port_ = nullptr;
        unwritten_ = {};
        held_.clear();
        fin_ = told_end_ = finished_ = false;
        const bool goes_on = engine_.on_stream_lost(why, SteadyClock::now());
        turn();
        return goes_on;
    }
    void renew(session::StreamPort& port, StreamHandle stream) override {
        port_ = &port;
        stream_ = stream;
        engine_.on_stream_renewed(SteadyClock::now());
        turn();
    }
    void on_writable() override { turn(); }
    void on_interrupted() override {
        engine_.on_interrupted();
        turn();
    }
    void on_resumed() override {
        engine_.on_resumed(SteadyClock::now());
        turn();
    }
    bool is_done() const override { return engine_.done(); }

    void accept(const ReceiveFileOptions& options) override {
        if constexpr (requires { engine_.accept(options, TimePoint{}); }) {
            engine_.accept(options, SteadyClock::now());
            turn();
        }
    }
    void decline(std::string_view reason) override {
        if constexpr (requires { engine_.decline(reason, TimePoint{}); }) {
            engine_.decline(reason, SteadyClock::now());
            turn();
        }
    }
    void cancel(std::string_view reason) override {
        engine_.cancel(reason, SteadyClock::now());
        turn();
    }

private:
    void begin() override { turn(); }
    auto self() { return std::static_pointer_cast<TransferDriver>(shared_from_this()); }

    void turn() {
        const TimePoint now = SteadyClock::now();
        const auto taken = static_cast<std::ptrdiff_t>(feed(held_, now));
        held_.erase(held_.begin(), held_.begin() + taken);
        if (fin_ && held_.empty() && !std::exchange(told_end_, true)) engine_.on_stream_end(now);
        write(now);
        ask_storage(now);  // after write(): what leaves makes room for what is read next
        // What came before the end counts first: it may say why the end came.
        if (reset_ && (held_.empty() || !at_storage_)) {
            Error why = std::move(*reset_);
            reset_.reset();
            engine_.on_stream_reset(std::move(why), now);
            ask_storage(now);
        }
        tell();
        if (engine_.done()) return end();
        arm();
    }

    /// Returns how much the engine took; the rest is offered again when storage has caught up.
    std::size_t feed(ByteView data, TimePoint now) {
        std::size_t taken = 0;
        while (taken < data.size()) {
            const std::size_t step = engine_.on_stream_bytes(data.subspan(taken), now);
            if (step == 0) break;
            taken += step;
        }
        if (taken > 0 && port_) {
            port_->consume(stream_, taken);
            wiring_.poke();
        }
        return taken;
    }

    // One after another; the threads may be gone, with the session, while the application keeps its handle.
    void ask_storage(TimePoint now) {
        if (at_storage_ || !files_) return;
        const auto files = files_->lock();
        if (!files) return on_files_gone(now);
        auto request = engine_.next_request(now);
        if (!request) return;
        at_storage_ = true;
        using Reply = decltype(worker_->run(*request));
        const auto reply = std::make_shared<Reply>();  // owners: the call, then the answer
        // The call holds no node and no executor: a disk that hangs may outlive them.
        auto call = [storage = wiring_.storage, worker = worker_, request = std::move(*request), reply] {
            *reply = worker->run(request);
        };
        auto answer = [self = self(), reply] {
            self->at_storage_ = false;
            self->engine_.on_storage(std::move(*reply), SteadyClock::now());
            self->turn();
        };
        auto gone = [self = self()] {  // not `reply`: the call may still write to it
            self->at_storage_ = false;
            self->files_.emplace();
            self->turn();
        };
        files->submit(std::move(call), wiring_.strand, std::move(answer), std::move(gone));
    }

    void on_files_gone(TimePoint now) {
        if (auto why = std::exchange(reset_, std::nullopt)) engine_.on_stream_reset(std::move(*why), now);
        engine_.on_storage_gone(now);
        worker_.reset();  // and the part with it, if no call holds it
    }

    void write(TimePoint now) {
        while (port_ && (!unwritten_.empty() || engine_.want_write())) {
            if (unwritten_.empty()) unwritten_ = engine_.next_output(kMaxPiece, now);
            if (!port_->write(stream_, unwritten_)) return;  // full: on_writable comes
            unwritten_ = {};
            wiring_.poke();
        }
        if (!port_ || !engine_.output_finished() || std::exchange(finished_, true)) return;
        port_->finish(stream_);
        wiring_.poke();
    }

    void tell() {
        while (auto event = engine_.next_event()) {
            if (auto* progress = std::get_if<FileProgress>(&*event)) tell_progress(*progress);
            if (auto* over = std::get_if<files::FileFinished>(&*event)) outcome_ = std::move(over->result);
            if constexpr (std::is_same_v<Engine, files::FileReceiver>)
                if (auto* offer = std::get_if<FileOffer>(&*event)) tell_offer(std::move(*offer));
        }
        // The peer is told first: the application may end the session when it knows.
        const bool peer_is_told = !port_ || (unwritten_.empty() && !engine_.want_write());
        if (!outcome_ || !peer_is_told) return;
        auto outcome = std::move(*outcome_);
        outcome_.reset();
        tell_result(std::move(outcome));
    }

    void end() {
        timer_.cancel();
        const bool peer_still_open = port_ && !fin_;
        if (peer_still_open) port_->reset(stream_, 0, "the transfer is over");
        port_ = nullptr;
        tell();
        wiring_.poke();
    }

    void arm() {
        const TimePoint next = engine_.next_wakeup();
        if (next == armed_) return;
        armed_ = next;
        timer_.expires_at(next);     // ends the earlier wait
        if (next == kNever) return;  // such a wait would keep io_context::run() from returning
        timer_.async_wait(
            [weak = std::weak_ptr<TransferNode>(shared_from_this()), this](boost::system::error_code ec) {
                const auto alive = weak.lock();
                if (ec || !alive) return;
                armed_ = kNever;
                engine_.on_timer(SteadyClock::now());
                turn();
            });
    }

    Engine engine_;
    std::shared_ptr<Worker> worker_;  // owners: this node and the request that runs; null: files_ are gone
    os::Timer timer_;
    TimePoint armed_{};
    Bytes held_;       // octets that the engine did not take yet; bounded by the stream's credit
    Slice unwritten_;  // what the stream had no room for
    std::optional<Result<FileReceipt>> outcome_;  // until the peer is told
    std::optional<Error> reset_;  // what ended the stream, until the engine has what came before
    bool at_storage_ = false;     // a request is under way
    bool fin_ = false;
    bool told_end_ = false;
    bool finished_ = false;
};

using SendDriver = TransferDriver<files::FileSender, files::SourceWorker, files::SourceRequest>;
using ReceiveDriver = TransferDriver<files::FileReceiver, files::SinkWorker, files::SinkRequest>;

}  // namespace

std::shared_ptr<TransferNode> TransferNode::send(Wiring wiring, files::FileSender::Options options,
                                                 FileOffer about) {
    files::SourceWorker worker{*wiring.storage, options.path};
    auto node = std::make_shared<SendDriver>(std::move(wiring), std::move(options), std::move(worker));
    node->about(std::move(about));
    return node;
}

std::shared_ptr<TransferNode> TransferNode::receive(Wiring wiring,
                                                    const files::FileReceiver::Options& options) {
    files::SinkWorker worker{*wiring.storage};
    return std::make_shared<ReceiveDriver>(std::move(wiring), options, std::move(worker));
}

}  // namespace muster::detail
