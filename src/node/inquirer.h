#pragma once

#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "base/path_findings.h"
#include "link/path.h"

namespace muster::node {

/// Runs inquiries about paths that fell silent, at most eight at a time; what comes beyond is dropped, and its fault
/// remains called silent. All calls on one strand.
class Inquirer {
public:
    using OnFindings = std::function<void(const link::Path& path, const PathFindings& findings)>;

    Inquirer(boost::asio::any_io_executor strand, OnFindings on_findings);
    ~Inquirer();
    Inquirer(const Inquirer&) = delete;
    Inquirer& operator=(const Inquirer&) = delete;

    void ask(const link::Path& path);

private:
    struct Running;
    struct State;
    static void wait(const std::shared_ptr<State>& state, std::shared_ptr<Running> running);

    std::shared_ptr<State> state_;  // owners: this, and the waits under way
};

}  // namespace muster::node
