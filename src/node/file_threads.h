#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "muster/error.h"
#include "muster/time.h"

namespace muster::node {

/// The way to calls that may block, and back. Calls and answers run one beside the other: a disk that hangs
/// keeps what the call holds, never what the answer holds.
class FileWork {
public:
    using Call = std::function<void()>;
    using Answer = std::function<void()>;

    /// `disk`: where the calls run; they may block there.
    explicit FileWork(boost::asio::any_io_executor disk);
    FileWork(const FileWork&) = delete;
    FileWork& operator=(const FileWork&) = delete;
    ~FileWork() { close(); }

    /// Runs `call`, and then posts `answer` to `back`; or posts `gone` there, if there is one and close() came
    /// first: then `call` may still be running. None may throw. Any thread.
    void submit(Call call, const boost::asio::any_io_executor& back, Answer answer, Answer gone = nullptr);
    /// Runs `call`, and tells nobody.
    void submit(Call call);
    /// What was submitted still runs, but nothing is answered any more: `gone` is posted instead, and the
    /// executors are not known here any more when it returns.
    void close();

private:
    class Desk;

    boost::asio::any_io_executor disk_;
    std::shared_ptr<Desk> desk_;  // owners: this and the calls under way
};

/// The threads on which a session's calls to the file system run.
class FileThreads {
public:
    /// Starts a thread that runs a function and ends with it. Throws std::system_error when there is none.
    using Spawn = std::function<void(std::function<void()>)>;

    /// Errors: system (not even one thread can be had; one is enough).
    static Result<std::shared_ptr<FileThreads>> start(const Spawn& spawn);
    static Result<std::shared_ptr<FileThreads>> start();
    FileThreads(const FileThreads&) = delete;
    FileThreads& operator=(const FileThreads&) = delete;
    /// Lets what was submitted come to its end, without answers, for at most kDiskPatience. A disk that hangs
    /// for longer keeps its thread, which frees what it holds when the disk answers.
    ~FileThreads();

    const std::shared_ptr<FileWork>& work() const { return work_; }

private:
    struct Shared;
    explicit FileThreads(std::shared_ptr<Shared> shared);

    std::shared_ptr<Shared> shared_;  // owners: this and the threads
    std::shared_ptr<FileWork> work_;  // the owner; transfers look whether it is still there
};

/// Longer than a write, a hash or a sync takes on a disk that works; an application that ends waits so long
/// for one that does not.
inline constexpr Duration kDiskPatience = std::chrono::seconds{1};

}  // namespace muster::node
