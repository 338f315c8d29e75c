#include "transfers.h"

#include <algorithm>

#include <fmt/format.h>

#include "peers.h"
#include "text.h"

namespace muster::cli {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr Duration kRedraw = 100ms;        // smooth for the eye, nothing for the terminal
constexpr Duration kTellProgress = 250ms;  // events per file with --json
constexpr std::size_t kBarWidth = 30;

/// All running transfers as one.
FileProgress sum_of(const auto& running) {
    FileProgress sum;
    for (const auto& entry : running) {
        sum.octets_done += entry.progress.octets_done;
        sum.octets_total += entry.progress.octets_total;
        sum.octets_per_second += entry.progress.octets_per_second;
        if (entry.progress.remaining)
            sum.remaining = std::max(sum.remaining.value_or(0s), *entry.progress.remaining);
    }
    return sum;
}

std::string progress_text(const FileProgress& progress) {
    std::string text =
        fmt::format("{} {:3.0f} %  {} of {}", bar(progress.fraction(), kBarWidth), progress.fraction() * 100,
                    size_text(progress.octets_done), size_text(progress.octets_total));
    if (progress.octets_per_second > 0)
        text += "  " + size_text(static_cast<std::uint64_t>(progress.octets_per_second)) + "/s";
    if (progress.remaining) text += "  " + duration_text(*progress.remaining) + " left";
    return text;
}

}  // namespace

asio::awaitable<Result<FileReceipt>> Transfers::follow(OutgoingFile file, PeerInfo to, std::string name) {
    Running entry{Direction::out, std::to_string(next_number_++), std::move(to), std::move(name), {}};
    output_.event(line_of(entry, "file_sending"));
    co_return co_await watch(file, std::move(entry));
}

asio::awaitable<Result<FileReceipt>> Transfers::follow(IncomingFile file, PeerInfo from) {
    const FileOffer& offer = file.offer();
    Running entry{Direction::in, std::to_string(next_number_++), std::move(from), offer.name, {}};
    entry.progress.octets_total = offer.size;
    co_return co_await watch(file, std::move(entry));
}

asio::awaitable<Result<FileReceipt>> Transfers::watch(FileTransfer& file, Running started) {
    const auto entry = running_.insert(running_.end(), std::move(started));
    while (const auto progress = co_await file.next_progress()) {
        entry->progress = *progress;
        tell_progress(*entry);
    }
    auto outcome = co_await file.finished();
    const Running ended = std::move(*entry);
    running_.erase(entry);
    drawn_ = {};
    draw();
    tell_end(ended, outcome);
    co_return outcome;
}

void Transfers::tell_progress(Running& entry) {
    draw();
    const TimePoint now = SteadyClock::now();
    if (!output_.is_json() || now - entry.told < kTellProgress) return;
    entry.told = now;
    JsonLine line = line_of(entry, "file_progress");
    line.integer("octets_done", entry.progress.octets_done)
        .integer("octets_total", entry.progress.octets_total);
    line.real("octets_per_second", entry.progress.octets_per_second);
    if (entry.progress.remaining) line.ms("remaining_ms", *entry.progress.remaining);
    output_.event(std::move(line));
}

void Transfers::tell_end(const Running& entry, const Result<FileReceipt>& outcome) {
    const bool out = entry.direction == Direction::out;
    const std::string peer = printable(entry.peer.name);
    const std::string what = "'" + printable(entry.name) + "' " + (out ? "to " : "from ") + peer;
    if (!outcome) {
        JsonLine line = line_of(entry, "file_failed");
        output_.event(line.json("error", harmless_json(outcome.error().to_json())));
        output_.say(output_.paint(Colour::red, "! ") + what +
                    " failed: " + printable(outcome.error().message()));
        return;
    }
    JsonLine line = line_of(entry, out ? "file_sent" : "file_received");
    line.text("path", outcome->path).integer("octets", outcome->octets);
    line.text("sha256", hex(std::as_bytes(std::span{outcome->sha256}))).ms("duration_ms", outcome->duration);
    output_.event(std::move(line));
    const double seconds = std::max(milliseconds(outcome->duration) / 1000, 1e-6);
    const auto rate = static_cast<std::uint64_t>(static_cast<double>(outcome->octets) / seconds);
    output_.say(fmt::format("{} {}: {} in {}, {}/s, verified{}", output_.paint(Colour::green, "="), what,
                            size_text(outcome->octets), duration_text(outcome->duration), size_text(rate),
                            out ? "" : ", stored as " + printable(outcome->path)));
}

JsonLine Transfers::line_of(const Running& entry, std::string_view event) const {
    JsonLine line{event};
    line.text("transfer", entry.number).text("direction", entry.direction == Direction::out ? "out" : "in");
    line.text("peer", entry.peer.id.to_string()).text("peer_name", entry.peer.name).text("name", entry.name);
    return line;
}

void Transfers::draw() {
    const TimePoint now = SteadyClock::now();
    if (!output_.is_terminal() || now - drawn_ < kRedraw) return;
    drawn_ = now;
    if (running_.empty()) return output_.live({});
    const Running& first = running_.front();
    const std::string name = running_.size() == 1 ? printable(first.name) + " " + printable(first.peer.name)
                                                  : fmt::format("{} files", running_.size());
    const std::string line = name + "  " + progress_text(sum_of(running_));
    const std::size_t width = output_.width();
    output_.live({width_of(line) > width ? fitted(line, width) : line});
}

}  // namespace muster::cli
