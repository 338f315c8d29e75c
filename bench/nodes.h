#pragma once

// What the benchmarks of whole nodes share: processes made by fork() that tell each other numbers through
// pipes, and a coordinator and members on the loopback interface.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "muster/coordinator.h"
#include "muster/member.h"

namespace muster::bench {

namespace asio = boost::asio;

[[noreturn]] inline void fail(const std::string& what) {
    std::fprintf(stderr, "bench: %s\n", what.c_str());
    std::_Exit(1);
}

template <class T>
T need(Result<T> result, const char* what) {
    if (!result) fail(std::string{what} + ": " + result.error().explain());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// One end of two pipes. Numbers only; a closed pipe ends the process, so that nobody is left behind.
class Channel {
public:
    Channel(int in, int out) : in_(in), out_(out) {}

    void tell(std::uint64_t number) const {
        if (::write(out_, &number, sizeof number) != sizeof number) std::_Exit(1);
    }
    std::uint64_t hear() const {
        std::uint64_t number = 0;
        if (::read(in_, &number, sizeof number) != sizeof number) std::_Exit(1);
        return number;
    }
    int input() const { return in_; }

private:
    int in_;
    int out_;
};

/// A process that runs `body(channel)`. Call before any io_context exists.
class Child {
public:
    template <class Body>
    explicit Child(Body body) {
        int to_child[2], from_child[2];
        if (::pipe(to_child) != 0 || ::pipe(from_child) != 0) fail("pipe");
        std::fflush(stdout);
        pid_ = ::fork();
        if (pid_ < 0) fail("fork");
        if (pid_ == 0) {
            ::close(to_child[1]);
            ::close(from_child[0]);
            body(Channel{to_child[0], from_child[1]});
            std::_Exit(0);
        }
        ::close(to_child[0]);
        ::close(from_child[1]);
        in_ = from_child[0];
        out_ = to_child[1];
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    /// Waits for its end, which closing the pipe brings about in a child that listens.
    ~Child() {
        ::close(out_);
        ::close(in_);
        ::waitpid(pid_, nullptr, 0);
    }

    Channel channel() const { return {in_, out_}; }
    pid_t pid() const { return pid_; }

private:
    pid_t pid_ = -1;
    int in_ = -1;
    int out_ = -1;
};

inline HostOptions host_options(Profile profile = Profile::balanced) {
    HostOptions how;
    how.group = "bench";
    how.name = "coordinator";
    how.identity = Identity::ephemeral();
    how.advertise = false;
    how.profile = profile;
    return how;
}

inline JoinOptions join_options(std::uint16_t port, Profile profile = Profile::balanced) {
    JoinOptions how;
    how.group = "bench";
    how.name = "member";
    how.identity = Identity::ephemeral();
    how.discover = false;
    how.patience = std::chrono::seconds{60};
    how.at = {"127.0.0.1:" + std::to_string(port)};
    how.profile = profile;
    return how;
}

/// Runs one coroutine to its end on this thread; what goes wrong in it ends the process.
template <class Body>
void run(asio::io_context& context, asio::awaitable<Body> body) {
    asio::co_spawn(context, std::move(body), [&context](std::exception_ptr failure) {
        if (failure) fail("an exception left a coroutine");
        context.stop();
    });
    context.run();
}

/// As many descriptors as the kernel lets us have: a member has three of its own.
inline void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace muster::bench
