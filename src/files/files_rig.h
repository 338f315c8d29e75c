#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/random.h"
#include "files/memory_storage.h"
#include "files/receiver.h"
#include "files/sender.h"

namespace muster::files::testing {

/// A sender and a receiver joined by two pipes of limited size, with storage in memory that answers late.
/// Every move (some octets, one storage operation) is a step; the seed chooses their order and sizes.
class TransferRig {
public:
    struct Options {
        std::uint64_t seed = 1;
        std::size_t chunk = 4096;
        std::size_t read_ahead = 16384;
        std::size_t pipe = 8192;
        ReceiveFileOptions receive{};
        SendFileOptions send{};
        bool answer = true;  ///< The application accepts at once.
        Duration step_time = std::chrono::microseconds{50};
    };

    explicit TransferRig(Options options) : options_(std::move(options)), random_(options_.seed) {
        if (options_.receive.directory == ".") options_.receive.directory = "in";
    }

    /// Builds the engines; files must be in `source_files` by now.
    void start(const std::string& path) {
        FileSender::Options send;
        send.id = {1, 2, 3};
        send.path = path;
        send.send = options_.send;
        send.chunk = options_.chunk;
        send.read_ahead = options_.read_ahead;
        sender.emplace(send, now);
        source_.emplace(*source_storage, path);
        FileReceiver::Options receive;
        receive.from.bytes.fill(7);
        receive.chunk = options_.chunk;
        receiver.emplace(receive, now);
        sink_.emplace(*sink_storage);
    }

    /// Runs until both ends are done; `before_step` may meddle. Time jumps when nothing else can happen.
    void run(const std::function<void(std::size_t step)>& before_step = {}) {
        for (std::size_t step = 0; !over(); ++step) {
            if (step == 200'000)
                throw std::runtime_error("a wait without an end, seed " + std::to_string(options_.seed));
            if (before_step) before_step(step);
            now += options_.step_time;
            if (!move_something()) jump();
            take_events();
        }
    }

    bool over() const { return sender->done() && receiver->done(); }

    /// The session under the stream ends, as seen by both.
    void lose_session() {
        to_receiver_.clear();
        to_sender_.clear();
        sender->on_stream_reset({Errc::lost, "the peer fell silent"}, now);
        receiver->on_stream_reset({Errc::lost, "the peer fell silent"}, now);
    }

    /// A coordinator between both ends was started anew: the stream is gone, and a fresh one takes its place.
    void lose_stream() {
        to_receiver_.clear();
        to_sender_.clear();
        receiver_heard_end_ = sender_heard_end_ = false;
        const Error why{Errc::lost, "the coordinator was started anew"};
        const bool goes_on = sender->on_stream_lost(why, now);
        const bool waits = receiver->on_stream_lost(why, now);
        if (!goes_on) return;
        if (!waits) return sender->on_stream_reset(why, now);
        sender->on_stream_renewed(now);
        receiver->on_stream_renewed(now);
    }
    /// Octets that the sender has given to streams.
    std::size_t handed_out() const { return handed_out_; }

    /// The workers go; what they were asked for is not done and not answered.
    void lose_storage() {
        taken_source_.clear();
        taken_sink_.clear();
        source_.reset();
        sink_.reset();
        sender->on_storage_gone(now);
        receiver->on_storage_gone(now);
    }

    /// Errc of an end's result; nullopt: it has a receipt.
    static std::optional<Errc> code(const std::optional<Result<FileReceipt>>& result) {
        if (!result || *result) return std::nullopt;
        return result->error().code();
    }
    bool part_left() const {
        return std::ranges::any_of(sink_files.files(), [](const auto& file) {
            return file.first.find(".part") != std::string::npos;
        });
    }

    MemoryStorage source_files, sink_files;
    FileStorage* source_storage =
        &source_files;  ///< What the engines really use; may be changed before start().
    FileStorage* sink_storage = &sink_files;
    std::optional<FileSender> sender;
    std::optional<FileReceiver> receiver;
    TimePoint now{};
    std::optional<FileOffer> offer;
    std::vector<FileProgress> sender_progress, receiver_progress;
    std::optional<Result<FileReceipt>> sent, received;
    bool accepted = false;
    std::size_t largest_held = 0;  ///< Octets of the file that the sender had read and not handed out.
    bool freeze_sender = false, freeze_receiver = false, freeze_sink = false, freeze_source = false;

private:
    using Move = bool (TransferRig::*)();

    bool move_something() {
        static constexpr Move kMoves[] = {&TransferRig::send_some,   &TransferRig::reply_some,
                                          &TransferRig::hear_some,   &TransferRig::hear_reply,
                                          &TransferRig::take_source, &TransferRig::run_source,
                                          &TransferRig::take_sink,   &TransferRig::run_sink};
        const std::size_t first = uniform(random_, std::size(kMoves));
        for (std::size_t i = 0; i < std::size(kMoves); ++i)
            if ((this->*kMoves[(first + i) % std::size(kMoves)])()) return true;
        return false;
    }

    std::size_t some(std::size_t limit) { return 1 + uniform(random_, limit); }

    bool send_some() {
        if (freeze_sender || to_receiver_.size() >= options_.pipe) return false;
        const Slice out = sender->next_output(some(options_.pipe - to_receiver_.size()), now);
        to_receiver_.insert(to_receiver_.end(), out.view().begin(), out.view().end());
        handed_out_ += out.size();
        return !out.empty();
    }
    bool reply_some() {
        if (freeze_receiver) return false;
        const Slice out = receiver->next_output(some(64), now);
        to_sender_.insert(to_sender_.end(), out.view().begin(), out.view().end());
        return !out.empty();
    }
    bool hear_some() {
        if (freeze_receiver) return false;
        if (to_receiver_.empty()) {
            if (!sender->output_finished() || receiver_heard_end_) return false;
            receiver_heard_end_ = true;
            receiver->on_stream_end(now);
            return true;
        }
        if (!receiver->want_bytes()) return false;
        const Bytes piece(to_receiver_.begin(),
                          to_receiver_.begin() + static_cast<std::ptrdiff_t>(
                                                     std::min(some(options_.pipe), to_receiver_.size())));
        const std::size_t taken = receiver->on_stream_bytes(piece, now);
        to_receiver_.erase(to_receiver_.begin(), to_receiver_.begin() + static_cast<std::ptrdiff_t>(taken));
        return taken > 0;
    }
    bool hear_reply() {
        if (freeze_sender) return false;
        if (to_sender_.empty()) {
            if (!receiver->output_finished() || sender_heard_end_) return false;
            sender_heard_end_ = true;
            sender->on_stream_end(now);
            return true;
        }
        const std::size_t size = std::min(some(16), to_sender_.size());
        const Bytes piece(to_sender_.begin(), to_sender_.begin() + static_cast<std::ptrdiff_t>(size));
        sender->on_stream_bytes(piece, now);
        to_sender_.erase(to_sender_.begin(), to_sender_.begin() + static_cast<std::ptrdiff_t>(size));
        return true;
    }
    bool take_source() {
        auto request = sender->next_request(now);
        if (request) taken_source_.push_back(*request);
        return request.has_value();
    }
    bool run_source() {
        if (freeze_source || taken_source_.empty()) return false;
        SourceReply reply = source_->run(taken_source_.front());
        read_ += reply.data.size();
        largest_held = std::max(largest_held, read_ - std::min(read_, handed_out_));
        sender->on_storage(std::move(reply), now);
        taken_source_.pop_front();
        return true;
    }
    bool take_sink() {
        auto request = receiver->next_request(now);
        if (request) taken_sink_.push_back(std::move(*request));
        return request.has_value();
    }
    bool run_sink() {
        if (freeze_sink || taken_sink_.empty()) return false;
        receiver->on_storage(sink_->run(taken_sink_.front()), now);
        taken_sink_.pop_front();
        return true;
    }

    void jump() {
        const TimePoint when = std::min(sender->next_wakeup(), receiver->next_wakeup());
        if (when == kNever) return;
        now = std::max(now, when);
        sender->on_timer(now);
        receiver->on_timer(now);
    }

    void take_events() {
        while (auto event = sender->next_event()) {
            if (std::holds_alternative<FileAccepted>(*event)) accepted = true;
            if (auto* progress = std::get_if<FileProgress>(&*event)) sender_progress.push_back(*progress);
            if (auto* finished = std::get_if<FileFinished>(&*event)) sent = finished->result;
        }
        while (auto event = receiver->next_event()) {
            if (auto* progress = std::get_if<FileProgress>(&*event)) receiver_progress.push_back(*progress);
            if (auto* finished = std::get_if<FileFinished>(&*event)) received = finished->result;
            if (auto* offered = std::get_if<FileOffer>(&*event)) {
                offer = *offered;
                if (options_.answer) receiver->accept(options_.receive, now);
            }
        }
    }

    Options options_;
    SeededRandomness random_;
    std::optional<SourceWorker> source_;
    std::optional<SinkWorker> sink_;
    std::deque<SourceRequest> taken_source_;
    std::deque<SinkRequest> taken_sink_;
    std::deque<std::byte> to_receiver_, to_sender_;
    std::size_t read_ = 0, handed_out_ = 0;
    bool receiver_heard_end_ = false, sender_heard_end_ = false;
};

inline TransferRig::Options seeded(std::uint64_t seed) {
    TransferRig::Options options;
    options.seed = seed;
    return options;
}

/// Empty if there is no such file.
inline const Bytes& content_of(const MemoryStorage& storage, const std::string& path) {
    static const Bytes none;
    const auto file = storage.files().find(path);
    return file == storage.files().end() ? none : file->second->octets;
}

inline Bytes some_octets(std::size_t size, std::uint64_t seed = 42) {
    Bytes octets(size);
    SeededRandomness{seed}.fill(octets);
    return octets;
}

}  // namespace muster::files::testing
