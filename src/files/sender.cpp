#include "files/sender.h"

#include <algorithm>

#include "base/text.h"
#include "files/file_name.h"

namespace muster::files {
namespace {

constexpr std::size_t kSmallestChunk = 4 * 1024;
constexpr std::size_t kLargestChunk = kMaxDataBody;
constexpr std::size_t kLargestHeader = 1 + 8;  // type and varint
constexpr std::size_t kEndFrameSize = 2 + std::tuple_size_v<Sha256Digest>;

}  // namespace

FileSender::FileSender(Options options, TimePoint now)
    : options_(std::move(options)), since_(now), heard_at_(now), spoke_at_(now) {
    options_.chunk = std::clamp(options_.chunk, kSmallestChunk, kLargestChunk);
    options_.read_ahead = std::max(options_.read_ahead, options_.chunk);
    auto& name = options_.send.name;
    if (name.empty()) name = std::string(base_name(options_.path));
    // Hidden names are for the receiver to judge.
    const auto fit = check_file_name(name, HiddenNames::allow);
    if (!fit) {
        finish(fit.error(), now);
        return;
    }
    requests_.push_back({.kind = SourceRequest::Kind::open});
}

// ---- the stream -------------------------------------------------------------------------------------------

std::size_t FileSender::on_stream_bytes(ByteView octets, TimePoint now) {
    const std::size_t size = octets.size();
    if (state_ == State::finished || size == 0) return size;
    heard_at_ = now;
    while (auto piece = in_.next(octets, octets.size())) {
        on_frame(*piece, now);
        if (state_ == State::finished) return size;
    }
    if (in_.failed()) violation("sent something that is not a file transfer", now);
    return size;
}

void FileSender::on_frame(const FileFrameReader::Piece& piece, TimePoint now) {
    using enum FileFrame;
    switch (piece.type) {
        case accept: return on_accept(piece.body, now);
        case progress: return on_progress(piece.body, now);
        case verdict: return on_verdict(piece.body, now);
        case decline:
        case cancel: return on_reason(piece.body, now);
        case keep_alive: return;
        case offer:
        case data:
        case end: return violation("sent a frame that only a sender sends", now);
    }
}

void FileSender::on_accept(ByteView body, TimePoint now) {
    const auto offset = parse_number(body);
    if (state_ != State::offered || !offset || *offset > opened_as_.size)
        return violation("accepted something that was not offered", now);
    resume_at_ = *offset;
    state_ = State::sending;
    since_ = moved_at_ = now;
    meter_.start(resume_at_, opened_as_.size, now);
    accepted_event_ = !std::exchange(was_accepted_, true);
    if (accepted_event_) accepted_at_ = now;
    read_more();
}

void FileSender::on_progress(ByteView body, TimePoint now) {
    const auto stored = parse_number(body);
    const bool active = state_ == State::sending || state_ == State::confirming;
    if (!active || !stored || *stored < meter_.progress().octets_done ||
        *stored > std::max(queued_, resume_at_))
        return violation("reports progress that cannot be", now);
    if (*stored > meter_.progress().octets_done) moved_at_ = now;
    meter_.advance(*stored, now);
    if (meter_.due(now)) progress_event_ = true;
}

void FileSender::on_verdict(ByteView body, TimePoint now) {
    const auto verdict = parse_reason(body);
    if (!verdict) return violation("sent a malformed verdict", now);
    if (verdict->code != FileCode::ok) return finish(error_of(*verdict), now);
    if (!knows_digest_) return violation("confirmed a file that was not sent yet", now);
    meter_.advance(opened_as_.size, now);
    progress_event_ = meter_.due(now) || progress_event_;
    finish(FileReceipt{options_.path, opened_as_.size, digest_, now - accepted_at_}, now);
}

void FileSender::on_reason(ByteView body, TimePoint now) {
    const auto reason = parse_reason(body);
    if (!reason) return violation("sent a malformed reason", now);
    if (cancel_reason_) return finish(Error{Errc::cancelled, *cancel_reason_}, now);
    finish(error_of(*reason), now);
}

void FileSender::on_stream_end(TimePoint now) {
    peer_ended_ = true;
    if (state_ == State::finished) return;
    if (cancel_reason_) return finish(Error{Errc::cancelled, *cancel_reason_}, now);
    violation("ended the stream before the file was confirmed", now);
}

void FileSender::on_stream_reset(Error why, TimePoint now) {
    peer_ended_ = true;
    out_.clear();
    finish(std::move(why), now);
}

bool FileSender::on_stream_lost(const Error& why, TimePoint now) {
    if (state_ == State::finished || cancel_reason_) {
        on_stream_reset(cancel_reason_ ? Error{Errc::cancelled, *cancel_reason_} : why, now);
        return false;
    }
    out_.clear();
    in_ = {};
    since_ = heard_at_ = spoke_at_ = now;
    if (state_ == State::opening) return true;
    // The digest covers the whole file: it is read from its beginning, though only what is missing is sent.
    state_ = State::opening;
    requests_.clear();
    requests_.push_back({.kind = SourceRequest::Kind::close});
    requests_.push_back({.kind = SourceRequest::Kind::open});
    requested_ = queued_ = resume_at_ = 0;
    return true;
}

Slice FileSender::next_output(std::size_t max, TimePoint now) {
    Slice slice = out_.pop(max);
    if (!slice.empty()) spoke_at_ = now;
    if (state_ == State::sending) read_more();
    return slice;
}

// ---- the storage ------------------------------------------------------------------------------------------

std::optional<SourceRequest> FileSender::next_request(TimePoint now) {
    if (requests_.empty() || at_storage_ >= kMaxStorageRequests) return std::nullopt;
    if (at_storage_++ == 0) storage_since_ = now;
    SourceRequest request = requests_.front();
    requests_.pop_front();
    return request;
}

void FileSender::on_storage(SourceReply reply, TimePoint now) {
    if (at_storage_ > 0) --at_storage_;
    storage_since_ = now;
    if (state_ == State::finished) return;
    using enum SourceRequest::Kind;
    if (state_ == State::opening && reply.kind != open) return;  // asked for before the stream was lost
    if (reply.error) return fail(std::move(*reply.error), now);
    switch (reply.kind) {
        case open: return on_opened(reply, now);
        case read: return on_read(reply, now);
        case finish: return on_read_all(reply, now);
        case close: return;
    }
}

void FileSender::on_storage_gone(TimePoint now) {
    finish(storage_gone(), now);
    requests_.clear();
    at_storage_ = 0;
}

void FileSender::on_opened(const SourceReply& reply, TimePoint now) {
    if (std::exchange(was_opened_, true)) {
        if (auto changed = change_in(reply)) return fail(std::move(*changed), now);
    } else {
        opened_as_ = reply.stat;
        meter_.start(0, opened_as_.size, now);
    }
    OfferFrame offer{.id = options_.id, .size = opened_as_.size, .name = options_.send.name};
    offer.modified = FileTime{std::chrono::nanoseconds{opened_as_.modified_ns}};
    offer.hints = options_.send.hints;
    out_.push(encode(offer));
    state_ = State::offered;
    since_ = now;
}

void FileSender::on_read(SourceReply& reply, TimePoint now) {
    if (auto changed = change_in(reply)) return fail(std::move(*changed), now);
    const std::uint64_t from = queued_;
    queued_ += reply.data.size();
    if (queued_ > resume_at_) {
        const std::uint64_t known = resume_at_ > from ? resume_at_ - from : 0;
        out_.push_data(reply.data.subslice(static_cast<std::size_t>(known)));
    }
    read_more();
}

void FileSender::on_read_all(const SourceReply& reply, TimePoint now) {
    if (auto changed = change_in(reply)) return fail(std::move(*changed), now);
    digest_ = reply.digest;
    knows_digest_ = true;
    out_.push(encode_end(digest_));
    state_ = State::confirming;
    since_ = now;
}

// Both the state of the file and the octets that it gave must be those of the offer.
std::optional<Error> FileSender::change_in(const SourceReply& reply) const {
    const auto changed = [&](std::string what) {
        return Error{Errc::source_changed, "the file changed while it was being sent: " + std::move(what)}
            .cure("send it again when nobody writes to it");
    };
    const FileStat& is = reply.stat;
    if (is.inode != opened_as_.inode || is.device != opened_as_.device)
        return changed("another file has taken its name");
    if (is.size != opened_as_.size)
        return changed("it had " + std::to_string(opened_as_.size) + " octets and has now " +
                       std::to_string(is.size));
    if (is.modified_ns != opened_as_.modified_ns) return changed("it was written to");
    if (reply.kind != SourceRequest::Kind::read) return std::nullopt;
    const std::uint64_t expected = std::min<std::uint64_t>(options_.chunk, opened_as_.size - queued_);
    if (reply.data.size() != expected) return changed("it ended too early");
    return std::nullopt;
}

void FileSender::read_more() {
    const auto busy = [&] { return at_storage_ + requests_.size(); };
    const std::size_t headers = options_.read_ahead / options_.chunk * kLargestHeader;
    while (requested_ < opened_as_.size && busy() < kMaxStorageRequests &&
           out_.octets() + (requested_ - queued_) + options_.chunk <= options_.read_ahead + headers) {
        const std::uint64_t size = std::min<std::uint64_t>(options_.chunk, opened_as_.size - requested_);
        requests_.push_back({SourceRequest::Kind::read, requested_, static_cast<std::size_t>(size)});
        requested_ += size;
    }
    if (queued_ == opened_as_.size && busy() == 0) requests_.push_back({.kind = SourceRequest::Kind::finish});
}

// ---- the time ---------------------------------------------------------------------------------------------

TimePoint FileSender::deadline() const {
    switch (state_) {
        case State::opening: return kNever;  // the storage's own deadline
        case State::offered: return since_ + options_.send.patience;
        case State::sending:
        case State::confirming:
            return std::min(heard_at_ + options_.send.stall, moved_at_ + kNoProgressPatience);
        case State::finished: return peer_ended_ && out_.empty() ? kNever : since_ + kFileLinger;
    }
    return kNever;
}

TimePoint FileSender::next_wakeup() const {
    if (interrupted_) return kNever;
    TimePoint when = deadline();
    if (state_ == State::finished) return when;
    if (at_storage_ > 0) when = std::min(when, storage_since_ + kStoragePatience);
    if (state_ == State::sending && out_.empty()) when = std::min(when, spoke_at_ + kFileHeartbeat);
    return when;
}

void FileSender::on_timer(TimePoint now) {
    if (interrupted_ || now < next_wakeup()) return;
    if (state_ == State::finished) {
        peer_ended_ = true;  // lingered long enough
        out_.clear();
        return;
    }
    if (now >= deadline()) {
        if (cancel_reason_) return finish(Error{Errc::cancelled, *cancel_reason_}, now);
        if (state_ == State::offered) return fail(offer_unanswered(), now);
        return fail(peer_stalled(now - heard_at_, options_.send.stall), now);
    }
    if (at_storage_ > 0 && now >= storage_since_ + kStoragePatience) return fail(storage_stalled(), now);
    out_.push(encode_keep_alive());
}

void FileSender::on_resumed(TimePoint now) {
    interrupted_ = false;
    heard_at_ = spoke_at_ = moved_at_ = now;
    if (state_ == State::offered || state_ == State::finished) since_ = now;
    storage_since_ = now;
}

// ---- the end ----------------------------------------------------------------------------------------------

void FileSender::cancel(std::string_view reason, TimePoint now) {
    if (state_ == State::finished || cancel_reason_) return;
    const Error error{Errc::cancelled, cleaned(reason, kMaxReason)};
    // While the digest waits here, the receiver cannot complete the file: what was queued is taken back.
    if (state_ != State::confirming || out_.octets() >= kEndFrameSize) return fail(error, now);
    // The receiver may be naming the file at this moment. Ask, and let its answer decide for both.
    out_.push(encode(FileFrame::cancel, reason_of(error)));
    cancel_reason_ = error.message();
}

void FileSender::violation(std::string_view what, TimePoint now) {
    fail(Error{Errc::protocol_violation, "the other device " + std::string(what)}, now);
}

void FileSender::fail(Error error, TimePoint now) {
    if (state_ == State::finished) return;
    const bool told = was_opened_;  // before the offer there is nobody to tell
    out_.drop_unstarted();
    if (told) out_.push(encode(FileFrame::cancel, reason_of(error)));
    end(std::move(error), now);
}

void FileSender::finish(Result<FileReceipt> result, TimePoint now) {
    if (state_ == State::finished) return;
    out_.clear();  // the peer has ended it and throws away what is under way
    end(std::move(result), now);
}

void FileSender::end(Result<FileReceipt> result, TimePoint now) {
    if (!result) {
        auto error = result.error();
        error.during("sending '" + cleaned(options_.send.name, kMaxFileName) + "'");
        result = std::move(error);
    }
    requests_.clear();
    requests_.push_back({.kind = SourceRequest::Kind::close});
    state_ = State::finished;
    since_ = now;
    finished_event_ = std::move(result);
}

std::optional<FileSender::Event> FileSender::next_event() {
    if (std::exchange(accepted_event_, false)) return FileAccepted{};
    if (std::exchange(progress_event_, false)) return meter_.progress();
    if (!finished_event_) return std::nullopt;
    FileFinished finished{std::move(*finished_event_)};
    finished_event_.reset();
    return finished;
}

bool FileSender::done() const {
    return state_ == State::finished && !finished_event_ && requests_.empty() && at_storage_ == 0 &&
           out_.empty() && peer_ended_;
}

}  // namespace muster::files
