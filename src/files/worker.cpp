#include "files/worker.h"

#include "files/file_name.h"

namespace muster::files {
namespace {

// Someone with a thousand files of one name wants a folder tidied rather than another file.
constexpr unsigned kMaxNumber = 1000;

Error not_open() { return Error{Errc::storage, "the file is not open"}; }

}  // namespace

SourceReply SourceWorker::run(const SourceRequest& request) {
    using enum SourceRequest::Kind;
    SourceReply reply{.kind = request.kind};
    Result<void> done;
    switch (request.kind) {
        case open: done = this->open(reply); break;
        case read: done = this->read(request, reply); break;
        case finish:
            done = look(reply);
            reply.digest = hash_.finish();
            break;
        case close: file_.reset(); break;
    }
    if (!done) reply.error = done.error();
    return reply;
}

Result<void> SourceWorker::open(SourceReply& reply) {
    auto opened = storage_.open(path_);
    if (!opened) return opened.error();
    file_ = std::move(*opened);
    hash_ = Sha256{};
    return look(reply);
}

Result<void> SourceWorker::read(const SourceRequest& request, SourceReply& reply) {
    if (!file_) return not_open();
    auto buffer = std::make_shared_for_overwrite<std::byte[]>(request.size);
    const auto count = file_->read_at(request.offset, {buffer.get(), request.size});
    if (!count) return count.error();
    const ByteView octets{buffer.get(), *count};
    hash_.update(octets);
    reply.data = Slice{std::move(buffer), octets};
    return look(reply);
}

Result<void> SourceWorker::look(SourceReply& reply) {
    if (!file_) return not_open();
    const auto stat = file_->stat();
    if (!stat) return stat.error();
    reply.stat = *stat;
    return {};
}

SinkReply SinkWorker::run(const SinkRequest& request) {
    using enum SinkRequest::Kind;
    SinkReply reply{.kind = request.kind};
    Result<void> done;
    switch (request.kind) {
        case create: done = this->create(request.part); break;
        case write:
            done = this->write(request);
            reply.octets = request.data.size();
            break;
        case publish:
            if (auto path = this->publish(request)) {
                reply.path = std::move(*path);
            } else {
                done = path.error();
            }
            break;
        case discard: file_.reset(); break;
    }
    if (!done) reply.error = done.error();
    return reply;
}

Result<void> SinkWorker::create(const PartSpec& part) {
    auto created = storage_.create(part);
    if (!created) return created.error();
    file_ = std::move(*created);
    return {};
}

Result<void> SinkWorker::write(const SinkRequest& request) {
    if (!file_) return not_open();
    const auto written = file_->write_at(request.offset, request.data.view());
    if (!written) return written.error();
    hash_.update(request.data.view());
    return {};
}

Result<std::string> SinkWorker::publish(const SinkRequest& request) {
    if (!file_) return not_open();
    if (hash_.finish() != request.expected)
        return Error{Errc::checksum_mismatch, "the SHA-256 of what arrived is not that of what was sent"}
            .cure("send the file again; if it happens again, check the memory and disks of both devices");
    if (const auto synced = file_->sync(request.target.modified); !synced) return synced.error();
    auto path = name_it(request.target);
    if (path) file_.reset();
    return path;
}

Result<std::string> SinkWorker::name_it(const PublishSpec& target) {
    auto path = file_->publish(target.name);
    if (target.on_name_taken == OnNameTaken::refuse) return path;
    for (unsigned number = 2; number <= kMaxNumber; ++number) {
        if (path || path.error().code() != Errc::already_exists) return path;
        path = file_->publish(numbered_name(target.name, number));
    }
    return path;
}

}  // namespace muster::files
