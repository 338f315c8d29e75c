#pragma once

#include <memory>
#include <string>
#include <vector>

#include "exit_codes.h"

#include "muster/time.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace muster::cli {

class Output;

struct Example {
    std::string command;
    std::string help;
};

/// What a command is for: shown by --help, and made into its man page.
struct Manual {
    std::string name;
    std::string summary;  ///< One line.
    std::string purpose;  ///< Paragraphs, separated by empty lines.
    std::vector<Example> examples;
};

/// What every command gets.
struct Context {
    Output& output;
    TimePoint started;  ///< When the process began.
    std::string home;   ///< Directory of the device key; empty: the usual one.
};

/// One word of the command line.
class Command {
public:
    virtual ~Command() = default;
    virtual Manual manual() const = 0;
    /// Adds arguments and options.
    virtual void declare(CLI::App& app) = 0;
    /// Does the work; errors have been told when it returns.
    virtual Exit run(const Context& context) = 0;
};

using CommandPtr = std::unique_ptr<Command>;

// One file each.
CommandPtr make_host();
CommandPtr make_join();
CommandPtr make_send();
CommandPtr make_browse();
CommandPtr make_advertise();
CommandPtr make_interfaces();
CommandPtr make_multicast();
CommandPtr make_explain();
CommandPtr make_report_command();
CommandPtr make_path();
CommandPtr make_why();
CommandPtr make_id();
CommandPtr make_forget();
CommandPtr make_version();

}  // namespace muster::cli
