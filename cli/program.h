#pragma once

#include <memory>
#include <string>
#include <vector>

#include "command.h"

namespace muster::cli {

/// The command line of muster: all its commands, their options, and what is said about them.
class Program {
public:
    Program();
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    /// What a command line asks for: a command, or a text to print with an exit code.
    struct Request {
        Command* command = nullptr;
        Exit exit = Exit::ok;
        std::string text;  ///< Help goes to stdout, complaints to stderr.
    };
    /// Reads the words after the program's name, and the configuration file that they name. Call once.
    Request parse(std::vector<std::string> words);

    bool json() const { return json_; }
    const std::string& home() const { return home_; }

    /// The text of --help; empty: of the whole program. Empty if there is no such command.
    std::string help(const std::string& command) const;
    /// All commands as one JSON object, from which man pages and completion are made.
    std::string describe() const;

private:
    void add(CommandPtr command);
    void add_shared_options();

    std::unique_ptr<CLI::App> app_;
    std::vector<CommandPtr> commands_;
    bool json_ = false;
    std::string home_;
};

CommandPtr make_help(const Program& program);

}  // namespace muster::cli
