#include "net/network_reader.h"

#include <utility>

#include "os/kernel_facts.h"
#include "os/resolver_config.h"
#include "os/system_facts.h"

namespace muster::net {

Result<NetworkFacts> read_facts(os::KernelFacts& kernel, const PathPreferences& preferences) {
    auto interfaces = muster::interfaces();
    if (!interfaces) return interfaces.error();
    NetworkFacts facts;
    facts.interfaces = std::move(*interfaces);
    mark_interfaces(preferences, facts.interfaces);
    auto routing = kernel.routing();
    if (!routing) return routing.error();
    facts.routing = std::move(*routing);
    facts.dns_servers = os::dns_servers();
    facts.uid = os::user_id();
    return facts;
}

namespace {

Result<os::RouteAnswer> answer_to(os::KernelFacts& kernel, const RouteQuestion& question) {
    auto answer = kernel.answer(question.remote, question.local);
    if (!answer || answer->error != 0 || question.remote.interface == InterfaceIndex::none) return answer;
    const auto line = kernel.line_for(question.remote);
    if (!line) return line.error();
    answer->is_assumed = line->error != 0;
    return answer;
}

}  // namespace

Result<NetworkPath> read_path(const PathPreferences& preferences,
                              const std::optional<RouteQuestion>& question) {
    const auto kernel = os::KernelFacts::open();
    if (!kernel) return kernel.error();
    const auto facts = read_facts(**kernel, preferences);
    if (!facts) return facts.error();
    if (!question) return judge(*facts);
    const auto answer = answer_to(**kernel, *question);
    if (!answer) return answer.error();
    return judge(*facts, *question, *answer);
}

Result<void> check_question(const RouteQuestion& question) {
    const IpAddress& to = question.remote.address;
    if (to.is_link_local() && question.remote.interface == InterfaceIndex::none)
        return Error{Errc::bad_input, to.to_string() + " is on every link: it does not say which is meant"}
            .cure("name the interface, as in " + to.to_string() + "%eth0");
    if (to.is_unspecified()) return Error{Errc::bad_input, to.to_string() + " is no destination"};
    if (question.local && question.local->is_v6() != to.is_v6())
        return Error{Errc::bad_input, "the local address " + question.local->to_string() +
                                          " is of another family than " + to.to_string()};
    return {};
}

}  // namespace muster::net
