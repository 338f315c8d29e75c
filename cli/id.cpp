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

class Id final : public Command {
public:
    Manual manual() const override {
        return {
            .name = "id",
            .summary = "prints who this device is",
            .purpose =
                "Prints the id of this device, the hash of its public key, and where the key is kept. The "
                "key is made at the first use of any command. Others name the id in --allow and --only.",
            .examples = {{"muster id", ""}, {"muster host --allow $(ssh stage muster id --short)", ""}}};
    }
    void declare(CLI::App& app) override {
        add_flag(app, "-s,--short", short_, "Prints the id and nothing else.");
    }

    Exit run(const Context& context) override {
        const auto identity = Identity::load(context.home);
        if (!identity) return failed(context, identity.error());
        const std::string id = identity->id().to_string();
        JsonLine line{"id"};
        context.output.event(line.text("id", id).text("directory", identity->directory()));
        context.output.say(id);
        if (!short_) context.output.say("the key is kept in " + printable(identity->directory()));
        return Exit::ok;
    }

private:
    bool short_ = false;
};

}  // namespace

CommandPtr make_id() { return std::make_unique<Id>(); }

}  // namespace muster::cli
