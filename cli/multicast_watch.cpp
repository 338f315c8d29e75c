#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "multicast.h"
#include "output.h"
#include "run.h"
#include "tasks.h"
#include "text.h"

#include "muster/multicast_group.h"

namespace muster::cli {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds kRedraw{1};
constexpr std::size_t kMostShown = 64;  // octets of a datagram on a line for a person

JsonLine json_of(const MulticastInterface& each) {
    JsonLine line;
    line.text("interface", each.name)
        .integer("index", static_cast<std::uint32_t>(each.index))
        .text("membership", to_string(each.membership))
        .flag("carries", each.carries)
        .integer("datagrams", each.datagrams)
        .integer("octets", each.octets)
        .integer("announcements", each.announcements)
        .integer("overflowed", each.overflowed);
    if (!each.finding.empty()) line.text("finding", each.finding);
    return line;
}

JsonLine json_of(const MulticastStatus& status) {
    JsonLine line{"multicast_status"};
    line.text("state", to_string(status.state)).text("explanation", status.explain());
    if (status.silence != SilenceCause::none)
        line.text("silence", to_string(status.silence)).text("cure", cure_of(status.silence));
    line.ms("since_ms", SteadyClock::now() - status.since).integer("outages", status.outages);
    if (const auto& outage = status.last_outage) {
        JsonLine last;
        last.text("cause", to_string(outage->cause)).ms("length_ms", outage->length);
        line.object("last_outage", last);
    }
    line.list("interfaces", status.interfaces, [](const MulticastInterface& each) { return json_of(each); });
    return line;
}

/// Shows what a MulticastGroup tells: events with --json, lines in a pipe, on a terminal a table below them.
class Board {
public:
    Board(Output& output, bool shows_datagrams) : output_(output), shows_datagrams_(shows_datagrams) {}

    void on(const MulticastStatus& status) {
        output_.event(json_of(status));
        if (const auto& outage = status.last_outage; outage && status.outages > outages_) {
            output_.say(output_.paint(Colour::yellow, "came back after " + duration_text(outage->length)) +
                        ": " + std::string{to_string(outage->cause)} + advice(outage->cause));
        }
        outages_ = status.outages;
        if (const std::string text = status.explain(); text != told_) {
            const auto colour = status.state == MulticastState::receiving ? Colour::green : Colour::yellow;
            output_.say(output_.paint(colour, text) + advice(status.silence));
            told_ = text;
        }
        draw(status);
    }

    void on(const MulticastDatagram& datagram) {
        ++datagrams_;
        if (!shows_datagrams_) return;
        JsonLine line{"multicast_datagram"};
        line.text("from", to_text(datagram.from))
            .integer("hop_limit", datagram.hop_limit)
            .integer("octets", datagram.octets.size());
        is_text(datagram.octets) ? line.text("text", as_text(datagram.octets))
                                 : line.text("hex", hex(datagram.octets));
        output_.event(std::move(line));
        const bool is_long = datagram.octets.size() > kMostShown;
        const ByteView shown = ByteView{datagram.octets}.first(is_long ? kMostShown : datagram.octets.size());
        output_.say(to_text(datagram.from) + "  " +
                    (is_text(shown) ? printable(as_text(shown)) : hex(shown)) + (is_long ? "…" : ""));
    }

    void draw(const MulticastStatus& status) {
        if (!output_.is_terminal()) return;
        std::vector<std::vector<std::string>> rows{
            {"INTERFACE", "MEMBERSHIP", "DATAGRAMS", "OCTETS", "LAST"}};
        const TimePoint now = SteadyClock::now();
        for (const MulticastInterface& each : status.interfaces) {
            const std::string last =
                each.last_heard ? duration_text(now - *each.last_heard) + " ago" : "never";
            const std::string membership{to_string(each.membership)};
            rows.push_back({printable(each.name), each.carries ? membership : membership + ", no carrier",
                            std::to_string(each.datagrams), size_text(each.octets), last});
        }
        std::vector<std::string> lines = table_lines(rows, output_.width());
        lines.front() = output_.paint(Colour::bold, lines.front());
        output_.live(std::move(lines));
    }

    bool has_received() const { return datagrams_ > 0; }

private:
    std::string advice(SilenceCause cause) const {
        const std::string_view cure = cure_of(cause);
        return cure.empty() ? "" : output_.paint(Colour::dim, "; what to do: " + std::string{cure});
    }

    Output& output_;
    bool shows_datagrams_;
    std::uint64_t datagrams_ = 0;
    std::uint64_t outages_ = 0;
    std::string told_;
};

asio::awaitable<void> follow(MulticastGroup& group, Board& board) {
    while (const auto status = co_await group.next_status()) board.on(*status);
}

/// Counters grow without being news.
asio::awaitable<void> redraw(asio::io_context& io, MulticastGroup& group, Board& board) {
    asio::basic_waitable_timer<SteadyClock> timer{io};
    for (;;) {
        timer.expires_after(kRedraw);
        co_await timer.async_wait(asio::use_awaitable);
        const auto status = co_await group.status();
        if (!status) co_return;
        board.draw(*status);
    }
}

}  // namespace

asio::awaitable<Exit> watch_multicast(asio::io_context& io, Network& network, const Context& context,
                                      MulticastRequest request) {
    MulticastGroupOptions options{request.group.address, request.group.port};
    options.sources = request.sources;
    options.interfaces = request.interfaces;
    options.prohibit = request.prohibit;
    auto group = co_await join_multicast(network.executor(), std::move(options));
    if (!group) co_return failed(context, group.error());
    Board board{context.output, request.shows_datagrams};
    bool by_signal = false;
    Tasks tasks{io.get_executor()};
    tasks.spawn(until_stopped(io, request.stay, [&] { group->stop(); }, by_signal));
    tasks.spawn(follow(*group, board));
    if (context.output.is_terminal()) tasks.spawn(redraw(io, *group, board));
    context.output.on_gone([&] { group->stop(); });
    while (const auto datagram = co_await group->receive()) board.on(*datagram);
    context.output.on_gone({});
    tasks.cancel();
    co_await tasks.all_done();
    context.output.live({});
    if (by_signal) co_return Exit::interrupted;
    co_return board.has_received() ? Exit::ok : Exit::not_found;
}

}  // namespace muster::cli
