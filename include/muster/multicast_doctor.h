#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "muster/endpoint.h"
#include "muster/error.h"
#include "muster/multicast_diagnosis.h"
#include "muster/time.h"

namespace muster {

/// What to examine.
struct DiagnoseOptions {
    DiagnoseOptions(IpAddress group_wanted, std::uint16_t port_wanted)
        : group(group_wanted), port(port_wanted) {}

    IpAddress group;
    std::uint16_t port;
    /// Where it is expected: selectors as in PathPreferences; empty: on any interface. The others are looked at as well.
    std::vector<std::string> interfaces;
    /// On these nothing is joined and nothing sent, and it is not expected there; wins over `interfaces`.
    std::vector<std::string> prohibit;
    /// How long to listen, twice: before and after the membership has been announced afresh. Less than the time between
    /// two datagrams finds nothing. It ends sooner when enough has come wherever the group is joined.
    Duration listen = std::chrono::seconds{2};
};

using DiagnosisHandler = boost::asio::any_completion_handler<void(Result<MulticastDiagnosis>)>;

namespace detail {
void start_diagnosis(const boost::asio::any_io_executor& executor, DiagnoseOptions options,
                     DiagnosisHandler handler);
}

/// Examines why what is sent to a group does not reach the programs of this machine: listens on all interfaces, joins for
/// a moment everywhere, and compares that with memberships, sockets, filters and counters of the kernel. As root it sees
/// more; what it could not see is said. Takes `listen` twice at most. Errors: bad_input (no multicast address, port 0, a
/// selector that cannot be), system. Cancellation: none; it ends by itself. Thread: any; completes on the handler's
/// associated executor.
template <class Token = boost::asio::use_awaitable_t<>>
auto diagnose_multicast(boost::asio::any_io_executor executor, DiagnoseOptions options, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(Result<MulticastDiagnosis>)>(
        [](auto handler, boost::asio::any_io_executor where, DiagnoseOptions what) {
            detail::start_diagnosis(where, std::move(what), std::move(handler));
        },
        token, std::move(executor), std::move(options));
}

}  // namespace muster
