// Looks for services and tells when each was seen. Orders on standard input:
//
//   find GROUP    looks for the one coordinator of a group as a member does; stops at the answer
//   browse TYPE   tells everything about a type until "stop"
//
// Both with a cold cache.
#include <memory>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "discovery/mdns_service.h"
#include "node/group_names.h"
#include "probe.h"
#include "stdin_lines.h"

namespace asio = boost::asio;
namespace json = boost::json;
using namespace muster;
using namespace muster::lab;

namespace {

std::string_view to_string(ServiceEvent::Kind kind) {
    switch (kind) {
        case ServiceEvent::Kind::found: return "found";
        case ServiceEvent::Kind::updated: return "updated";
        case ServiceEvent::Kind::left: return "left";
    }
    return "";
}

void tell_service(const ServiceEvent& event) {
    json::array endpoints;
    for (const Endpoint& endpoint : event.instance.endpoints) endpoints.emplace_back(endpoint.to_string());
    json::object facts{
        {"name", event.instance.name}, {"host", event.instance.host}, {"port", event.instance.port}};
    facts["endpoints"] = std::move(endpoints);
    if (event.kind == ServiceEvent::Kind::left) facts["reason"] = muster::to_string(event.reason);
    tell(to_string(event.kind), std::move(facts));
}

/// One look with a service of its own, so that nothing is remembered from the last one.
class Look {
public:
    explicit Look(const asio::any_io_executor& executor) : started_(now_ns()), service_(executor) {}
    ~Look() { service_.stop(); }

    void find(const std::string& group) {
        discovery::ResolveRequest request;
        request.instance = node::coordinator_instance(group);
        request.type = kGroupType;
        keep(service_.resolve_unique(request, &tell_service));
    }
    void browse(const std::string& type) {
        discovery::BrowseRequest request;
        request.type = type;
        keep(service_.browse(request, &tell_service));
    }

private:
    void keep(Result<discovery::Subscription> running) {
        if (!running) return tell_failure(running.error());
        subscription_ = std::move(*running);
        if (const auto started = service_.start(); !started) return tell_failure(started.error());
        tell("looking", {{"before_ns", started_}});
    }

    std::int64_t started_;
    discovery::MdnsService service_;
    discovery::Subscription subscription_;
};

asio::awaitable<void> obey() {
    const auto executor = co_await asio::this_coro::executor;
    StdinLines orders{executor};
    std::unique_ptr<Look> look;
    while (const auto line = co_await orders.next()) {
        const auto [verb, what] = split_order(*line);
        look.reset();
        if (verb == "stop") continue;
        look = std::make_unique<Look>(executor);
        if (verb == "find") look->find(what);
        if (verb == "browse") look->browse(what);
    }
    look.reset();
    std::exit(0);
}

}  // namespace

int main() {
    tell("up");
    asio::io_context context{1};
    asio::co_spawn(context, obey(), asio::detached);
    context.run();
}
