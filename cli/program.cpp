#include "program.h"

#include <algorithm>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "config.h"
#include "describe.h"
#include "text.h"

#include "muster/version.h"

namespace muster::cli {
namespace {

constexpr char kSummary[] = "lets devices find each other, join, and exchange messages and files";
constexpr char kPurpose[] =
    "Devices in one network meet under the name of a group. One of them hosts it, the others join it by "
    "that name: no addresses, no router, no DHCP and no internet are needed, an IPv6 link-local address is "
    "enough. What they exchange is encrypted and authenticated with the key of each device. When something "
    "fails, muster says what was tried, on which interface, and what to do about it.\n"
    "\n"
    "On a terminal it shows colours and progress, in a pipe plain lines; with --json one JSON object per "
    "line, described in docs/CLI.md.";
constexpr std::size_t kHelpWidth = 80;
constexpr std::size_t kOptionColumn = 30;

const CLI::App* find_sub(const CLI::App& app, const std::string& name) {
    const auto named = [&](const CLI::App* sub) { return sub->get_name() == name; };
    const auto found = app.get_subcommands(named);
    return found.empty() ? nullptr : found.front();
}

std::string no_command(const std::string& first) {
    if (first.empty() || first.starts_with('-')) return "a command is needed";
    return "there is no command '" + printable(first) + "'";
}

/// Help that says what for before it says how.
class TeachingFormatter final : public CLI::Formatter {
public:
    explicit TeachingFormatter(const std::vector<CommandPtr>& commands) : commands_(commands) {
        column_width(kOptionColumn);
    }
    std::string make_description(const CLI::App* app) const override {
        const Command* command = find(app->get_name());
        return wrapped(command ? command->manual().purpose : kPurpose, kHelpWidth) + "\n";
    }
    std::string make_option_desc(const CLI::Option* option) const override {
        return wrapped(option->get_description(), kHelpWidth - kOptionColumn);
    }
    std::string make_option_opts(const CLI::Option* option) const override {
        if (option->get_items_expected_max() == 0) return {};
        const std::string label = label_of(*option);
        return label.empty() ? "" : " " + label;
    }
    std::string make_footer(const CLI::App* app) const override {
        const Command* command = find(app->get_name());
        if (!command) return "\nMore: muster COMMAND --help\n";
        std::string text = "\nExamples:\n";
        for (const auto& [line, help] : command->manual().examples)
            text += (help.empty() ? "" : "  " + help + "\n") + "    " + line + "\n";
        return command->manual().examples.empty() ? "" : text;
    }

private:
    const Command* find(const std::string& name) const {
        const auto found =
            std::ranges::find(commands_, name, [](const auto& one) { return one->manual().name; });
        return found == commands_.end() ? nullptr : found->get();
    }
    const std::vector<CommandPtr>& commands_;
};

/// Hands our configuration files to CLI11, and says in which line something is wrong.
class ConfigReader final : public CLI::Config {
public:
    explicit ConfigReader(const CLI::App& app) : app_(app) {}

    std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
        std::string text(kMaxConfigSize + 1, '\0');
        input.read(text.data(), static_cast<std::streamsize>(text.size()));
        text.resize(static_cast<std::size_t>(input.gcount()));
        auto entries = parse_config(text);
        if (!entries) refuse(entries.error().message());
        std::vector<CLI::ConfigItem> settings;
        for (ConfigEntry& entry : *entries) {
            check(entry);
            CLI::ConfigItem item;
            if (!entry.section.empty()) item.parents.push_back(entry.section);
            item.name = std::move(entry.key);
            item.inputs = std::move(entry.values);
            settings.push_back(std::move(item));
        }
        return settings;
    }
    std::string to_config(const CLI::App*, bool, bool, std::string) const override { return {}; }

private:
    [[noreturn]] static void refuse(const std::string& why) {
        throw CLI::ConfigError(why, CLI::ExitCodes::ConfigError);
    }
    void check(const ConfigEntry& entry) const {
        const CLI::App* command = &app_;
        if (!entry.section.empty()) command = find_sub(app_, entry.section);
        const std::string where = fmt::format("line {}: ", entry.line);
        if (!command) refuse(where + "there is no command '" + printable(entry.section) + "'");
        const CLI::Option* option = command->get_option_no_throw("--" + entry.key);
        if (!option || !option->get_configurable())
            refuse(where + "'" + printable(entry.key) + "' is no option that can be set here");
        if (entry.values.empty()) refuse(where + "'" + printable(entry.key) + "' has an empty list");
    }
    const CLI::App& app_;
};

}  // namespace

Program::Program() : app_(std::make_unique<CLI::App>(kSummary, "muster")) {
    app_->formatter(std::make_shared<TeachingFormatter>(commands_));
    app_->fallthrough();
    app_->require_subcommand(1);
    app_->set_help_flag("-h,--help", "Prints this help.")->configurable(false);
    add_shared_options();
    for (auto make :
         {make_host, make_join, make_send, make_explain, make_report_command, make_interfaces, make_path,
          make_why, make_browse, make_advertise, make_multicast, make_id, make_forget, make_version})
        add(make());
    add(make_help(*this));
}

Program::~Program() = default;

void Program::add_shared_options() {
    app_->add_flag("--json", json_, "Prints one JSON object per line (docs/CLI.md).");
    app_->add_option(
            "--home", home_,
            "Where the device key and the pinned keys live ($MUSTER_HOME, or ~/.local/state/muster).")
        ->type_name("DIR");
    app_->config_formatter(std::make_shared<ConfigReader>(*app_));
    app_->set_config("--config", "", "Reads defaults: lines option = value, below [command].")
        ->type_name("FILE");
}

void Program::add(CommandPtr command) {
    const Manual manual = command->manual();
    CLI::App* sub = app_->add_subcommand(manual.name, manual.summary);
    command->declare(*sub);
    commands_.push_back(std::move(command));
}

Program::Request Program::parse(std::vector<std::string> words) {
    const std::string first = words.empty() ? "" : words.front();
    std::ranges::reverse(words);  // CLI11 takes them from the back
    try {
        app_->parse(words);
    } catch (const CLI::CallForHelp&) {
        const auto chosen = app_->get_subcommands();
        return {.text = help(chosen.empty() ? "" : chosen.front()->get_name())};
    } catch (const CLI::ConfigError& error) {
        const auto file = app_->get_option("--config")->as<std::string>();
        return {.exit = Exit::usage,
                .text = fmt::format("muster: the configuration file {}: {}\n", printable(file),
                                    printable(error.what()))};
    } catch (const CLI::ParseError& error) {
        const auto chosen = app_->get_subcommands();
        const std::string command = chosen.empty() ? "" : " " + chosen.front()->get_name();
        const std::string why = chosen.empty() ? no_command(first) : printable(error.what());
        return {.exit = Exit::usage, .text = fmt::format("muster: {}\nSee muster{} --help.\n", why, command)};
    }
    const std::string name = app_->get_subcommands().front()->get_name();
    const auto found = std::ranges::find(commands_, name, [](const auto& one) { return one->manual().name; });
    return {.command = found->get(), .text = {}};
}

std::string Program::help(const std::string& command) const {
    if (command.empty()) return app_->help();
    const CLI::App* sub = find_sub(*app_, command);
    return sub ? sub->help("muster") : std::string{};
}

std::string Program::describe() const {
    JsonLine all;
    all.text("program", "muster")
        .text("version", version())
        .text("summary", kSummary)
        .text("description", kPurpose);
    all.json("options", describe_options(*app_)).json("exit_codes", describe_exit_codes());
    all.list("commands", commands_, [&](const CommandPtr& command) {
        const Manual manual = command->manual();
        return describe_command(manual, *app_->get_subcommand(manual.name));
    });
    return all.to_string();
}

}  // namespace muster::cli
