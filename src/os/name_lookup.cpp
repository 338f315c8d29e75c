#include "os/name_lookup.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "os/socket_message.h"

namespace muster::os {
namespace {

constexpr std::size_t kMostAddresses = 16;
constexpr int kMostLookups = 16;
std::atomic<int> running{0};  // of the process: what a resolver that hangs may keep

LookupOutcome ask(const std::string& name) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    // Not AI_ADDRCONFIG: without an IPv4 address, which is what is to be found out, a name of IPv4 alone would not be known.
    addrinfo* list = nullptr;
    LookupOutcome outcome;
    const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
    if (error != 0) {
        outcome.trouble = ::gai_strerror(error);
        return outcome;
    }
    for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
        SocketAddress found{};
        std::memcpy(&found, each->ai_addr, std::min<std::size_t>(each->ai_addrlen, sizeof found));
        const bool v6 = found.any.sa_family == AF_INET6;
        if (!v6 && found.any.sa_family != AF_INET) continue;
        Endpoint to;
        to.address = v6 ? to_address(found.v6.sin6_addr).unmapped() : to_address(found.v4.sin_addr);
        if (v6) to.interface = InterfaceIndex{found.v6.sin6_scope_id};
        if (to.address.is_unspecified() || to.address.is_multicast()) {
            outcome.trouble = "the resolver says " + to.address.to_string() +
                              ", which is no address of a host: the name may be blocked";
            continue;
        }
        const bool is_known = std::ranges::find(outcome.addresses, to) != outcome.addresses.end();
        if (!is_known && outcome.addresses.size() < kMostAddresses) outcome.addresses.push_back(to);
    }
    ::freeaddrinfo(list);
    if (!outcome.addresses.empty()) outcome.trouble.clear();
    if (outcome.addresses.empty() && outcome.trouble.empty()) outcome.trouble = "it has no IP address";
    return outcome;
}

}  // namespace

struct NameLookup::Shared {
    std::mutex mutex;
    std::optional<LookupOutcome> outcome;
};

Result<std::unique_ptr<NameLookup>> NameLookup::begin(std::string name) {
    if (running.fetch_add(1) >= kMostLookups) {
        running.fetch_sub(1);
        return Error{Errc::system, "the resolver hangs: too many lookups are under way"};
    }
    auto shared = std::make_shared<Shared>();
    try {
        std::thread{[shared, name = std::move(name)] {
            auto outcome = ask(name);
            const std::lock_guard lock{shared->mutex};
            shared->outcome = std::move(outcome);
            running.fetch_sub(1);
        }}.detach();
    } catch (const std::system_error& error) {
        running.fetch_sub(1);
        return Error{Errc::system, std::string{"starting a thread for the resolver: "} + error.what()};
    }
    return std::unique_ptr<NameLookup>{new NameLookup{std::move(shared)}};
}

NameLookup::NameLookup(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
NameLookup::~NameLookup() = default;

std::optional<LookupOutcome> NameLookup::outcome() const {
    const std::lock_guard lock{shared_->mutex};
    return shared_->outcome;
}

}  // namespace muster::os
