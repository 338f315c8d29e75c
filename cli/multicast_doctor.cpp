#include "muster/multicast_doctor.h"

#include "multicast.h"
#include "output.h"
#include "run.h"
#include "text.h"

namespace muster::cli {

namespace asio = boost::asio;

namespace {

void tell(Output& output, const MulticastDiagnosis& diagnosis) {
    JsonLine line{"multicast_diagnosis"};
    line.flag("arrives", diagnosis.arrives);
    line.list("findings", diagnosis.findings, [](const MulticastFinding& each) {
        JsonLine one;
        one.text("cause", to_string(each.cause))
            .text("signal", each.signal)
            .text("cure", cure_of(each.cause));
        if (!each.interface.empty()) one.text("interface", each.interface);
        return one;
    });
    line.list("seen", diagnosis.seen, json_of_evidence);
    line.list("unseen", diagnosis.unseen, json_string);
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
