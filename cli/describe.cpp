#include "describe.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "text.h"

namespace muster::cli {
namespace {

std::string list_of(const std::vector<std::string>& items) {
    std::string out;
    for (const std::string& item : items) out += (out.empty() ? "" : ",") + item;
    return "[" + out + "]";
}

/// Split out of CLI11's type: "PROFILE" out of "PROFILE:{realtime,balanced}", and the
/// words between the braces.
struct Taken {
    std::string label;
    std::vector<std::string> choices;
};

Taken taken_by(const CLI::Option& option) {
    const std::string type = option.get_type_name();
    Taken taken{type.substr(0, type.find(':')), {}};
    const std::size_t open = type.find('{');
    if (open == std::string::npos) {
        taken.label = type;
        return taken;
    }
    const std::string inside = type.substr(open + 1, type.find('}') - open - 1);
    for (std::string& choice : CLI::detail::split(inside, ',')) taken.choices.push_back(json_string(choice));
    return taken;
}

std::string describe_option(const CLI::Option& option) {
    std::vector<std::string> flags;
    for (const std::string& name : option.get_snames()) flags.push_back(json_string("-" + name));
    for (const std::string& name : option.get_lnames()) flags.push_back(json_string("--" + name));
    JsonLine line;
    line.json("flags", list_of(flags));
    if (option.get_items_expected_max() > 0) {
        const Taken taken = taken_by(option);
        line.text("arg", taken.label);
        if (!taken.choices.empty()) line.json("choices", list_of(taken.choices));
    }
    return line.text("help", option.get_description()).to_string();
}

std::string describe_arguments(const CLI::App& app) {
    std::vector<std::string> arguments;
    for (const CLI::Option* option : app.get_options()) {
        if (!option->get_positional()) continue;
        JsonLine line;
        line.text("name", option->get_name(true)).text("help", option->get_description());
        if (!option->get_required()) line.flag("optional", true);
        if (option->get_items_expected_max() > 1) line.flag("repeated", true);
        arguments.push_back(line.to_string());
    }
    return list_of(arguments);
}

}  // namespace

std::string label_of(const CLI::Option& option) { return taken_by(option).label; }

std::string describe_options(const CLI::App& app) {
    std::vector<std::string> options;
    const CLI::Option* own_help =
        app.get_parent() ? app.get_help_ptr() : nullptr;  // the program's is listed once
    for (const CLI::Option* option : app.get_options())
        if (option->nonpositional() && option != own_help) options.push_back(describe_option(*option));
    return list_of(options);
}

std::string describe_exit_codes() {
    std::vector<std::string> codes;
    for (const auto& [code, meaning] : kExitMeanings) {
        JsonLine line;
        line.integer("code", static_cast<std::uint64_t>(code)).text("meaning", meaning);
        codes.push_back(line.to_string());
    }
    return list_of(codes);
}

std::string describe_command(const Manual& manual, const CLI::App& app) {
    JsonLine line;
    line.text("name", manual.name).text("summary", manual.summary).text("description", manual.purpose);
    line.json("arguments", describe_arguments(app)).json("options", describe_options(app));
    std::vector<std::string> examples;
    for (const auto& [command, help] : manual.examples) {
        JsonLine example;
        examples.push_back(example.text("command", command).text("help", help).to_string());
    }
    return line.json("examples", list_of(examples)).to_string();
}

}  // namespace muster::cli
