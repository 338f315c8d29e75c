#include "run.h"

#include <csignal>
#include <exception>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "output.h"

namespace muster::cli {

namespace asio = boost::asio;

namespace {

class Signals final : public asio::execution_context::service {
public:
    static inline asio::execution_context::id id;

    explicit Signals(asio::execution_context& context)
        : service(context), set(static_cast<asio::io_context&>(context), SIGINT, SIGTERM, SIGHUP) {}

    asio::signal_set set;

private:
    void shutdown() override { set.cancel(); }
};

}  // namespace

asio::signal_set& signals_of(asio::io_context& io) { return asio::use_service<Signals>(io).set; }

Exit SessionCommand::run(const Context& context) {
    Network network;
    asio::io_context io{1};
    signals_of(io);  // from here on
    Exit exit = Exit::failed;
    asio::co_spawn(io, work(io, network, context), [&](const std::exception_ptr& failure, Exit code) {
        if (failure) std::rethrow_exception(failure);
        exit = code;
    });
    io.run();
    return exit;
}

asio::awaitable<void> until_stopped(asio::io_context& io, std::optional<Duration> stay,
                                    std::function<void()> stop, bool& by_signal) {
    using namespace asio::experimental::awaitable_operators;
    asio::signal_set& signals = signals_of(io);
    asio::basic_waitable_timer<SteadyClock> timer{io, stay ? SteadyClock::now() + *stay : kNever};
    const auto first =
        co_await (signals.async_wait(asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
    by_signal = first.index() == 0;
    stop();
}

Exit failed(const Context& context, const Error& error) {
    const Exit exit = exit_of(error.code());
    context.output.fail(error, static_cast<int>(exit));
    return exit;
}

}  // namespace muster::cli
