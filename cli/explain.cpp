#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "command.h"
#include "control_client.h"
#include "options.h"
#include "output.h"
#include "run.h"
#include "text.h"

namespace muster::cli {
namespace {

class Explain final : public Command {
public:
    Manual manual() const override {
        return {
            .name = "explain",
            .summary = "says how a running session reaches its peers, and what has happened to it",
            .purpose =
                "Asks a `muster host` or `muster join` that runs on this machine: by which paths each peer "
                "can be reached and how good each is, what was tried, and what was seen lately of "
                "interfaces, paths, links and faults, each with its time. Nothing is changed by asking.\n"
                "\n"
                "If several run, --pid says which is meant. Processes of other users answer root only.",
            .examples = {{"muster explain", "What does the session here know of its peers?"},
                         {"muster explain mixer --json", "The same of one, for a program:"}}};
    }
    void declare(CLI::App& app) override {
        app.add_option("PEER", peer_, "A name, an id or its first characters, or 'coordinator' (everyone).")
            ->type_name("");
        add_pid(app, pid_);
    }

    Exit run(const Context& context) override {
        const auto process = the_process(pid_);
        if (!process) return failed(context, process.error());
        Output& out = context.output;
        const auto answer =
            ask(process->process, std::string{out.is_json() ? "explain json" : "explain text"} +
                                      (peer_.empty() ? "" : " " + peer_));
        if (!answer) return failed(context, answer.error());
        JsonLine line{"process"};
        out.event(line.integer("pid", process->process.pid).text("about", process->about));
        out.say("process " + std::to_string(process->process.pid) + ", " + process->about);
        std::string_view rest = *answer;
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find('\n'), rest.size());
            tell(out, rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        return Exit::ok;
    }

private:
    static void tell(Output& out, std::string_view line) {
        if (!out.is_json()) return out.say(printable(line));
        const std::size_t space = std::min(line.find(' '), line.size());
        JsonLine event{line.substr(0, space)};
        out.event(event.json("of", harmless_json(line.substr(std::min(space + 1, line.size())))));
    }

    std::string peer_;
    std::optional<std::uint32_t> pid_;
};

}  // namespace

CommandPtr make_explain() { return std::make_unique<Explain>(); }

}  // namespace muster::cli
