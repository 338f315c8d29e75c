#pragma once

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "muster/coordinator.h"
#include "muster/member.h"

namespace muster {

namespace asio = boost::asio;
using namespace std::chrono_literals;

/// Waits for an event of one kind, dropping others.
template <class Wanted>
asio::awaitable<std::optional<Wanted>> next(Session& session) {
    while (true) {
        auto event = co_await session.next_event();
        if (!event) co_return std::nullopt;
        if (auto* wanted = std::get_if<Wanted>(&*event)) co_return std::move(*wanted);
    }
}

/// Runs stories as coroutines; has a directory of its own.
class StoryTest : public testing::Test {
public:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "muster-node-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(directory); }

    /// Runs a story to its end; it fails if it takes longer than `patience`. The longest takes 3 s, and ten times
    /// that with ThreadSanitizer.
    void run(asio::awaitable<void> story, Duration patience = 60s) {
        asio::co_spawn(context, std::move(story), [this](std::exception_ptr error) {
            finished = true;
            if (error) std::rethrow_exception(error);
        });
        context.run_for(std::chrono::duration_cast<std::chrono::milliseconds>(patience));
        EXPECT_TRUE(finished) << "the story did not come to its end";
    }

    HostOptions host_options(std::string group = "stage") {
        HostOptions options;
        options.group = std::move(group);
        options.name = "coordinator";
        options.identity = Identity::ephemeral();
        options.advertise = false;
        return options;
    }
    JoinOptions join_options(const Coordinator& host, std::string name) {
        JoinOptions options;
        options.group = "stage";
        options.name = std::move(name);
        options.identity = Identity::ephemeral();
        options.discover = false;
        options.at = {"127.0.0.1:" + std::to_string(host.port())};
        return options;
    }
    std::string file(const std::string& name, std::size_t size) {
        const std::string path = directory + "/" + name;
        std::ofstream out(path, std::ios::binary);
        for (std::size_t i = 0; i < size; ++i) out.put(static_cast<char>(i * 2654435761u >> 24));
        return path;
    }

    void fail(const std::string& why) { ADD_FAILURE() << why; }

    asio::io_context context;
    std::string directory;
    bool finished = false;
};

}  // namespace muster
