// A two-way stream of octets: the host sends each line back, the member pipes its standard input through.
//   stream host [GROUP]
//   stream join [GROUP] < FILE
#include <iostream>

#include <boost/asio.hpp>
#include <muster/muster.h>

namespace asio = boost::asio;

asio::awaitable<void> echo(muster::ByteStream stream) {
    boost::system::error_code ended;  // asio::error::eof after the other end's shutdown_send()
    for (std::string text; !ended;) {
        const auto size = co_await asio::async_read_until(stream, asio::dynamic_buffer(text, 1 << 16), '\n',
                                                          asio::redirect_error(asio::use_awaitable, ended));
        const std::string line = text.substr(0, size);
        text.erase(0, size);
        if (!ended)
            co_await asio::async_write(stream, asio::buffer("you said: " + line), asio::use_awaitable);
    }
    stream.shutdown_send();
}

asio::awaitable<void> host(std::string group) {
    const auto executor = co_await asio::this_coro::executor;
    muster::HostOptions options;
    options.group = std::move(group);
    auto hosting = co_await muster::host(executor, std::move(options));
    if (!hosting) throw std::runtime_error(hosting.error().explain());
    while (auto event = co_await hosting->next_event())
        if (auto* opened = std::get_if<muster::StreamOpened>(&*event))
            asio::co_spawn(executor, echo(std::move(opened->stream)), asio::detached);
}

asio::awaitable<void> join(std::string group) {
    muster::JoinOptions options;
    options.group = std::move(group);
    auto member = co_await muster::join(co_await asio::this_coro::executor, std::move(options));
    if (!member) throw std::runtime_error(member.error().explain());
    auto stream = co_await member->open_stream(member->coordinator().id, "lines");
    if (!stream) throw std::runtime_error(stream.error().explain());
    for (std::string line; std::getline(std::cin, line);)
        co_await asio::async_write(*stream, asio::buffer(line + "\n"), asio::use_awaitable);
    stream->shutdown_send();
    boost::system::error_code eof;
    std::string answers;
    co_await asio::async_read(*stream, asio::dynamic_buffer(answers),
                              asio::redirect_error(asio::use_awaitable, eof));
    std::cout << answers;
    (void)co_await member->close();
}

int main(int count, char** words) {
    if (count < 2) return 2;
    asio::io_context context;
    const std::string what = words[1], group = count > 2 ? words[2] : "muster";
    auto done = asio::co_spawn(context, what == "host" ? host(group) : join(group), asio::use_future);
    context.run();
    done.get();  // throws what the coroutine threw
}
