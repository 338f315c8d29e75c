// Browser and Advertiser on the real sockets of this machine's loopback interface: nothing leaves the
// machine.
#include <future>
#include <thread>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include "muster/advertiser.h"
#include "muster/browser.h"
#include "muster/time.h"

namespace muster {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

BrowseOptions browsing(std::string type) {
    BrowseOptions options{std::move(type)};
    options.interfaces = {"lo"};
    return options;
}

AdvertiseOptions offering(ServiceOffer offer) {
    AdvertiseOptions options{std::move(offer)};
    options.interfaces = {"lo"};
    return options;
}

// A name that no other test run on this machine has.
std::string fresh_name() { return "test " + std::to_string(SteadyClock::now().time_since_epoch().count()); }

template <class T>
T run(asio::awaitable<T> story) {
    asio::io_context io;
    std::optional<T> out;
    std::exception_ptr failure;
    asio::co_spawn(io, std::move(story), [&](std::exception_ptr error, T value) {
        failure = error;
        if (!error) out.emplace(std::move(value));
        io.stop();
    });
    io.run_for(20s);
    if (failure) std::rethrow_exception(failure);
    if (!out) throw std::runtime_error("the story did not end within 20 s");
    return std::move(*out);
}

asio::awaitable<std::vector<ServiceEvent>> see_one_come_and_go(std::string name) {
    const auto executor = co_await asio::this_coro::executor;
    auto options = browsing("_muster-test._udp");
    auto browser = co_await browse(executor, std::move(options));
    ServiceOffer offer{name, "_muster-test._udp", 4711};
    offer.is_unique = true;
    (void)offer.txt.set("a", "b");
    auto what = offering(std::move(offer));
    auto advertiser = co_await advertise(executor, std::move(what));
    std::vector<ServiceEvent> seen;
    while (seen.empty() || seen.back().kind != ServiceEvent::Kind::left) {
        auto event = co_await browser->next_event();
        if (!event) break;
        if (event->instance.name != name) continue;
        if (event->kind == ServiceEvent::Kind::found) advertiser->stop();
        seen.push_back(*event);
    }
    co_return seen;
}

TEST(PublicDiscovery, ABrowserSeesAnAdvertiserOfTheSameMachineComeAndGo) {
    const auto seen = run(see_one_come_and_go(fresh_name()));
    ASSERT_GE(seen.size(), 2U);
    EXPECT_EQ(seen.front().kind, ServiceEvent::Kind::found);
    EXPECT_EQ(seen.front().instance.port, 4711);
    EXPECT_EQ(seen.front().instance.txt.get("a"), "b");
    ASSERT_FALSE(seen.front().instance.endpoints.empty());
    EXPECT_EQ(seen.back().kind, ServiceEvent::Kind::left);
    EXPECT_EQ(seen.back().reason, LeftReason::goodbye);
}

TEST(PublicDiscovery, BadInputIsExplainedBeforeAnySocketIsOpened) {
    asio::io_context io;
    auto bad_type = browse(io.get_executor(), BrowseOptions{"http._tcp"}, asio::use_future);
    auto bad_name =
        advertise(io.get_executor(), AdvertiseOptions{ServiceOffer{"a\nb", "_x._udp", 1}}, asio::use_future);
    auto nothing = advertise(io.get_executor(), AdvertiseOptions{}, asio::use_future);
    io.run();
    const auto type_error = bad_type.get();
    ASSERT_FALSE(type_error);
    EXPECT_EQ(type_error.error().code(), Errc::bad_input);
    EXPECT_NE(type_error.error().cure().find("_http._tcp"), std::string::npos);
    EXPECT_EQ(bad_name.get().error().code(), Errc::bad_name);
    EXPECT_EQ(nothing.get().error().code(), Errc::bad_input);
}

asio::awaitable<Errc> stop_while_waiting() {
    const auto executor = co_await asio::this_coro::executor;
    auto options = browsing("_muster-none._udp");
    auto browser = co_await browse(executor, std::move(options));
    asio::steady_timer timer{executor, 20ms};
    timer.async_wait([&](auto) { browser->stop(); });
    auto event = co_await browser->next_event();
    if (event) co_return Errc::system;
    auto again = co_await browser->next_event();
    if (again || again.error().code() != event.error().code()) co_return Errc::system;
    co_return event.error().code();
}

TEST(PublicDiscovery, StopEndsAWaitWithClosed) { EXPECT_EQ(run(stop_while_waiting()), Errc::closed); }

asio::awaitable<std::pair<Errc, Errc>> cancel_and_wait_twice() {
    const auto executor = co_await asio::this_coro::executor;
    auto options = browsing("_muster-none._udp");
    auto browser = co_await browse(executor, std::move(options));
    asio::cancellation_signal signal;
    std::optional<Errc> cancelled;
    std::optional<Errc> second;
    const auto note = [](std::optional<Errc>& out) {
        return [&out](Result<ServiceEvent> event) { out = event ? Errc::system : event.error().code(); };
    };
    browser->next_event(
        asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(executor, note(cancelled))));
    browser->next_event(asio::bind_executor(executor, note(second)));
    asio::steady_timer timer{executor, 20ms};
    co_await timer.async_wait(asio::use_awaitable);
    signal.emit(asio::cancellation_type::total);
    timer.expires_after(20ms);
    co_await timer.async_wait(asio::use_awaitable);
    co_return std::pair{cancelled.value_or(Errc::system), second.value_or(Errc::system)};
}

TEST(PublicDiscovery, AWaitCanBeCancelledAndASecondOneIsRefused) {
    const auto [cancelled, second] = run(cancel_and_wait_twice());
    EXPECT_EQ(cancelled, Errc::cancelled);
    EXPECT_EQ(second, Errc::bad_input);
}

asio::awaitable<std::pair<Errc, bool>> signal_after_the_end(std::string name) {
    const auto executor = co_await asio::this_coro::executor;
    auto options = browsing("_muster-test._udp");
    auto browser = co_await browse(executor, std::move(options));
    ServiceOffer offer{std::move(name), "_muster-test._udp", 4711};
    auto what = offering(std::move(offer));
    auto advertiser = co_await advertise(executor, std::move(what));
    asio::cancellation_signal signal;
    asio::steady_timer timer{executor};
    std::optional<Errc> first;
    bool second = false;
    advertiser->next_event(asio::bind_cancellation_slot(
        signal.slot(), asio::bind_executor(executor, [&](Result<OfferEvent> event) {
            first = event ? Errc::system : event.error().code();
            advertiser->next_event(asio::bind_executor(
                executor, [&](const Result<OfferEvent>& next) { second = next.has_value(); }));
            signal.emit(asio::cancellation_type::total);  // its own wait is over
        })));
    signal.emit(asio::cancellation_type::total);
    while (!first || !second) {
        timer.expires_after(1ms);
        co_await timer.async_wait(asio::use_awaitable);
    }
    co_return std::pair{*first, second};
}

TEST(PublicDiscovery, ASignalThatComesLateEndsNoOtherWait) {
    const auto [first, second] = run(signal_after_the_end(fresh_name()));
    EXPECT_EQ(first, Errc::cancelled);
    EXPECT_TRUE(second) << "the announcement";
}

asio::awaitable<std::vector<ServiceEvent>> see_a_change_and_doubt_it(std::string name) {
    const auto executor = co_await asio::this_coro::executor;
    auto options = browsing("_muster-test._udp");
    auto browser = co_await browse(executor, std::move(options));
    ServiceOffer offer{name, "_muster-test._udp", 4711};
    offer.is_unique = true;
    (void)offer.txt.set("a", "b");
    auto what = offering(std::move(offer));
    auto advertiser = co_await advertise(executor, std::move(what));
    std::vector<ServiceEvent> seen;
    while (seen.size() < 3) {
        auto event = co_await browser->next_event();
        if (!event) break;
        if (event->instance.name != name) continue;
        seen.push_back(*event);
        if (event->kind == ServiceEvent::Kind::found) {
            advertiser->update_txt(7, {});  // no such offer: ignored
            TxtRecord txt;
            (void)txt.set("a", "c");
            advertiser->update_txt(0, std::move(txt));
        }
        if (event->kind == ServiceEvent::Kind::updated) {
            browser->reconfirm(name);  // it answers, so it stays until it says goodbye
            asio::steady_timer timer{executor, 50ms};
            co_await timer.async_wait(asio::use_awaitable);
            advertiser->stop();
        }
    }
    co_return seen;
}

TEST(PublicDiscovery, ANewTxtIsSeenAndADoubtedServiceThatAnswersStays) {
    const auto seen = run(see_a_change_and_doubt_it(fresh_name()));
    ASSERT_EQ(seen.size(), 3U);
    EXPECT_EQ(seen[0].instance.txt.get("a"), "b");
    EXPECT_EQ(seen[1].kind, ServiceEvent::Kind::updated);
    EXPECT_EQ(seen[1].instance.txt.get("a"), "c");
    EXPECT_EQ(seen[2].kind, ServiceEvent::Kind::left);
    EXPECT_EQ(seen[2].reason, LeftReason::goodbye);
}

asio::awaitable<int> drop_in_the_handler() {
    const auto executor = co_await asio::this_coro::executor;
    auto options = browsing("_muster-none._udp");
    auto started = co_await browse(executor, std::move(options));
    std::optional<Browser> browser{std::move(*started)};
    browser->next_event(asio::bind_executor(executor, [&](const Result<ServiceEvent>&) { browser.reset(); }));
    browser->stop();
    asio::steady_timer timer{executor};
    while (browser) {
        timer.expires_after(1ms);
        co_await timer.async_wait(asio::use_awaitable);
    }
    co_return 0;
}

TEST(PublicDiscovery, ABrowserMayBeDestroyedInItsOwnHandler) { EXPECT_EQ(run(drop_in_the_handler()), 0); }

TEST(PublicDiscovery, BothMayBeDroppedWhileAPoolOfThreadsRuns) {
    for (int i = 0; i < 20; ++i) {
        asio::io_context io;
        auto work = asio::make_work_guard(io);
        std::thread first{[&] { io.run(); }};
        std::thread second{[&] { io.run(); }};
        {
            auto browser = browse(io.get_executor(), browsing("_muster-test._udp"), asio::use_future).get();
            ServiceOffer offer{fresh_name(), "_muster-test._udp", 1};
            offer.is_unique = true;
            auto advertiser =
                advertise(io.get_executor(), offering(std::move(offer)), asio::use_future).get();
            ASSERT_TRUE(browser && advertiser);
            EXPECT_TRUE(browser->next_event(asio::use_future).get());
        }
        work.reset();
        first.join();
        second.join();
    }
}

}  // namespace
}  // namespace muster
