#include <boost/asio/dispatch.hpp>
#include <boost/asio/strand.hpp>

#include "base/wait.h"
#include "net/multicast_doctor_driver.h"
#include "net/multicast_judge.h"
#include "node/completion.h"

#include "muster/multicast_doctor.h"
#include "muster/path_preferences.h"

namespace muster {

namespace asio = boost::asio;

namespace {

Result<void> check(const DiagnoseOptions& options) {
    if (!options.group.is_multicast())
        return Error{Errc::bad_input,
                     "the group " + options.group.to_string() + " is not a multicast address"};
    if (options.port == 0) return Error{Errc::bad_input, "the group needs a port"};
    PathPreferences selectors;
    selectors.require = options.interfaces;
    return check_path_preferences(selectors);
}

}  // namespace

namespace detail {

void start_diagnosis(const asio::any_io_executor& executor, DiagnoseOptions options,
                     DiagnosisHandler handler) {
    asio::any_io_executor strand = asio::make_strand(executor);
    if (const auto fine = check(options); !fine)
        return node::complete(strand, std::move(handler), Result<MulticastDiagnosis>{fine.error()});
    net::ExaminationOptions what{options.group, options.port, std::move(options.interfaces),
                                 bounded_wait(options.listen)};
    // Shared because a std::function must be copyable; called once.
    auto waiting = std::make_shared<DiagnosisHandler>(std::move(handler));
    net::examine_multicast(strand, std::move(what),
                           [strand, waiting](const Result<net::MulticastFacts>& facts) {
                               auto outcome = facts ? Result<MulticastDiagnosis>{net::judge(*facts)}
                                                    : Result<MulticastDiagnosis>{facts.error()};
                               node::complete(strand, std::move(*waiting), std::move(outcome));
                           });
}

}  // namespace detail

}  // namespace muster
