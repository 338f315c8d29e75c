#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control_paths.h"

namespace muster::cli {

/// Asks a running process, and waits six seconds at most. Errors: not_connected (nobody is behind the socket: it is removed if
/// a process of ours has left it behind), timed_out, refused (it does not talk to this user), protocol_violation, or bad_input
/// with what it complains of.
Result<std::string> ask(const RunningProcess& process, const std::string& request);
/// Asks all of them at once, in no more time; the answers in the same order.
std::vector<Result<std::string>> ask_all(std::span<const RunningProcess> processes,
                                         const std::string& request);

/// The processes that answer, each with what it says it is. `pid`: only this one. Errors: not_connected if there is none.
struct AnsweringProcess {
    RunningProcess process;
    std::string about;
};
Result<std::vector<AnsweringProcess>> answering_processes(const std::optional<std::uint32_t>& pid);

/// The same if only one will do. Errors also: bad_input, which lists them.
Result<AnsweringProcess> the_process(const std::optional<std::uint32_t>& pid);

}  // namespace muster::cli
