#include "node/departure.h"

#include <string>
#include <utility>

namespace muster::node {

Error error_of(const Departure& how) {
    if (how.is_lost()) {
        Error told{Errc::lost, how.cause().message()};
        for (const Evidence& each : how.cause().evidence()) told.saw(each);
        return std::move(told.fault(how.cause().fault()).cure(how.cause().cure()));
    }
    const Closed& closed = how.closed();
    std::string told =
        closed.by == Closed::By::peer ? "the peer closed the session" : "this end closed the session";
    if (closed.code != 0) told += " with code " + std::to_string(closed.code);
    return {Errc::closed, closed.reason.empty() ? told : told + ": " + closed.reason};
}

}  // namespace muster::node
