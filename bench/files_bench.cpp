// How fast a file passes through both engines and both workers in memory, on one thread: what file transfer
// costs apart from disk and network. Most of it is SHA-256, twice, which is measured beside it. Counted per
// second of CPU time, so that other work on the machine does not show.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "base/crypto.h"
#include "files/receiver.h"
#include "files/sender.h"
#include "json_lines.h"
#include "os/file_store.h"

using namespace muster;
using namespace muster::files;

namespace {

constexpr std::uint64_t kSize = 2ull << 30;

/// A file that costs no more to read or write than a copy.
class QuickStorage final : public FileStorage {
public:
    Result<std::unique_ptr<FileSource>> open(const std::string&) override {
        return std::unique_ptr<FileSource>(std::make_unique<Source>());
    }
    Result<std::unique_ptr<FileSink>> create(const PartSpec&) override {
        return std::unique_ptr<FileSink>(std::make_unique<Sink>());
    }

private:
    class Source final : public FileSource {
        Result<FileStat> stat() override { return FileStat{kSize, 0, 0, 0}; }
        Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) override {
            const std::size_t size =
                static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), kSize - offset));
            std::memset(out.data(), static_cast<int>(offset >> 18), size);
            return size;
        }
    };
    class Sink final : public FileSink {
        Result<void> write_at(std::uint64_t, ByteView octets) override {
            std::memcpy(page_.data(), octets.data(), std::min(octets.size(), page_.size()));
            return {};
        }
        Result<void> sync(const std::optional<FileTime>&) override { return {}; }
        Result<std::string> publish(const std::string& name) override { return name; }
        void discard() noexcept override {}

        Bytes page_ = Bytes(1 << 20);
    };
};

/// Both engines joined without a network; true if the file arrived.
class Loop {
public:
    Loop(FileStorage& storage, const std::string& path, const std::string& directory)
        : sender_(sender_options(path), SteadyClock::now()),
          receiver_({}, SteadyClock::now()),
          source_(storage, path),
          sink_(storage) {
        receive_.directory = directory;
    }

    Result<FileReceipt> run() {
        std::optional<Result<FileReceipt>> received;
        while (!received) {
            const TimePoint now = SteadyClock::now();
            move(now);
            while (auto request = sender_.next_request(now)) sender_.on_storage(source_.run(*request), now);
            while (auto request = receiver_.next_request(now)) receiver_.on_storage(sink_.run(*request), now);
            while (sender_.next_event()) {
            }
            while (auto event = receiver_.next_event()) {
                if (std::holds_alternative<FileOffer>(*event)) receiver_.accept(receive_, now);
                if (auto* over = std::get_if<FileFinished>(&*event)) received = over->result;
            }
        }
        return *received;
    }

private:
    static FileSender::Options sender_options(const std::string& path) {
        FileSender::Options options;
        options.path = path;
        return options;
    }

    void move(TimePoint now) {
        if (held_.empty()) held_ = sender_.next_output(256 * 1024, now);
        while (!held_.empty()) {
            const std::size_t taken = receiver_.on_stream_bytes(held_.view(), now);
            if (taken == 0) break;
            held_ = taken < held_.size() ? held_.subslice(taken) : sender_.next_output(256 * 1024, now);
        }
        for (Slice out = receiver_.next_output(4096, now); !out.empty();
             out = receiver_.next_output(4096, now))
            sender_.on_stream_bytes(out.view(), now);
    }

    FileSender sender_;
    FileReceiver receiver_;
    SourceWorker source_;
    SinkWorker sink_;
    ReceiveFileOptions receive_;
    Slice held_;
};

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double hash_rate() {
    const Bytes chunk(256 * 1024, std::byte{7});
    Sha256 hash;
    const double start = cpu_seconds();
    std::uint64_t done = 0;
    for (; done < kSize; done += chunk.size()) hash.update(chunk);
    (void)hash.finish();
    return static_cast<double>(done) / (cpu_seconds() - start) / 1e9;
}

}  // namespace

// With arguments: sends the file argv[1] into the directory argv[2] on disk.
int main(int argc, char** argv) {
    bench::JsonLines out{"muster"};
    os::FileStore disk;
    QuickStorage quick;
    const bool on_disk = argc == 3;
    Loop loop{on_disk ? static_cast<FileStorage&>(disk) : quick, on_disk ? argv[1] : "file",
              on_disk ? argv[2] : "memory"};
    const double start = cpu_seconds();
    const auto receipt = loop.run();
    if (!receipt) return std::fprintf(stderr, "%s\n", receipt.error().explain().c_str()), 1;
    const double rate = static_cast<double>(receipt->octets) / (cpu_seconds() - start) / 1e9;
    out.line(on_disk ? "file_on_disk" : "file_in_memory", rate, "GB per CPU second", 1);
    out.line("sha256_alone", hash_rate(), "GB per CPU second", 1);
}
