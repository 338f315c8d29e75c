// A two-way stream of octets: the host sends each line back, the member sends its standard input and shows the answers.
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
        const std::string answer = "you said: " + text.substr(0, size);
        text.erase(0, size);
        if (!ended) co_await asio::async_write(stream, asio::buffer(answer), asio::use_awaitable);
    }
    stream.shutdown_send();
}

asio::awaitable<void> host(std::string group) {
    const auto executor = co_await asio::this_coro::executor;
    muster::HostOptions options;
    options.group = std::move(group);
    auto hosting = co_await muster::host(executor, std::move(options));
    if (!hosting) co_return void(std::cerr << hosting.error().explain() << std::endl);
    while (auto event = co_await hosting->next_event())
        if (auto* opened = std::get_if<muster::StreamOpened>(&*event))
            asio::co_spawn(executor, echo(std::move(opened->stream)), asio::detached);
}

asio::awaitable<void> join(std::string group, std::string lines) {
    muster::JoinOptions options;
    options.group = std::move(group);
    auto member = co_await muster::join(co_await asio::this_coro::executor, std::move(options));
    if (!member) co_return void(std::cerr << member.error().explain() << std::endl);
    auto stream = co_await member->open_stream(member->coordinator().id, "lines");
    if (!stream) co_return void(std::cerr << stream.error().explain() << std::endl);
    co_await asio::async_write(*stream, asio::buffer(lines), asio::use_awaitable);
    stream->shutdown_send();
    boost::system::error_code ended;
    co_await asio::async_read(*stream, asio::dynamic_buffer(lines = ""),
                              asio::redirect_error(asio::use_awaitable, ended));
    std::cout << lines;
    (void)co_await member->close();
}

int main(int count, char** words) {
    const bool joins = count > 1 && words[1] == std::string{"join"};
    const std::string group = count > 2 ? words[2] : "muster";
    std::string lines;  // read before joining: a thread that waits for a pipe cannot keep a session alive
    if (joins) lines.assign(std::istreambuf_iterator<char>{std::cin}, {});
    asio::io_context context;
    asio::co_spawn(context, joins ? join(group, lines) : host(group), asio::detached);
    context.run();
}
