#include "muster/multicast_doctor.h"

#include "multicast.h"
#include "output.h"
#include "run.h"
#include "text.h"

namespace muster::cli {

namespace asio = boost::asio;

namespace {

template <class Items, class Make>
std::string json_list(const Items& items, Make make) {
    std::string list;
    for (const auto& each : items) list += (list.empty() ? "" : ",") + make(each);
    return "[" + list + "]";
}

void tell(Output& output, const MulticastDiagnosis& diagnosis) {
    JsonLine line{"multicast_diagnosis"};
    line.flag("arrives", diagnosis.arrives);
    line.json("findings", json_list(diagnosis.findings, [](const MulticastFinding& each) {
                  JsonLine one;
                  one.text("cause", to_string(each.cause))
                      .text("signal", each.signal)
                      .text("cure", cure_of(each.cause));
                  if (!each.interface.empty()) one.text("interface", each.interface);
                  return one.to_string();
              }));
    line.json("seen", json_list(diagnosis.seen, [](const Evidence& each) {
                  JsonLine one;
                  one.text("phase", each.phase).text("subject", each.subject).text("finding", each.finding);
                  return one.to_string();
              }));
    line.json("unseen",
              json_list(diagnosis.unseen, [](const std::string& each) { return json_string(each); }));
    output.event(std::move(line));
    output.say(diagnosis.explain());
}

}  // namespace

asio::awaitable<Exit> examine_multicast(Network& network, const Context& context, MulticastRequest request) {
    DiagnoseOptions options{request.group.address, request.group.port};
    options.interfaces = request.interfaces;
    options.prohibit = request.prohibit;
    if (request.stay) options.listen = *request.stay;
    const auto diagnosis = co_await diagnose_multicast(network.executor(), std::move(options));
    if (!diagnosis) co_return failed(context, diagnosis.error());
    tell(context.output, *diagnosis);
    co_return diagnosis->arrives ? Exit::ok : Exit::not_found;
}

}  // namespace muster::cli
