#include "node/stream_board.h"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "node/silent_port_rig.h"

namespace muster::detail {
namespace {

using session::ResetCode;

constexpr StreamHandle kTheirs{77};

class StreamBoardTest : public testing::Test {
protected:
    session::StreamPort& engine() {
        EXPECT_FALSE(is_over) << "asked for after the end";
        return port;
    }
    void run() {
        strand.restart();
        strand.poll();
    }
    /// How opening a stream of that name ends.
    Result<ByteStream> open(std::string name) {
        std::optional<Result<ByteStream>> told;
        board->open(peer, std::move(name),
                    Session::StreamHandler{[&](Result<ByteStream> how) { told.emplace(std::move(how)); }});
        run();
        return told ? std::move(*told) : Error{Errc::timed_out, "nobody was told"};
    }
    /// How sending a file ends, as far as the board decides it.
    Result<FileReceipt> send_file() {
        OutgoingFile file{board->send_file(peer, "film", {})};
        std::optional<Result<FileReceipt>> told;
        file.finished([&](Result<FileReceipt> how) { told = std::move(how); });
        run();
        return told ? std::move(*told) : Error{Errc::timed_out, "nobody was told"};
    }
    void peer_opens(std::string_view header) { board->on_stream_opened(kTheirs, peer, as_bytes(header)); }
    void end(const Departure& how) {
        board->end(how);
        is_over = true;
    }

    boost::asio::io_context strand, disk;
    DeviceId peer{};
    SilentPort port;
    bool is_over = false;
    bool has_threads = true;
    node::EventQueue events{strand.get_executor(), [](const Message&) {}};
    std::shared_ptr<node::FileWork> files = std::make_shared<node::FileWork>(disk.get_executor());
    std::shared_ptr<StreamBoard> board = std::make_shared<StreamBoard>(
        StreamBoard::Wiring{.strand = strand.get_executor(),
                            .self = {},
                            .port = [this]() -> session::StreamPort& { return engine(); },
                            .poke = [] {},
                            .files = [this]() -> Result<std::shared_ptr<node::FileWork>> {
                                if (has_threads) return files;
                                return Error{Errc::system, "no thread can be started"};
                            }},
        events);
};

TEST_F(StreamBoardTest, AResetSaysWhatBecameOfTheStream) {
    const std::pair<std::uint64_t, Errc> meanings[] = {
        {static_cast<std::uint64_t>(ResetCode::unknown_peer), Errc::unknown_peer},
        {static_cast<std::uint64_t>(ResetCode::peer_gone), Errc::lost},
        {static_cast<std::uint64_t>(ResetCode::too_many), Errc::queue_full},
        {static_cast<std::uint64_t>(ResetCode::peer_closed), Errc::closed},
        {0, Errc::cancelled_by_peer},
        {~std::uint64_t{0}, Errc::cancelled_by_peer},
    };
    for (const auto& [code, meaning] : meanings) {
        auto stream = open("log");
        ASSERT_TRUE(stream);
        board->on_stream_reset(StreamHandle{port.opened}, code, "why");
        ASSERT_TRUE(stream->failure()) << code;
        EXPECT_EQ(stream->failure()->code(), meaning) << code;
        EXPECT_EQ(stream->failure()->message(), "why");
    }
}

TEST_F(StreamBoardTest, AStreamOfAnUnknownKindIsRefused) {
    for (const std::string_view header : {"", "x", "xlog"}) {
        peer_opens(header);
        ASSERT_EQ(port.resets.size(), 1u) << header;
        EXPECT_EQ(port.resets[0], "this end knows no such kind of stream");
        EXPECT_FALSE(events.try_pop());
        port.resets.clear();
    }
}

TEST_F(StreamBoardTest, NamesHaveAtMost255Octets) {
    const std::string longest(255, 'n');
    const auto stream = open(longest);
    EXPECT_TRUE(stream);
    const auto refused = open(longest + "n");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Errc::too_large);
    EXPECT_EQ(port.opened, 1u);

    peer_opens("s" + longest + "n");
    EXPECT_EQ(port.resets.size(), 1u);
    EXPECT_FALSE(events.try_pop());
    peer_opens("s" + longest);
    EXPECT_EQ(port.resets.size(), 1u);
    auto event = events.try_pop();
    ASSERT_TRUE(event && std::holds_alternative<StreamOpened>(*event));
    EXPECT_EQ(std::get<StreamOpened>(*event).stream.name(), longest);
}

TEST_F(StreamBoardTest, TheEndIsToldToEveryStream) {
    auto stream = open("log");
    ASSERT_TRUE(stream);
    end(Departure{Closed{Closed::By::peer, 7, "tired"}});
    ASSERT_TRUE(stream->failure());
    EXPECT_EQ(stream->failure()->code(), Errc::closed);
    EXPECT_EQ(stream->failure()->message(), "the peer closed the session with code 7: tired");
}

TEST_F(StreamBoardTest, NothingBeginsAfterTheEnd) {
    end(Departure{Error{Errc::link_down, "the peer fell silent"}});
    const auto stream = open("log");
    ASSERT_FALSE(stream);
    EXPECT_EQ(stream.error().code(), Errc::not_connected);
    const auto file = send_file();
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code(), Errc::closed);
    EXPECT_EQ(port.opened, 0u);
}

TEST_F(StreamBoardTest, WithoutAThreadForFilesOnlyFilesFail) {
    has_threads = false;
    peer_opens("f");
    ASSERT_EQ(port.resets.size(), 1u);
    EXPECT_EQ(port.resets[0], "no thread can be started");
    EXPECT_FALSE(events.try_pop());
    const auto file = send_file();
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code(), Errc::system);
    EXPECT_EQ(port.resets.size(), 2u) << "the peer is told too";
    EXPECT_TRUE(open("log"));
}

}  // namespace
}  // namespace muster::detail
