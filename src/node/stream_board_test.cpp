#include "node/stream_board.h"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "files/frames.h"
#include "node/silent_port_rig.h"

namespace muster::detail {
namespace {

using session::ResetCode;

constexpr StreamHandle kTheirs{77}, kNext{78};
constexpr auto kRelayRestarted = static_cast<std::uint64_t>(ResetCode::relay_restarted);

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
    void peer_offers_a_film(StreamHandle stream) {
        const files::OfferFrame offer{.id = kFilm, .size = 5, .name = "film"};
        board->on_stream_data(stream, files::encode(offer).view(), false);
    }
    static std::string film_header(TransferId id) {
        return "f" + std::string{as_text(std::as_bytes(std::span{id}))};
    }
    bool was_offered() {
        const auto event = events.try_pop();
        return event && std::holds_alternative<FileOffered>(*event);
    }
    void end(const Departure& how) {
        board->end(how);
        is_over = true;
    }

    static constexpr TransferId kFilm{1, 2, 3};
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
        {static_cast<std::uint64_t>(ResetCode::restarted), Errc::lost},
        {kRelayRestarted, Errc::lost},
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

TEST_F(StreamBoardTest, AFileThatIsComingGoesOnOverAnotherStream) {
    for (const bool new_one_comes_first : {false, true}) {
        peer_opens("f");
        peer_offers_a_film(kTheirs);
        ASSERT_TRUE(was_offered());
        if (!new_one_comes_first) board->on_stream_reset(kTheirs, kRelayRestarted, "why");
        board->on_stream_opened(kNext, peer, as_bytes(film_header(kFilm)));
        if (new_one_comes_first) board->on_stream_reset(kTheirs, kRelayRestarted, "why");
        peer_offers_a_film(kNext);
        EXPECT_FALSE(was_offered()) << "the application has it already";
        EXPECT_EQ(port.resets.size(), new_one_comes_first ? 1u : 0u) << "only the old stream";
        port.resets.clear();
        board->on_stream_reset(kNext, 0, "enough");
    }
}

TEST_F(StreamBoardTest, ATransferThatIsNotKnownDoesNotGoOn) {
    peer_opens("f");
    peer_offers_a_film(kTheirs);
    ASSERT_TRUE(was_offered());
    board->on_stream_reset(kTheirs, kRelayRestarted, "why");
    DeviceId somebody_else;
    somebody_else.bytes.fill(9);
    board->on_stream_opened(kNext, somebody_else, as_bytes(film_header(kFilm)));
    board->on_stream_opened(kNext, peer, as_bytes(film_header({4, 5, 6})));
    board->on_stream_opened(kNext, peer, as_bytes("fshort"));
    EXPECT_EQ(port.resets, std::vector<std::string>(3, "the receiver does not know this transfer any more"));
    EXPECT_FALSE(events.try_pop());
}

TEST_F(StreamBoardTest, AFileThatIsSentGoesOnOverAnotherStream) {
    OutgoingFile file{board->send_file(peer, "film", {})};
    run();
    ASSERT_EQ(port.headers, std::vector<std::string>{"f"});
    board->on_stream_reset(StreamHandle{port.opened}, kRelayRestarted, "why");
    ASSERT_EQ(port.headers.size(), 2u);
    EXPECT_EQ(port.headers[1].size(), 1 + sizeof(TransferId));
    board->on_stream_reset(StreamHandle{port.opened}, static_cast<std::uint64_t>(ResetCode::restarted),
                           "why");
    EXPECT_EQ(port.headers.size(), 2u) << "nobody is there to go on with";
}

TEST_F(StreamBoardTest, AFileWhoseSenderIsGoneIsNotWaitedFor) {
    const DeviceId another{.bytes = {9}};
    for (const bool is_sender : {false, true}) {
        peer_opens("f");
        peer_offers_a_film(kTheirs);
        auto offered = events.try_pop();
        ASSERT_TRUE(offered);
        IncomingFile file = std::move(std::get<FileOffered>(*offered).file);
        board->on_stream_reset(kTheirs, kRelayRestarted, "why");
        std::optional<Errc> told;
        file.finished([&](const Result<FileReceipt>& how) { told = how ? Errc{} : how.error().code(); });
        board->on_left(is_sender ? peer : another, Error{Errc::lost, "gone"});
        run();
        EXPECT_EQ(told, is_sender ? std::optional{Errc::lost} : std::nullopt);
    }
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

TEST_F(StreamBoardTest, APeerThatLosesStreamsOnPurposeDoesNotGrowThisEnd) {
    constexpr std::uint64_t kMany = 1000;
    for (std::uint64_t i = 0; i < kMany; ++i) {
        const StreamHandle stream{100 + i};
        board->on_stream_opened(stream, peer, as_bytes("f"));
        const files::OfferFrame offer{.id = {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8)},
                                      .size = 5,
                                      .name = "film"};
        board->on_stream_data(stream, files::encode(offer).view(), false);
        board->on_stream_reset(stream, kRelayRestarted,
                               "why");  // which frees the stream: it may open another one
        board->sweep();
    }
    std::size_t offered = 0;
    while (events.try_pop()) ++offered;
    EXPECT_LT(offered, kMany / 2) << "each keeps a transfer for ten minutes";
}

TEST_F(StreamBoardTest, APeerThatLosesTheStreamAgainAndAgainIsGivenUp) {
    OutgoingFile file{board->send_file(peer, "film", {})};
    run();
    for (int i = 0; i < 1000; ++i) board->on_stream_reset(StreamHandle{port.opened}, kRelayRestarted, "why");
    EXPECT_LT(port.headers.size(), 100u) << "each reads the file again, and opens a stream";
}

}  // namespace
}  // namespace muster::detail
