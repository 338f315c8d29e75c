#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "net/why_facts.h"

#include "muster/error.h"
#include "muster/time.h"

namespace muster::net {

/// Where to, as it was asked: a name or an address.
struct WhyTarget {
    std::string text;  ///< As it was written.
    std::string name;  ///< To be looked up; empty: `remote` has the address.
    Endpoint remote;   ///< With the port; 0: none was asked for.
    std::string interface;
    bool asks_udp = false;
};

/// Gathers the facts about one target: name, routes, interfaces; then asks next hop, host and port, and looks at the wire
/// meanwhile. One strand; lives until `done` has been called.
class WhyExamination : public std::enable_shared_from_this<WhyExamination> {
public:
    using Done = std::function<void(Result<WhyFacts>)>;

    /// `done` is called once, on the strand; from inside cancel(), and from no other call. Errors: bad_input (a
    /// broadcast address), system, unsupported, timed_out, cancelled.
    static std::shared_ptr<WhyExamination> make(const boost::asio::any_io_executor& strand, WhyTarget target,
                                                Duration patience, Done done);
    virtual ~WhyExamination() = default;

    /// Once; from any thread.
    virtual void start() = 0;

    const boost::asio::any_io_executor& strand() const { return strand_; }
    /// On the strand. Harmless when it is over.
    virtual void cancel() = 0;

protected:
    explicit WhyExamination(const boost::asio::any_io_executor& strand) : strand_(strand) {}

private:
    boost::asio::any_io_executor strand_;
};

}  // namespace muster::net
