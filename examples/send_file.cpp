// Sends a file to the coordinator of a group, with a progress bar. The receiver verifies it before this end
// hears "done".
//   send_file FILE [GROUP]
#include <cstdio>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <muster/member.h>

namespace asio = boost::asio;

void draw(const muster::FileProgress& progress) {
    const int full = static_cast<int>(progress.fraction() * 40);
    std::printf("\r[%.*s%*s] %3.0f %%  %.1f MB/s ", full, "########################################",
                40 - full, "", progress.fraction() * 100, progress.octets_per_second / 1e6);
    if (progress.remaining)
        std::printf(" %.1f s left ", std::chrono::duration<double>(*progress.remaining).count());
    std::fflush(stdout);
}

asio::awaitable<void> send(std::string path, std::string group, int& exit_code) {
    muster::JoinOptions options;
    options.group = std::move(group);
    const auto executor = co_await asio::this_coro::executor;
    auto joined = co_await muster::join(executor, std::move(options));
    if (!joined) {
        std::fprintf(stderr, "%s\n", joined.error().explain().c_str());
        co_return;
    }
    muster::Member& member = *joined;
    muster::OutgoingFile file = member.send_file(member.coordinator().id, std::move(path));
    while (auto progress = co_await file.next_progress()) draw(*progress);

    const auto receipt = co_await file.finished();
    if (receipt) {
        std::printf("\n%s arrived and is verified\n", receipt->path.c_str());
        exit_code = 0;
    } else {
        std::fprintf(stderr, "\n%s\n", receipt.error().explain().c_str());
    }
    co_await member.close();
}

int main(int count, char** words) {
    if (count < 2) return std::fprintf(stderr, "usage: %s FILE [GROUP]\n", words[0]), 2;
    int exit_code = 1;
    asio::io_context context;
    asio::co_spawn(context, send(words[1], count > 2 ? words[2] : "muster", exit_code), asio::detached);
    context.run();
    return exit_code;
}
