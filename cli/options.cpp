#include "options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "text.h"

#include "muster/endpoint.h"
#include "muster/identity.h"
#include "muster/service.h"
#include "muster/session_types.h"

namespace muster::cli {
namespace {

// What a check that answers with Result says to CLI11: nothing, or why not.
std::string complaint(const Result<void>& outcome) {
    return outcome ? std::string{} : printable(outcome.error().message());
}

CLI::Validator check(Result<void> (*rule)(std::string_view)) {
    return CLI::Validator([rule](std::string& text) { return complaint(rule(text)); }, "");
}

std::string bad_info(std::string_view text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0)
        return "'" + printable(text) + "' is not of the form key=value";
    const InfoMap one{{std::string{text.substr(0, equals)}, std::string{text.substr(equals + 1)}}};
    return complaint(check_info(one));
}

std::string bad_id(std::string_view text) {
    if (DeviceId::parse(text)) return {};
    return "'" + printable(text) + "' is no device id: 32 characters, as `muster id` prints them";
}

// A year is more than anyone waits, and far from where nanoseconds overflow.
constexpr double kMostSeconds = 366.0 * 24 * 3600;

std::string bad_seconds(const std::string& text) {
    double seconds = 0;
    const bool fine = CLI::detail::lexical_cast(text, seconds) && seconds >= 0 && seconds <= kMostSeconds;
    return fine ? std::string{} : "'" + printable(text) + "' is no number of seconds";
}

Duration in_seconds(double seconds) {
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

void add_group(CLI::App& app, std::string& group) {
    app.add_option("GROUP,-g,--group", group, "The group: the name under which devices meet (\"muster\").")
        ->check(check(check_name))  // a group is named as a device is
        ->type_name("NAME");
}

void add_name(CLI::App& app, std::string& name) {
    app.add_option("-n,--name", name, "How the others see this device (the host name).")
        ->check(check(check_name))
        ->type_name("NAME");
}

void add_info(CLI::App& app, InfoMap& info) {
    const auto take = [&info](const std::vector<std::string>& pairs) {
        for (const std::string& pair : pairs)
            info[pair.substr(0, pair.find('='))] = pair.substr(pair.find('=') + 1);
        return true;
    };
    app.add_option("-i,--info", CLI::callback_t{take},
                   "A fact about this device that the others see; repeat for more.")
        ->check(CLI::Validator([](std::string& text) { return bad_info(text); }, ""))
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->allow_extra_args(false)
        ->type_name("KEY=VALUE");
}

void add_profile(CLI::App& app, Profile& profile) {
    const auto take = [&profile](const std::vector<std::string>& words) {
        profile = words.back() == "realtime"    ? Profile::realtime
                  : words.back() == "low_power" ? Profile::low_power
                                                : Profile::balanced;
        return true;
    };
    app.add_option("--profile", CLI::callback_t{take},
                   "How soon silence is noticed: within 150 ms, 1.2 s (balanced), or 15 s.")
        ->type_name("PROFILE")
        ->expected(1)
        ->check(CLI::IsMember({"realtime", "balanced", "low_power"}));
}

void add_devices(CLI::App& app, const std::string& flag, std::vector<DeviceId>& devices,
                 const std::string& help) {
    const auto take = [&devices](const std::vector<std::string>& texts) {
        for (const std::string& text : texts)
            if (const auto id = DeviceId::parse(text)) devices.push_back(*id);
        return true;
    };
    app.add_option(flag, CLI::callback_t{take}, help)
        ->check(CLI::Validator([](std::string& text) { return bad_id(text); }, ""))
        ->delimiter(',')
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->allow_extra_args(false)
        ->type_name("ID");
}

void add_seconds(CLI::App& app, const std::string& flag, std::optional<Duration>& duration,
                 const std::string& help) {
    app.add_option_function<double>(
           flag, [&duration](double seconds) { duration = in_seconds(seconds); }, help)
        ->type_name("SECONDS")
        ->check(CLI::Validator(bad_seconds, ""));
}

void add_grace(CLI::App& app, Duration& grace) {
    app.add_option_function<double>(
           "--grace", [&grace](double seconds) { grace = in_seconds(seconds); },
           "How long a session waits for its link to come back; with 0 a lost link ends it (30).")
        ->type_name("SECONDS")
        ->check(CLI::Validator(bad_seconds, ""));
}

void add_text(CLI::App& app, const std::string& flag, const std::string& label, std::string& text,
              const std::string& help) {
    app.add_option(flag, text, help)->type_name(label);
}

void add_flag(CLI::App& app, const std::string& flag, bool& value, const std::string& help) {
    app.add_flag(flag, value, help);
}

Result<std::string> JournalChoice::path(const Identity& identity, const std::string& group,
                                        Result<std::string> (Identity::*usual)(const std::string&)
                                            const) const {
    return is_durable && file.empty() ? (identity.*usual)(group) : Result<std::string>{file};
}

void add_journal(CLI::App& app, JournalChoice& journal, const std::string& what) {
    add_flag(
        app, "--durable", journal.is_durable,
        "Keeps " + what +
            " in a file that outlives this program, also if it is killed: started again, it goes on there.");
    add_text(app, "--journal", "FILE", journal.file,
             "Like --durable, in this file (one beside the device key).");
}

void add_inbox(CLI::App& app, InboxOptions& inbox) {
    const CLI::Validator not_negative{
        // CLI11 2.1 takes -1 for the largest number
        [](std::string& text) { return text.starts_with('-') ? "less than nothing" : ""; }, ""};
    add_directory(app, "--accept-files", inbox.directory,
                  "Takes files that others send into this directory; 5 % of its disk stay free.");
    app.add_option("--accept-limit", inbox.octets, "Takes no more than this in all, like 500MB (any).")
        ->check(not_negative)
        ->transform(CLI::AsSizeValue{true}.description(""))
        ->type_name("SIZE");
    app.add_option("--accept-count", inbox.files, "Takes no more files than this (1000).")
        ->check(not_negative)
        ->type_name("COUNT");
}

void add_directory(CLI::App& app, const std::string& flag, std::string& path, const std::string& help) {
    CLI::Validator exists{CLI::ExistingDirectory};
    app.add_option(flag, path, help)->check(exists.description(""))->type_name("DIR");
}

void add_addresses(CLI::App& app, const std::string& flag, std::vector<std::string>& addresses,
                   const std::string& help) {
    app.add_option(flag, addresses, help)
        ->check(CLI::Validator(
            [](std::string& text) {
                const auto endpoint = parse_endpoint(text);
                return endpoint ? std::string{} : printable(endpoint.error().message());
            },
            ""))
        ->allow_extra_args(false)
        ->type_name("ADDRESS:PORT");
}

void add_service_type(CLI::App& app, std::string& type, const std::string& help) {
    const auto bad_type = [](std::string& text) {
        const auto parsed = ServiceType::parse(text);
        if (parsed) return text = parsed->to_string(), std::string{};
        return printable(parsed.error().message() + "; " + parsed.error().cure());
    };
    app.add_option("TYPE", type, help)->type_name("")->transform(CLI::Validator(bad_type, ""));
}

void add_selectors(CLI::App& app, const std::string& flag, std::vector<std::string>& selectors,
                   const std::string& help) {
    const auto bad_selector = [](std::string& text) {
        PathPreferences wanted;
        wanted.require = {text};
        const auto fine = check_path_preferences(wanted);
        return fine ? std::string{} : printable(fine.error().message() + "; " + fine.error().cure());
    };
    app.add_option(flag, selectors, help)
        ->check(CLI::Validator(bad_selector, ""))
        ->allow_extra_args(false)
        ->type_name("INTERFACE");
}

void add_paths(CLI::App& app, PathPreferences& paths) {
    add_selectors(app, "--require", paths.require,
                  "Uses only this interface: a name, a pattern (wl*) or a kind (kind:wired); repeat.");
    add_selectors(app, "--prohibit", paths.prohibit,
                  "Sends nothing over this interface, and takes nothing from it; repeat for more.");
    add_selectors(app, "--prefer", paths.prefer, "Rather uses this interface than others; repeat for more.");
    add_selectors(app, "--metered", paths.metered,
                  "This interface costs money: used when nothing cheaper works; repeat for more.");
}

void add_pid(CLI::App& app, std::optional<std::uint32_t>& pid) {
    app.add_option_function<std::uint32_t>(
           "--pid", [&pid](std::uint32_t number) { pid = number; }, "Only the process with this number.")
        ->type_name("PID");
}

void add_fast_ipv6(CLI::App& app, bool& wanted) {
    add_flag(
        app, "--fast-ipv6", wanted,
        "Lets the kernel use new IPv6 addresses at once, not after 1 to 2 s (root: changes a setting of the "
        "interfaces until the end).");
}

void add_interfaces(CLI::App& app, std::vector<std::string>& interfaces) {
    app.add_option("--interface", interfaces, "Only this network interface; repeat for more.")
        ->allow_extra_args(false)
        ->type_name("NAME");
}

}  // namespace muster::cli
