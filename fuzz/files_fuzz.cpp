// Both ends of a file transfer against peers that send garbage, at whatever moment, with storage that
// answers, fails or stays silent. They must not crash, hold more than their windows, or fail to end.
#include <cstdint>
#include <deque>
#include <optional>

#include "base/check.h"
#include "base/reader.h"
#include "files/memory_storage.h"
#include "files/receiver.h"
#include "files/sender.h"

using namespace muster;
using namespace muster::files;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kChunk = 4096;
constexpr std::size_t kFile = 20'000;

// An engine with its worker, driven by the octets of the input.
template <class Engine, class Worker, class Request>
class Driven {
public:
    Driven(Engine engine, Worker worker) : engine_(std::move(engine)), worker_(std::move(worker)) {}

    void step(std::uint8_t operation, Reader& in) {
        switch (operation % 9) {
            case 0:
            case 1: return feed(in);
            case 2: return take_requests();
            case 3: return answer();
            case 4: return let_pass(in);
            case 5: (void)engine_.next_output(1 + operation, now_); return;
            case 6: return engine_.cancel("fuzz\x1b", now_);
            case 7: return operation & 16 ? engine_.on_interrupted() : engine_.on_resumed(now_);
            case 8:
                return operation < 32    ? engine_.on_stream_end(now_)
                       : operation > 224 ? engine_.on_stream_reset(Error{Errc::lost, "gone"}, now_)
                                         : events();
        }
    }

    // Whatever happened, an end that is driven on reaches its own.
    void settle() {
        engine_.on_resumed(now_);
        for (int i = 0; i < 1000 && !engine_.done(); ++i) {
            while (!engine_.next_output(1 << 20, now_).empty()) {
            }
            take_requests();
            while (!requests_.empty()) answer();
            events();
            if (engine_.next_wakeup() == kNever) continue;
            now_ = std::max(now_, engine_.next_wakeup());
            engine_.on_timer(now_);
        }
        MUSTER_CHECK(engine_.done());
        MUSTER_CHECK(finished_ == 1);
    }

    Engine engine_;

private:
    void feed(Reader& in) {
        ByteView octets;
        if (!in.read_sized(octets, in.remaining())) (void)in.read(octets, in.remaining());
        const std::size_t taken = engine_.on_stream_bytes(octets, now_);
        MUSTER_CHECK(taken <= octets.size());
    }
    void take_requests() {
        while (auto request = engine_.next_request(now_)) requests_.push_back(std::move(*request));
        MUSTER_CHECK(requests_.size() <= kMaxStorageRequests);
    }
    void answer() {
        if (requests_.empty()) return;
        Request request = std::move(requests_.front());
        requests_.pop_front();
        engine_.on_storage(worker_.run(request), now_);
    }
    void let_pass(Reader& in) {
        std::uint8_t seconds = 0;
        (void)in.read(seconds);
        now_ += seconds * 100ms;
        engine_.on_timer(now_);
    }
    void events() {
        while (auto event = engine_.next_event()) {
            finished_ += std::holds_alternative<FileFinished>(*event) ? 1 : 0;
            if constexpr (requires { engine_.decline("", now_); }) {
                if (!std::holds_alternative<FileOffer>(*event)) continue;
                if (offers_++ > 0) MUSTER_CHECK(false);
                ReceiveFileOptions receive;
                receive.directory = "in";
                if (std::get<FileOffer>(*event).name != "no") engine_.accept(receive, now_);
            }
        }
    }

    Worker worker_;
    TimePoint now_{};
    std::deque<Request> requests_;
    int finished_ = 0;
    int offers_ = 0;
};

template <class Driver>
void drive(Driver& driver, Reader& in) {
    std::uint8_t operation = 0;
    for (int i = 0; i < 2000 && in.read(operation); ++i) driver.step(operation, in);
    driver.settle();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Reader in{ByteView{reinterpret_cast<const std::byte*>(data), size}};
    std::uint8_t kind = 0, fails = 0;
    if (!in.read(kind) || !in.read(fails)) return 0;
    MemoryStorage storage;
    if (fails < 64) storage.fail_at(fails);
    if (kind % 2 == 0) {
        FileReceiver::Options options;
        options.chunk = kChunk;
        Driven<FileReceiver, SinkWorker, SinkRequest> driven{FileReceiver{options, {}}, SinkWorker{storage}};
        drive(driven, in);
        for (const auto& [path, file] : storage.files())
            MUSTER_CHECK(path.find(".part") == std::string::npos);
        return 0;
    }
    storage.put("f", Bytes(kFile));
    FileSender::Options options;
    options.path = "f";
    options.chunk = kChunk;
    options.read_ahead = 2 * kChunk;
    Driven<FileSender, SourceWorker, SourceRequest> driven{FileSender{options, {}},
                                                           SourceWorker{storage, "f"}};
    drive(driven, in);
    return 0;
}
