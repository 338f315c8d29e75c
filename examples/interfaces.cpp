// Prints the network interfaces of this machine, and what happens to them: plug one in, or pull a cable.
//   interfaces
#include <algorithm>
#include <iostream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <muster/interface_monitor.h>

namespace asio = boost::asio;

void print(const muster::Interface& it) {
    std::cout << it.name << ": " << to_string(it.functional_type) << (it.up ? ", on" : ", off")
              << (it.carrier ? ", carrier" : ", no carrier")
              << (it.addressed().any() ? ", addressed" : ", no address") << std::endl;
}

asio::awaitable<void> watch(muster::InterfaceMonitor monitor) {
    while (auto change = co_await monitor.next_change()) {  // one for each burst of changes
        for (const auto& it : change->now.interfaces)
            if (std::ranges::find(change->diff.changed, it.index) != change->diff.changed.end() ||
                std::ranges::find(change->diff.appeared, it.index) != change->diff.appeared.end())
                print(it);
        for (const auto index : change->diff.gone)
            std::cout << "interface " << static_cast<unsigned>(index) << " is gone" << std::endl;
    }
}

int main() {
    asio::io_context context;
    auto monitor = muster::InterfaceMonitor::open(context.get_executor());
    if (!monitor) {
        std::cerr << monitor.error().explain() << std::endl;
        return 1;
    }
    for (const auto& it : monitor->snapshot().interfaces) print(it);  // complete, before anything has run
    asio::co_spawn(context, watch(std::move(*monitor)), asio::detached);
    context.run();
}
