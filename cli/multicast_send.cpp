#include <algorithm>
#include <chrono>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "multicast.h"
#include "output.h"
#include "run.h"
#include "text.h"

#include "muster/multicast_sender.h"

namespace muster::cli {

namespace asio = boost::asio;

namespace {

constexpr Duration kUsualPause = std::chrono::seconds{1};
constexpr char kNoInterface[] = "no interface to send by is up with a carrier";

void tell(Output& output, const std::vector<MulticastSent>& all, std::size_t octets) {
    JsonLine line{"multicast_sent"};
    line.integer("octets", octets);
    line.list("interfaces", all, [](const MulticastSent& each) {
        JsonLine one;
        one.text("interface", each.name).flag("sent", each.is_sent());
        if (!each.is_sent()) one.text("finding", each.finding);
        return one;
    });
    output.event(std::move(line));
    std::string text;
    for (const MulticastSent& each : all)
        text += (text.empty() ? "" : ", ") + printable(each.name) +
                (each.is_sent() ? "" : " (not sent: " + each.finding + ")");
    output.say(all.empty() ? std::string{kNoInterface} : "sent " + size_text(octets) + " by " + text);
}

}  // namespace

asio::awaitable<Exit> send_multicast(asio::io_context& io, const Context& context, MulticastRequest request) {
    using namespace asio::experimental::awaitable_operators;
    MulticastSenderOptions options{request.group.address, request.group.port};
    options.interfaces = request.interfaces;
    options.prohibit = request.prohibit;
    options.hop_limit = request.hops;
    auto sender = MulticastSender::open(std::move(options));
    if (!sender) co_return failed(context, sender.error());
    asio::basic_waitable_timer<SteadyClock> timer{io, SteadyClock::now()};
    bool is_sent = false;
    for (std::uint64_t number = 1;; ++number) {
        const auto all = sender->send(as_bytes(request.text));
        is_sent |= std::ranges::any_of(all, &MulticastSent::is_sent);
        if (all.empty() && request.count == 1) co_return failed(context, {Errc::no_interface, kNoInterface});
        tell(context.output, all, request.text.size());
        if (number == request.count) break;
        timer.expires_at(timer.expiry() + request.every.value_or(kUsualPause));
        const auto first = co_await (signals_of(io).async_wait(asio::use_awaitable) ||
                                     timer.async_wait(asio::use_awaitable));
        if (first.index() == 0) co_return Exit::interrupted;
    }
    co_return is_sent ? Exit::ok : Exit::unreachable;
}

}  // namespace muster::cli
