#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/crypto.h"
#include "base/file_storage.h"
#include "base/slice.h"

#include "muster/error.h"

namespace muster::files {

/// What a transfer engine wants done on its storage. The requests of one transfer are executed one after
/// another in the order in which the engine gave them, and answered in that order; each is answered once.
struct SourceRequest {
    enum class Kind {
        open,
        read,    ///< `size` octets at `offset`; also hashed, so reads go from 0 to the end without gaps
        finish,  ///< the digest of all that was read, and a last look at the file
        close,
    };
    Kind kind{};
    std::uint64_t offset = 0;
    std::size_t size = 0;
};

struct SourceReply {
    SourceRequest::Kind kind{};
    std::optional<Error> error{};
    FileStat stat{};  ///< After the operation; for open, read and finish.
    Slice data{};     ///< read: what was there; shorter than asked for at the end of the file.
    Sha256Digest digest{};
};

/// What becomes of a part file that is complete and verified.
struct PublishSpec {
    std::string name{};  ///< Checked.
    OnNameTaken on_name_taken = OnNameTaken::number;
    std::optional<FileTime> modified{};
};

struct SinkRequest {
    enum class Kind {
        create,
        write,    ///< appended and hashed
        publish,  ///< verify the digest, then sync and name the file
        discard,
    };
    Kind kind{};
    PartSpec part{};
    std::uint64_t offset = 0;
    Slice data{};
    Sha256Digest expected{};
    PublishSpec target{};
};

struct SinkReply {
    SinkRequest::Kind kind{};
    std::optional<Error> error{};
    std::uint64_t octets = 0;  ///< write: how many were written
    std::string path{};        ///< publish: where the file is now
};

/// Executes the requests of one sender. May block: run it on a worker thread, one request at a time.
/// Hashing happens here, beside the reading, so that it does not hold up the network strand.
class SourceWorker {
public:
    /// `storage` outlives the worker.
    SourceWorker(FileStorage& storage, std::string path) : storage_(storage), path_(std::move(path)) {}

    SourceReply run(const SourceRequest& request);

private:
    Result<void> open(SourceReply& reply);
    Result<void> read(const SourceRequest& request, SourceReply& reply);
    Result<void> look(SourceReply& reply);

    FileStorage& storage_;
    std::string path_;
    std::unique_ptr<FileSource> file_;
    Sha256 hash_;
};

/// Executes the requests of one receiver; as SourceWorker. Its destruction removes an unpublished part file.
class SinkWorker {
public:
    explicit SinkWorker(FileStorage& storage) : storage_(storage) {}

    SinkReply run(const SinkRequest& request);

private:
    Result<void> create(const PartSpec& part);
    Result<void> write(const SinkRequest& request);
    Result<std::string> publish(const SinkRequest& request);
    Result<std::string> name_it(const PublishSpec& target);

    FileStorage& storage_;
    std::unique_ptr<FileSink> file_;
    Sha256 hash_;
};

}  // namespace muster::files
