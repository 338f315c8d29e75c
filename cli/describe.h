#pragma once

#include <string>

#include "command.h"
#include "json_line.h"

namespace muster::cli {

/// What an option takes, as help calls it: "PROFILE".
std::string label_of(const CLI::Option& option);

// The parts of `muster help --json`, in the form that packaging/generate_docs.py reads.

std::string describe_options(const CLI::App& app);
std::string describe_exit_codes();
std::string describe_command(const Manual& manual, const CLI::App& app);

}  // namespace muster::cli
