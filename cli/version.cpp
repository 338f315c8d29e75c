#include "muster/version.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "command.h"
#include "output.h"

namespace muster::cli {
namespace {

class Version final : public Command {
public:
    Manual manual() const override {
        return {.name = "version",
                .summary = "prints the version",
                .purpose = "Prints the version of the program and of the protocol that it speaks.",
                .examples = {}};
    }
    void declare(CLI::App&) override {}

    Exit run(const Context& context) override {
        JsonLine line{"version"};
        context.output.event(line.text("version", muster::version()).integer("protocol", protocol_version()));
        context.output.say(fmt::format("muster {}, protocol {}", muster::version(), protocol_version()));
        return Exit::ok;
    }
};

}  // namespace

CommandPtr make_version() { return std::make_unique<Version>(); }

}  // namespace muster::cli
