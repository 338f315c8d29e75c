#include "files/memory_storage.h"

#include <algorithm>
#include <utility>

namespace muster::files {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

Error full() {
    return Error{Errc::storage, "the disk is full: No space left on device"}.cure("free some space");
}

}  // namespace

class MemorySource final : public FileSource {
public:
    MemorySource(MemoryStorage& storage, std::string path)
        : storage_(storage), path_(std::move(path)), file_(storage.files_.at(path_)) {}

    Result<FileStat> stat() override {
        const auto now = storage_.files_.find(path_);
        return now == storage_.files_.end() ? file_->stat : now->second->stat;
    }

    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) override {
        if (const auto ok = storage_.step("read"); !ok) return ok.error();
        const Bytes& octets = file_->octets;
        if (offset >= octets.size()) return std::size_t{0};
        const std::size_t size = std::min(out.size(), octets.size() - static_cast<std::size_t>(offset));
        std::copy_n(octets.begin() + static_cast<std::ptrdiff_t>(offset), size, out.begin());
        return size;
    }

private:
    MemoryStorage& storage_;
    std::string path_;
    std::shared_ptr<MemoryStorage::File> file_;  // shared with the storage: an open file survives its name
};

class MemorySink final : public FileSink {
public:
    MemorySink(MemoryStorage& storage, const PartSpec& spec)
        : storage_(storage), directory_(spec.directory), path_(spec.directory + "/" + spec.part_name) {}
    MemorySink(const MemorySink&) = delete;
    MemorySink& operator=(const MemorySink&) = delete;
    ~MemorySink() override { discard(); }

    Result<void> write_at(std::uint64_t offset, ByteView octets) override {
        if (const auto ok = storage_.step("write"); !ok) return ok.error();
        Bytes& content = storage_.files_.at(path_)->octets;
        const std::size_t end = static_cast<std::size_t>(offset) + octets.size();
        const std::size_t growth = end > content.size() ? end - content.size() : 0;
        if (growth > storage_.space_ - std::min(storage_.used(), storage_.space_)) return full();
        if (growth > 0) content.resize(end);
        std::ranges::copy(octets, content.begin() + static_cast<std::ptrdiff_t>(offset));
        return {};
    }

    Result<void> sync(const std::optional<FileTime>& modified) override {
        if (const auto ok = storage_.step("sync"); !ok) return ok.error();
        FileStat& stat = storage_.files_.at(path_)->stat;
        if (modified) stat.modified_ns = modified->time_since_epoch().count();
        return {};
    }

    Result<std::string> publish(const std::string& name) override {
        if (const auto ok = storage_.step("publish"); !ok) return ok.error();
        std::string target = directory_ + "/" + name;
        if (storage_.files_.contains(target))
            return Error{Errc::already_exists, "a file of this name exists"};
        auto part = storage_.files_.extract(path_);
        part.key() = target;
        part.mapped()->stat.size = part.mapped()->octets.size();
        storage_.files_.insert(std::move(part));
        published_ = true;
        return target;
    }

    void discard() noexcept override {
        if (!std::exchange(published_, true)) storage_.files_.erase(path_);
    }

private:
    MemoryStorage& storage_;
    std::string directory_;
    std::string path_;
    bool published_ = false;
};

Result<void> MemoryStorage::step(const char* what) {
    if (operations_++ != fail_at_) return {};
    return Error{Errc::storage, std::string(what) + " failed: Input/output error"}.cure("check the disk");
}

std::uint64_t MemoryStorage::used() const {
    std::uint64_t total = 0;
    for (const auto& [path, file] : files_) total += file->octets.size();
    return total;
}

Result<std::unique_ptr<FileSource>> MemoryStorage::open(const std::string& path) {
    if (const auto ok = step("open"); !ok) return ok.error();
    if (!files_.contains(path)) return Error{Errc::bad_input, "there is no file '" + path + "'"};
    return std::unique_ptr<FileSource>(std::make_unique<MemorySource>(*this, path));
}

Result<std::unique_ptr<FileSink>> MemoryStorage::create(const PartSpec& spec) {
    if (const auto ok = step("create"); !ok) return ok.error();
    if (spec.size > space_ - std::min(used(), space_)) return full();
    const std::string path = spec.directory + "/" + spec.part_name;
    if (files_.contains(path))
        return Error{Errc::already_exists, "this very transfer is under way already, or was left unfinished"};
    put(path, {});
    return std::unique_ptr<FileSink>(std::make_unique<MemorySink>(*this, spec));
}

void MemoryStorage::put(const std::string& path, Bytes octets) {
    auto& file = files_[path];
    if (!file) {
        file = std::make_shared<File>();
        file->stat.inode = next_inode_++;
    }
    file->stat.size = octets.size();
    file->stat.modified_ns += kSecond;
    file->octets = std::move(octets);
}

void MemoryStorage::replace(const std::string& path, Bytes octets) {
    files_.erase(path);
    put(path, std::move(octets));
}

}  // namespace muster::files
