#include "files/receiver.h"

#include <algorithm>

#include "base/text.h"
#include "base/writer.h"
#include "files/file_name.h"

namespace muster::files {
namespace {

// On a slow link a whole chunk takes seconds to arrive; when the disk is idle, this much is written early, so
// that progress moves. Smaller writes would cost more calls than they show.
constexpr std::size_t kEarlyWrite = 64 * 1024;

// Two devices, or two transfers of one device, never meet in one part file; the same transfer does, so that
// it can be continued.
std::string part_name(const DeviceId& from, const TransferId& id) {
    Bytes both;
    Writer{both}.write(from.bytes).write(id);
    const Sha256Digest digest = sha256(both);
    const std::string digits = base32(std::as_bytes(std::span{digest}).first(kPartDigits * 5 / 8));
    return std::string{kPartPrefix} + digits + std::string{kPartSuffix};
}

}  // namespace

FileReceiver::FileReceiver(Options options, TimePoint now)
    : options_(options), since_(now), heard_at_(now), spoke_at_(now) {
    options_.chunk = std::clamp<std::size_t>(options_.chunk, 4 * 1024, kMaxDataBody);
}

// ---- the stream -------------------------------------------------------------------------------------------

// Octets of the file that may be taken now.
std::size_t FileReceiver::room() const {
    const std::size_t in_chunk = options_.chunk - chunk_.size();
    const bool can_write = at_storage_ + requests_.size() < kMaxStorageRequests;
    return can_write ? in_chunk : in_chunk - 1;  // the chunk never fills while it could not be passed on
}

std::size_t FileReceiver::on_stream_bytes(ByteView octets, TimePoint now) {
    if (octets.empty()) return 0;
    if (is_over()) return octets.size();
    heard_at_ = now;
    ByteView rest = octets;
    while (auto piece = in_.next(rest, room())) {
        on_frame(*piece, now);
        if (is_over()) return octets.size();
    }
    if (in_.failed()) violation("sent something that is not a file transfer", now);
    return is_over() ? octets.size() : octets.size() - rest.size();
}

void FileReceiver::on_frame(const FileFrameReader::Piece& piece, TimePoint now) {
    using enum FileFrame;
    switch (piece.type) {
        case offer: return on_offer(piece.body, now);
        case data: return on_data(piece.body, now);
        case end: return on_end(piece.body, now);
        case cancel: return on_cancel(piece.body, now);
        case keep_alive: return;
        case accept:
        case decline:
        case progress:
        case verdict: return violation("sent a frame that only a receiver sends", now);
    }
}

void FileReceiver::on_offer(ByteView body, TimePoint now) {
    if (state_ != State::waiting && !awaits_offer_)
        return violation("offered a second file on one stream", now);
    auto offer = parse_offer(body);
    if (!offer) return fail(FileFrame::decline, offer.error(), now);
    if (awaits_offer_) return on_offer_again(*offer, now);
    offer_ = FileOffer{.id = offer->id, .from = options_.from, .name = std::move(offer->name)};
    offer_.size = offer->size;
    offer_.modified = offer->modified;
    for (const auto& [key, value] : offer->hints)
        offer_.hints.push_back({cleaned(key, kMaxHintKey), cleaned(value, kMaxHintValue)});
    if (const auto fit = check_file_name(offer_.name); !fit)
        return fail(FileFrame::decline, fit.error(), now);
    if (offer_.size > options_.size_limit)
        return fail(FileFrame::decline,
                    Error{Errc::too_large, "the file has " + std::to_string(offer_.size) +
                                               " octets, more than the limit of " +
                                               std::to_string(options_.size_limit)},
                    now);
    state_ = State::offered;
    since_ = now;
    meter_.start(0, offer_.size, now);
    offer_event_ = true;
}

void FileReceiver::on_offer_again(const OfferFrame& again, TimePoint now) {
    if (again.id != offer_.id || again.size != offer_.size || again.name != offer_.name)
        return violation("offered another file than before", now);
    awaits_offer_ = false;
    if (state_ != State::receiving && state_ != State::publishing) return;  // it is accepted when it can be
    resumed_at_ = received_;
    moved_at_ = now;
    say(encode(FileFrame::accept, received_));
}

void FileReceiver::on_data(ByteView octets, TimePoint now) {
    if (state_ != State::receiving) return violation("sent octets that were not asked for", now);
    if (octets.size() > offer_.size - received_) return violation("sent more octets than it offered", now);
    chunk_.insert(chunk_.end(), octets.begin(), octets.end());
    received_ += octets.size();
    moved_at_ = now;
    const bool idle = at_storage_ + requests_.size() == 0;
    if (chunk_.size() == options_.chunk || (idle && chunk_.size() >= kEarlyWrite)) write_chunk();
}

void FileReceiver::on_end(ByteView body, TimePoint now) {
    const auto digest = parse_end(body);
    const bool is_repeated = state_ == State::publishing && digest == digest_;
    if (is_repeated) return;  // after a loss of the stream; the verdict follows
    if (state_ != State::receiving || !digest) return violation("sent a misplaced end of file", now);
    if (received_ != offer_.size) return violation("ended the file too early", now);
    if (!chunk_.empty()) write_chunk();
    digest_ = *digest;
    SinkRequest request{.kind = SinkRequest::Kind::publish};
    request.expected = digest_;
    request.target.name = receive_.name.empty() ? offer_.name : receive_.name;
    request.target.on_name_taken = receive_.on_name_taken;
    if (receive_.keep_modified_time) request.target.modified = offer_.modified;
    ask(std::move(request));
    state_ = State::publishing;
    since_ = now;
}

void FileReceiver::on_cancel(ByteView body, TimePoint now) {
    const auto reason = parse_reason(body);
    if (!reason) return violation("sent a malformed reason", now);
    if (state_ == State::publishing) return;  // too late: the verdict tells both how it ended
    end(error_of(*reason), now);
}

void FileReceiver::on_stream_end(TimePoint now) {
    peer_ended_ = true;
    if (is_over()) return;
    if (state_ == State::publishing) return;  // all is here; only the verdict may not be heard
    violation("ended the stream before the file was complete", now);
}

void FileReceiver::on_stream_reset(Error why, TimePoint now) {
    peer_ended_ = stream_gone_ = true;
    out_.clear();
    // What is being named cannot be called back, and is complete.
    if (!is_over() && state_ != State::publishing) end(std::move(why), now);
}

bool FileReceiver::on_stream_lost(const Error& why, TimePoint now) {
    const bool has_failed = is_over() && result_ && !*result_;
    if (state_ == State::waiting || has_failed) {
        on_stream_reset(why, now);
        return false;
    }
    out_.clear();
    in_ = {};
    peer_ended_ = awaits_offer_ = false;
    stream_gone_ = awaits_stream_ = true;
    heard_at_ = moved_at_ = now;
    if (state_ == State::finished) since_ = now;
    return true;
}

void FileReceiver::on_stream_renewed(TimePoint now) {
    stream_gone_ = awaits_stream_ = false;
    awaits_offer_ = true;
    heard_at_ = spoke_at_ = moved_at_ = now;
    if (!is_over()) return;
    since_ = now;
    say_result();
}

/// Of a transfer that is over, to a sender that asks again.
void FileReceiver::say_result() {
    if (!result_) return;
    say(*result_ ? encode(FileFrame::verdict, ReasonFrame{FileCode::ok, ""})
                 : encode(FileFrame::cancel, reason_of(result_->error())));
}

Slice FileReceiver::next_output(std::size_t max, TimePoint now) {
    Slice slice = out_.pop(max);
    if (!slice.empty()) spoke_at_ = now;
    return slice;
}

// ---- the storage ------------------------------------------------------------------------------------------

void FileReceiver::write_chunk() {
    SinkRequest request{.kind = SinkRequest::Kind::write};
    request.offset = written_;
    written_ += chunk_.size();
    request.data = Slice::from(std::move(chunk_));
    chunk_ = Bytes{};
    chunk_.reserve(
        static_cast<std::size_t>(std::min<std::uint64_t>(options_.chunk, offer_.size - received_)));
    ask(std::move(request));
}

std::optional<SinkRequest> FileReceiver::next_request(TimePoint now) {
    if (requests_.empty() || at_storage_ >= kMaxStorageRequests) return std::nullopt;
    if (at_storage_++ == 0) storage_since_ = now;
    SinkRequest request = std::move(requests_.front());
    requests_.pop_front();
    return request;
}

void FileReceiver::on_storage(SinkReply reply, TimePoint now) {
    if (at_storage_ > 0) --at_storage_;
    storage_since_ = heard_at_ = moved_at_ = now;  // until now it was this end that did not listen
    using enum SinkRequest::Kind;
    if (reply.kind == discard) {
        state_ = State::finished;
        since_ = now;
        return;
    }
    if (reply.kind == create && !reply.error) part_exists_ = true;
    if (is_over()) return;
    if (reply.error) {
        return fail(reply.kind == create    ? FileFrame::decline
                    : reply.kind == publish ? FileFrame::verdict
                                            : FileFrame::cancel,
                    std::move(*reply.error), now);
    }
    switch (reply.kind) {
        case create: return on_created(now);
        case write: return on_written(reply.octets, now);
        case publish: return on_published(std::move(reply.path), now);
        case discard: return;
    }
}

void FileReceiver::on_storage_gone(TimePoint now) {
    if (!is_over()) {
        auto error = storage_gone();
        if (state_ == State::publishing) error = file_may_be_there();
        end(std::move(error), now);
    }
    requests_.clear();
    at_storage_ = 0;
    state_ = State::finished;
}

void FileReceiver::on_created(TimePoint now) {
    state_ = State::receiving;
    since_ = accepted_at_ = moved_at_ = now;
    meter_.start(0, offer_.size, now);
    if (!awaits_offer_) say(encode(FileFrame::accept, std::uint64_t{0}));  // else with the offer
}

void FileReceiver::on_written(std::uint64_t octets, TimePoint now) {
    stored_ += octets;
    meter_.advance(stored_, now);
    if (meter_.due(now)) progress_event_ = true;
    if (stored_ > reported_ && now - spoke_at_ >= kProgressInterval) report(now);
}

void FileReceiver::report(TimePoint now) {
    if (!out_.empty() || stream_gone_ || awaits_offer_)
        return;                                  // the sender does not listen; the next report says more
    reported_ = std::max(stored_, resumed_at_);  // never less than before
    spoke_at_ = now;
    out_.push(encode(FileFrame::progress, reported_));
}

void FileReceiver::say(Slice frame) {
    if (!stream_gone_) out_.push(std::move(frame));
}

void FileReceiver::on_published(std::string path, TimePoint now) {
    part_exists_ = false;
    say(encode(FileFrame::verdict, ReasonFrame{FileCode::ok, ""}));
    end(FileReceipt{std::move(path), offer_.size, digest_, now - accepted_at_}, now);
}

// ---- the time ---------------------------------------------------------------------------------------------

TimePoint FileReceiver::deadline() const {
    switch (state_) {
        case State::waiting: return since_ + options_.stall;
        case State::offered: return since_ + options_.patience;
        case State::receiving:
            return want_bytes() ? std::min(heard_at_ + options_.stall, moved_at_ + kNoProgressPatience)
                                : kNever;
        case State::creating:
        case State::publishing:
        case State::cleaning: return kNever;  // the storage's own deadline
        case State::finished:
            if (awaits_stream_) return since_ + options_.stall;
            return peer_ended_ && out_.empty() ? kNever : since_ + kFileLinger;
    }
    return kNever;
}

TimePoint FileReceiver::next_wakeup() const {
    if (interrupted_) return kNever;
    TimePoint when = deadline();
    if (state_ == State::finished) return when;
    if (at_storage_ > 0) when = std::min(when, storage_since_ + kStoragePatience);
    const bool active = state_ == State::receiving || state_ == State::publishing;
    if (active && !stream_gone_ && !awaits_offer_ && out_.empty())
        when = std::min(when, spoke_at_ + kFileHeartbeat);
    return when;
}

void FileReceiver::on_timer(TimePoint now) {
    if (interrupted_ || now < next_wakeup()) return;
    if (state_ == State::finished) {
        peer_ended_ = true;
        out_.clear();
        return;
    }
    if (now >= deadline()) {
        if (state_ == State::offered) return fail(FileFrame::decline, offer_unanswered(), now);
        return fail(FileFrame::cancel, peer_stalled(now - heard_at_, options_.stall), now);
    }
    if (at_storage_ > 0 && now >= storage_since_ + kStoragePatience) {
        if (state_ != State::cleaning) return fail(FileFrame::cancel, storage_stalled(), now);
        state_ = State::finished;  // the worker removes the part file when its storage lets it
        since_ = now;
        return;
    }
    report(now);
}

void FileReceiver::on_resumed(TimePoint now) {
    interrupted_ = false;
    heard_at_ = spoke_at_ = moved_at_ = storage_since_ = now;
    if (state_ != State::receiving && state_ != State::publishing) since_ = now;
}

// ---- the application and the end --------------------------------------------------------------------------

void FileReceiver::accept(const ReceiveFileOptions& receive, TimePoint now) {
    if (state_ != State::offered) return;
    if (!receive.name.empty())
        if (const auto fit = check_file_name(receive.name, HiddenNames::allow); !fit)
            return fail(FileFrame::decline, fit.error(), now);

    receive_ = receive;
    SinkRequest request{.kind = SinkRequest::Kind::create};
    request.part = {receive_.directory, part_name(options_.from, offer_.id), offer_.size};
    ask(std::move(request));
    state_ = State::creating;
    since_ = now;
}

void FileReceiver::decline(std::string_view reason, TimePoint now) {
    if (state_ == State::offered)
        fail(FileFrame::decline, Error{Errc::declined, cleaned(reason, kMaxReason)}, now);
}

void FileReceiver::cancel(std::string_view reason, TimePoint now) {
    if (is_over() || state_ == State::publishing) return;
    fail(FileFrame::cancel, Error{Errc::cancelled, cleaned(reason, kMaxReason)}, now);
}

void FileReceiver::violation(std::string_view what, TimePoint now) {
    fail(FileFrame::cancel, Error{Errc::protocol_violation, "the other device " + std::string(what)}, now);
}

void FileReceiver::fail(FileFrame how, Error error, TimePoint now) {
    if (is_over()) return;
    say(encode(how, reason_of(error)));
    end(std::move(error), now);
}

void FileReceiver::end(Result<FileReceipt> result, TimePoint now) {
    if (!result) {
        auto error = result.error();
        error.during(offer_.name.empty() ? "receiving a file"
                                         : "receiving '" + cleaned(offer_.name, kMaxFileName) + "'");
        result = std::move(error);
    }
    result_ = std::move(result);
    const bool part_may_exist = part_exists_ || at_storage_ > 0;
    requests_.clear();
    chunk_ = Bytes{};
    since_ = now;
    state_ = part_may_exist ? State::cleaning : State::finished;
    if (part_may_exist) ask({.kind = SinkRequest::Kind::discard});
}

std::optional<FileReceiver::Event> FileReceiver::next_event() {
    if (std::exchange(offer_event_, false)) return offer_;
    if (std::exchange(progress_event_, false)) return meter_.progress();
    if (state_ != State::finished || result_taken_ || !result_) return std::nullopt;
    result_taken_ = true;
    return FileFinished{*result_};
}

bool FileReceiver::done() const {
    return state_ == State::finished && result_taken_ && requests_.empty() && at_storage_ == 0 &&
           out_.empty() && peer_ended_;
}

}  // namespace muster::files
