// One member and one coordinator, two processes on loopback: octets through one reliable stream, and ordered
// messages of 100 octets, as many at a time as the queue takes; the messages once more to a coordinator with a journal.
#include <filesystem>

#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "json_lines.h"
#include "nodes.h"

using namespace muster;
using namespace muster::bench;

namespace {

constexpr std::chrono::seconds kDuration{4};  // of each measurement
constexpr std::size_t kChunk = 256 * 1024;
constexpr std::size_t kMessage = 100;
constexpr int kBatch = 512;  // messages between two looks at the clock

/// What the receiver counted, between its first and its last octet.
struct Tally {
    std::uint64_t count = 0;
    TimePoint first{};
    TimePoint last{};

    void add(std::uint64_t more) {
        last = SteadyClock::now();
        if (count == 0) first = last;
        count += more;
    }
    void tell(const Channel& parent) const {
        parent.tell(count);
        parent.tell(static_cast<std::uint64_t>(std::chrono::nanoseconds{last - first}.count()));
    }
};

struct Outcome {
    std::uint64_t count;
    double seconds;
};

Outcome hear_outcome(const Channel& receiver) {
    const std::uint64_t count = receiver.hear();
    return {count, static_cast<double>(receiver.hear()) / 1e9};
}

// --- the receiving coordinator

asio::awaitable<void> drain(ByteStream stream, const Channel& parent) {
    Bytes buffer(kChunk);
    Tally tally;
    boost::system::error_code failure;
    while (!failure) {
        auto token = asio::redirect_error(asio::use_awaitable, failure);
        const std::size_t size = co_await stream.async_read_some(asio::buffer(buffer), token);
        if (size > 0) tally.add(size);
    }
    tally.tell(parent);
}

void count_message(const Message& message, Tally& messages, const Channel& parent) {
    if (message.payload.size() == kMessage) return messages.add(1);
    messages.tell(parent);  // the short one is the last
}

/// On the coordinator's strand, so that events that are there already are taken without waiting. Until so many members have left.
asio::awaitable<void> count(Coordinator& coordinator, const Channel& parent, int members) {
    Tally messages;
    for (;;) {
        auto first = co_await coordinator.next_event();
        if (!first) co_return;
        for (std::optional<Event> event{std::move(*first)}; event; event = coordinator.try_next_event()) {
            if (auto* opened = std::get_if<StreamOpened>(&*event))
                co_await drain(std::move(opened->stream), parent);
            else if (const auto* message = std::get_if<Message>(&*event))
                count_message(*message, messages, parent);
            else if (std::holds_alternative<PeerLeft>(*event) && --members == 0)
                co_return;
        }
    }
}

asio::awaitable<void> receive(const Channel& parent, std::string journal, int members) {
    HostOptions how = host_options();
    how.journal = std::move(journal);
    auto made = co_await host(co_await asio::this_coro::executor, std::move(how));
    Coordinator coordinator = need(std::move(made), "host");
    parent.tell(coordinator.port());
    co_await asio::co_spawn(coordinator.get_executor(), count(coordinator, parent, members),
                            asio::use_awaitable);
}

// --- the sending member

asio::awaitable<void> send_stream(Member& member) {
    auto opened = co_await member.open_stream(member.coordinator().id, "bench");
    ByteStream stream = need(std::move(opened), "open_stream");
    const Bytes chunk(kChunk, std::byte{0x5a});
    for (const auto until = SteadyClock::now() + kDuration; SteadyClock::now() < until;)
        co_await asio::async_write(stream, asio::buffer(chunk), asio::use_awaitable);
    stream.shutdown_send();
    std::byte nothing{};
    boost::system::error_code failure;
    auto token = asio::redirect_error(asio::use_awaitable, failure);
    (void)co_await stream.async_read_some(asio::buffer(&nothing, 1), token);  // until the other end has all
}

asio::awaitable<void> send_messages(Member& member) {
    const Bytes payload(kMessage, std::byte{0x5a});
    const Recipients to = Recipients::coordinator();
    for (const auto until = SteadyClock::now() + kDuration; SteadyClock::now() < until;) {
        int sent = 0;
        while (sent < kBatch && member.try_send(to, payload)) ++sent;
        if (sent == kBatch) {
            co_await asio::post(asio::use_awaitable);  // the node gets its turn
            continue;
        }
        Bytes copy = payload;
        need(co_await member.send(to, std::move(copy)), "send");  // waits for room
    }
    Bytes last(1);
    need(co_await member.send(to, std::move(last)), "send");
}

asio::awaitable<void> measure_stream(const Channel& receiver, std::uint16_t port, JsonLines& out) {
    auto joined = co_await join(co_await asio::this_coro::executor, join_options(port));
    Member member = need(std::move(joined), "join");
    co_await asio::co_spawn(member.get_executor(), send_stream(member), asio::use_awaitable);
    const Outcome stream = hear_outcome(receiver);
    out.line("stream_throughput", static_cast<double>(stream.count) * 8 / stream.seconds / 1e9, "Gbit/s",
             stream.count);
    (void)co_await member.close();
}

asio::awaitable<void> measure_messages(const Channel& receiver, std::uint16_t port, const char* metric,
                                       JsonLines& out) {
    auto joined = co_await join(co_await asio::this_coro::executor, join_options(port));
    Member member = need(std::move(joined), "join");
    co_await asio::co_spawn(member.get_executor(), send_messages(member), asio::use_awaitable);
    // The pipe is read without this process doing anything else: its node must finish sending first.
    (void)co_await member.close(0, "done", std::chrono::seconds{10});
    const Outcome small = hear_outcome(receiver);
    out.line(metric, static_cast<double>(small.count) / small.seconds, "messages/s", small.count);
}

}  // namespace

int main() {
    std::string folder = (std::filesystem::temp_directory_path() / "muster-bench-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) fail("mkdtemp");
    const auto receiver = [](std::string journal, int members) {
        return [journal = std::move(journal), members](const Channel& parent) {
            asio::io_context context{1};
            run(context, receive(parent, journal, members));
        };
    };
    {
        const Child plain{receiver({}, 2)}, durable{receiver(folder + "/journal", 1)};
        const auto port = [](const Child& child) {
            return static_cast<std::uint16_t>(child.channel().hear());
        };
        JsonLines out{"muster"};
        asio::io_context context;
        const std::uint16_t plain_port = port(plain), durable_port = port(durable);
        run(context, measure_stream(plain.channel(), plain_port, out));
        context.restart();
        run(context, measure_messages(plain.channel(), plain_port, "messages_100_octets", out));
        context.restart();
        run(context, measure_messages(durable.channel(), durable_port, "messages_100_octets_durable", out));
    }
    std::filesystem::remove_all(folder);
}
