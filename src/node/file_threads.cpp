#include "node/file_threads.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "base/log.h"

namespace muster::node {

namespace asio = boost::asio;

namespace {
constexpr unsigned kFileThreads = 2;  // one file that is slow does not hold up another
}  // namespace

/// Keeps the answers that are expected.
class FileWork::Desk {
public:
    struct Expected {
        asio::any_io_executor back;
        Answer answer;
        Answer gone;  // null: nobody asks

        void tell_gone() {
            if (gone) asio::post(back, std::move(gone));
        }
    };

    /// Nullopt after the end: `one` is told that.
    std::optional<std::uint64_t> expect(Expected one) {
        {
            const std::lock_guard lock(mutex_);
            if (!closed_) {
                expected_.emplace(++last_, std::move(one));
                return last_;
            }
        }
        one.tell_gone();
        return std::nullopt;
    }
    // Posted under the lock: after close() nothing knows the executor any more, which may be gone then.
    void tell(std::uint64_t ticket) {
        const std::lock_guard lock(mutex_);
        const auto found = expected_.find(ticket);
        if (found == expected_.end()) return;
        asio::post(found->second.back, std::move(found->second.answer));
        expected_.erase(found);
    }
    void close() {
        std::unordered_map<std::uint64_t, Expected> unanswered;  // freed after the lock: may hold anything
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
            unanswered.swap(expected_);
        }
        for (auto& [ticket, one] : unanswered) one.tell_gone();
    }

private:
    std::mutex mutex_;  // guards all: the session's strand and the file threads meet here
    std::unordered_map<std::uint64_t, Expected> expected_;
    std::uint64_t last_ = 0;
    bool closed_ = false;
};

FileWork::FileWork(asio::any_io_executor disk) : disk_(std::move(disk)), desk_(std::make_shared<Desk>()) {}

void FileWork::submit(Call call, const asio::any_io_executor& back, Answer answer, Answer gone) {
    const auto ticket = desk_->expect({back, std::move(answer), std::move(gone)});
    if (!ticket) return;
    asio::post(disk_, [desk = desk_, ticket = *ticket, call = std::move(call)]() mutable {
        call();
        call = nullptr;  // what it holds may be a file: freed here, where that may take its time
        desk->tell(ticket);
    });
}

void FileWork::submit(Call call) { asio::post(disk_, std::move(call)); }

void FileWork::close() { desk_->close(); }

struct FileThreads::Shared {
    asio::io_context disk;
    asio::executor_work_guard<asio::io_context::executor_type> work{disk.get_executor()};
    std::mutex mutex;  // guards running
    std::condition_variable ended;
    unsigned running = 0;

    void run() {
        disk.run();
        const std::lock_guard lock(mutex);
        --running;
        ended.notify_all();
    }
};

Result<std::shared_ptr<FileThreads>> FileThreads::start() {
    return start([](std::function<void()> body) { std::thread{std::move(body)}.detach(); });
}

Result<std::shared_ptr<FileThreads>> FileThreads::start(const Spawn& spawn) {
    const auto shared = std::make_shared<Shared>();
    std::shared_ptr<FileThreads> made{new FileThreads{shared}};
    for (unsigned i = 0; i < kFileThreads; ++i) {
        ++shared->running;
        try {
            spawn([shared] { shared->run(); });
        } catch (const std::exception& failure) {
            const std::lock_guard lock(shared->mutex);
            --shared->running;
            if (shared->running == 0)
                return Error{Errc::system,
                             std::string{"no thread can be started for files: "} + failure.what()}
                    .cure("raise the limit of threads (ulimit -u, or TasksMax of the service)");
            log_line(LogLevel::info, std::string{"files share one thread: "} + failure.what());
            break;
        }
    }
    return made;
}

FileThreads::FileThreads(std::shared_ptr<Shared> shared)
    : shared_(std::move(shared)), work_(std::make_shared<FileWork>(shared_->disk.get_executor())) {}

FileThreads::~FileThreads() {
    work_->close();
    std::unique_lock lock(shared_->mutex);
    shared_->work.reset();
    if (!shared_->ended.wait_for(lock, kDiskPatience, [this] { return shared_->running == 0; }))
        log_line(LogLevel::warning, "a disk does not answer: what it was asked for is left to it");
}

}  // namespace muster::node
