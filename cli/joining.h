#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/system/result.hpp>

#include "options.h"
#include "run.h"

#include "muster/member.h"

namespace muster::cli {

/// How to join, as `muster join` and `muster send` take it from the command line.
struct JoinArguments {
    JoinOptions join;
    std::string context;
    std::vector<DeviceId> only;
    bool no_discover = false;
    std::optional<Duration> timeout;
    JournalChoice journal;
};

/// Everything but the group.
void add_join_options(CLI::App& app, JoinArguments& arguments);

/// Joins, and tells how: found in, joined in, over what. Ctrl-C gives up. The exit code if it failed, which
/// has been told.
boost::asio::awaitable<boost::system::result<Member, Exit>> join_group(boost::asio::io_context& io,
                                                                       Network& network,
                                                                       const JoinArguments& arguments,
                                                                       const Context& context);

}  // namespace muster::cli
