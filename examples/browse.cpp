// Shows the services of one type on the local network as they come, change and go; with a name and a port it
// advertises one itself meanwhile.
//   browse [TYPE [NAME PORT]]
#include <iostream>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <muster/advertiser.h>
#include <muster/browser.h>
#include <muster/group.h>

namespace asio = boost::asio;

void print(const muster::ServiceEvent& event) {
    const char* const kinds[] = {"+", "~", "-"};
    std::cout << kinds[static_cast<int>(event.kind)] << " " << event.instance.name;
    if (event.kind == muster::ServiceEvent::Kind::left) std::cout << " (" << to_string(event.reason) << ")";
    for (const auto& endpoint : event.instance.endpoints) std::cout << "  " << to_text(endpoint);
    for (const auto& entry : event.instance.txt.entries())
        std::cout << "  " << entry.key << "=" << entry.value.value_or("");
    std::cout << std::endl;
}

asio::awaitable<void> run(std::string type, std::string name, std::uint16_t port) {
    const auto executor = co_await asio::this_coro::executor;
    muster::BrowseOptions wanted{type};
    auto browser = co_await muster::browse(executor, std::move(wanted));
    if (!browser) {  // what is wrong, and how it is written
        std::cerr << browser.error().explain() << std::endl;
        co_return;
    }
    std::optional<muster::Advertiser> advertiser;  // says goodbye at the end of its life
    if (!name.empty()) {
        muster::ServiceOffer offer{name, type, port};
        muster::AdvertiseOptions options{std::move(offer)};
        auto running = co_await muster::advertise(executor, std::move(options));
        if (running) advertiser.emplace(std::move(*running));
        if (!running) std::cerr << running.error().explain() << std::endl;
    }
    while (auto event = co_await browser->next_event()) print(*event);
}

int main(int count, char** words) {
    const std::string type = count > 1 ? words[1] : muster::kGroupType;
    const auto port = static_cast<std::uint16_t>(count > 3 ? std::stoul(words[3]) : 0);
    asio::io_context context;
    asio::co_spawn(context, run(type, count > 3 ? words[2] : "", port), asio::detached);
    context.run();
}
