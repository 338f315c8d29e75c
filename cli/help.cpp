#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "output.h"
#include "program.h"
#include "text.h"

namespace muster::cli {
namespace {

class Help final : public Command {
public:
    explicit Help(const Program& program) : program_(program) {}

    Manual manual() const override {
        return {
            .name = "help",
            .summary = "explains the commands",
            .purpose =
                "Prints what --help prints. With --json it describes all commands, options and exit codes "
                "as one object: man pages and the completion of the shell are made from it.",
            .examples = {{"muster help join", "What joining takes:"}, {"muster help --json", ""}}};
    }
    void declare(CLI::App& app) override {
        app.add_option("COMMAND", command_, "The command to explain; all of them without it.")->type_name("");
    }
    Exit run(const Context& context) override {
        if (context.output.is_json()) {
            context.output.raw(program_.describe() + "\n");
            return Exit::ok;
        }
        const std::string text = program_.help(command_);
        if (!text.empty()) {
            context.output.raw(text);
            return Exit::ok;
        }
        context.output.fail(
            Error{Errc::bad_input, "there is no command '" + command_ + "'"}.cure("see muster help"),
            static_cast<int>(Exit::usage));
        return Exit::usage;
    }

private:
    const Program& program_;
    std::string command_;
};

}  // namespace

CommandPtr make_help(const Program& program) { return std::make_unique<Help>(program); }

}  // namespace muster::cli
