#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "command.h"
#include "node/group_names.h"
#include "node/known_coordinators.h"
#include "options.h"
#include "output.h"
#include "text.h"

#include "muster/identity.h"

namespace muster::cli {
namespace {

Result<bool> forget(const std::string& home, const std::string& group) {
    const auto identity = Identity::load(home);
    if (!identity) return identity.error();
    return node::KnownCoordinators{identity->directory()}.forget(group);
}

class Forget final : public Command {
public:
    Manual manual() const override {
        return {
            .name = "forget",
            .summary = "forgets the pinned coordinator of a group",
            .purpose =
                "A device that joins a group for the first time remembers the key of its coordinator and "
                "insists on it from then on. When the coordinator was replaced on purpose, joining fails as "
                "untrusted until this command has removed the pin.",
            .examples = {{"muster forget stage", ""}}};
    }
    void declare(CLI::App& app) override { add_group(app, group_); }

    Exit run(const Context& context) override {
        const auto had = forget(context.home, group_);
        if (!had) {
            const Exit exit = exit_of(had.error().code());
            context.output.fail(had.error(), static_cast<int>(exit));
            return exit;
        }
        JsonLine line{"forgotten"};
        context.output.event(line.text("group", group_).flag("was_pinned", *had));
        context.output.say(*had ? "the next coordinator of '" + printable(group_) +
                                      "' will be trusted and pinned"
                                : "no coordinator was pinned for '" + printable(group_) + "'");
        return Exit::ok;
    }

private:
    std::string group_ = "muster";
};

}  // namespace

CommandPtr make_forget() { return std::make_unique<Forget>(); }

}  // namespace muster::cli
