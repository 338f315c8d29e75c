#include <boost/asio/dispatch.hpp>
#include <boost/asio/strand.hpp>

#include "base/wait.h"
#include "net/multicast_doctor_driver.h"
#include "net/multicast_judge.h"
#include "node/completion.h"

#include "muster/multicast_doctor.h"

namespace muster {

namespace asio = boost::asio;

namespace detail {

void start_diagnosis(const asio::any_io_executor& executor, DiagnoseOptions options,
                     DiagnosisHandler handler) {
    asio::any_io_executor strand = asio::make_strand(executor);
    net::GroupTarget target{options.group, options.port, std::move(options.interfaces),
                            std::move(options.prohibit)};
    if (const auto fine = net::check(target); !fine)
        return node::complete(strand, std::move(handler), Result<MulticastDiagnosis>{fine.error()});
    // Shared because a std::function must be copyable; called once.
    auto waiting = std::make_shared<DiagnosisHandler>(std::move(handler));
    net::examine_multicast(strand, std::move(target), bounded_wait(options.listen),
                           [strand, waiting](const Result<net::MulticastFacts>& facts) {
                               auto outcome = facts ? Result<MulticastDiagnosis>{net::judge(*facts)}
                                                    : Result<MulticastDiagnosis>{facts.error()};
                               node::complete(strand, std::move(*waiting), std::move(outcome));
                           });
}

}  // namespace detail

}  // namespace muster
