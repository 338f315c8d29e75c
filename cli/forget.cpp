#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "command.h"
#include "options.h"
#include "output.h"
#include "run.h"
#include "text.h"

#include "muster/identity.h"

namespace muster::cli {
namespace {

class Forget final : public Command {
public:
    Manual manual() const override {
        return {
            .name = "forget",
            .summary = "forgets the pinned coordinator of a group, or lists all of them",
            .purpose =
                "A device that joins a group for the first time remembers the key of its coordinator and "
                "insists on it from then on. When the coordinator was replaced on purpose, joining fails as "
                "untrusted until this command has removed the pin.",
            .examples = {{"muster forget --list", "Whom does this device insist on?"},
                         {"muster forget stage", ""}}};
    }
    void declare(CLI::App& app) override {
        add_group(app, group_);
        add_flag(app, "-l,--list", list_, "Lists groups and their coordinators, and forgets nothing.");
    }

    Exit run(const Context& context) override {
        const auto identity = Identity::load(context.home);
        if (!identity) return failed(context, identity.error());
        return list_ ? list(context, *identity) : forget(context, *identity);
    }

private:
    Exit list(const Context& context, const Identity& identity) const {
        const auto pins = identity.pins();
        if (!pins) return failed(context, pins.error());
        std::vector<std::vector<std::string>> rows{{"GROUP", "COORDINATOR"}};
        for (const auto& [group, coordinator] : *pins) {
            JsonLine line{"pinned"};
            context.output.event(line.text("group", group).text("id", coordinator.to_string()));
            rows.push_back({printable(group), coordinator.to_string()});
        }
        for (const std::string& line : table_lines(rows, context.output.width())) context.output.say(line);
        return Exit::ok;
    }

    Exit forget(const Context& context, const Identity& identity) const {
        const auto had = identity.forget_pin(group_);
        if (!had) return failed(context, had.error());
        JsonLine line{"forgotten"};
        context.output.event(line.text("group", group_).flag("was_pinned", *had));
        context.output.say(*had ? "the next coordinator of '" + printable(group_) +
                                      "' will be trusted and pinned"
                                : "no coordinator was pinned for '" + printable(group_) + "'");
        return Exit::ok;
    }

    std::string group_ = "muster";
    bool list_ = false;
};

}  // namespace

CommandPtr make_forget() { return std::make_unique<Forget>(); }

}  // namespace muster::cli
