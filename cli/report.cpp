#include "muster/report.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fcntl.h>
#include <unistd.h>

#include "command.h"
#include "control_client.h"
#include "options.h"
#include "output.h"
#include "run.h"
#include "text.h"

namespace muster::cli {

namespace fs = std::filesystem;

namespace {

class Report final : public Command {
public:
    Manual manual() const override {
        return {
            .name = "report",
            .summary = "writes what explains a trouble into one file, for a bug report",
            .purpose =
                "Collects what every `muster host` and `muster join` on this machine knows of itself "
                "(explanations, counters, the timeline of what was seen), and the version, the kernel, its "
                "interfaces and routes, as one JSON object. Without any that runs, it is about the machine "
                "alone.\n"
                "\n"
                "No key, message or journal is in it. Addresses that are of one place in the world, and "
                "MACs, are replaced, the same one by the same word each time; --with-addresses leaves them. "
                "Names of devices and groups, and the reasons that applications gave, stay: read it before "
                "you attach it.",
            .examples = {{"muster report -o trouble.json", "Write it to a file:"},
                         {"muster report --scenario -o trouble.toml", "What happened, to be run again:"}}};
    }
    void declare(CLI::App& app) override {
        app.add_option("-o,--output", file_, "Writes to this file (standard output).")->type_name("FILE");
        add_flag(app, "--with-addresses", with_addresses_, "Leaves addresses and MACs as they are.");
        add_flag(
            app, "--scenario", scenario_,
            "Writes a scenario file instead, that repeats in the simulator what one session went through.");
        add_pid(app, pid_);
    }

    Exit run(const Context& context) override {
        auto collected = collect();
        if (!collected) return failed(context, collected.error());
        std::string& report = collected->report;
        if (file_.empty()) {
            context.output.raw(report + "\n");
        } else {
            if (const auto written = write(report + "\n"); !written) return failed(context, written.error());
            JsonLine line{"report"};
            context.output.event(line.text("path", file_).integer("octets", report.size() + 1));
            context.output.say("written to " + printable(file_) + ", " + size_text(report.size() + 1) +
                               "; read it before you attach it: names are in it, keys and messages are not");
        }
        Exit exit = Exit::ok;
        for (const Error& each : collected->missing) exit = failed(context, each);
        return exit;
    }

private:
    struct Collected {
        std::string report;
        std::vector<Error> missing{};  ///< What the processes said that are not in it.
    };

    Result<Collected> collect() const {
        std::vector<RunningProcess> processes = running_processes();
        if (pid_ || scenario_) {
            const auto one = the_process(pid_);
            if (!one) return one.error();
            processes = {one->process};
        }
        Collected made;
        std::vector<std::string> parts;
        ReportOptions options;
        options.with_addresses = with_addresses_;
        auto answers = ask_all(processes, "report json");
        for (std::size_t i = 0; i < answers.size(); ++i) {
            auto& part = answers[i];
            if (part && !make_report({&*part, 1}, options))
                part = Error{Errc::protocol_violation, "process " + std::to_string(processes[i].pid) +
                                                           " gave something that is no report"};
            if (part)
                parts.push_back(std::move(*part));
            else if (pid_ || scenario_)
                return part.error();
            else if (part.error().code() != Errc::not_connected)  // has ended: nothing is missing
                made.missing.push_back(part.error());
        }
        auto report = make_report(parts, options);
        if (report && scenario_) report = scenario_in(*report);
        if (!report) return report.error();
        made.report = std::move(*report);
        return made;
    }

    static Result<std::string> scenario_in(const std::string& report) {
        namespace json = boost::json;
        boost::system::error_code wrong;
        const json::value parsed = json::parse(report, wrong);
        const auto text_at = [&](const char* where) {
            boost::system::error_code none;
            const json::value* found = parsed.find_pointer(where, none);
            return found ? found->if_string() : nullptr;
        };
        if (const auto* scenario = text_at("/sessions/0/scenario")) return std::string{*scenario};
        const auto* why = text_at("/sessions/0/no_scenario");
        return Error{Errc::not_connected, why ? printable(*why) : "there is no scenario in the report"};
    }

    Error cannot_write(int why) const {
        return {Errc::storage,
                "cannot write " + printable(file_) + ": " + std::generic_category().message(why)};
    }

    /// For nobody else's eyes: with addresses it says where this machine is. A file that is there already may be open to
    /// others, or opened by them: a new one takes its place. What is no file (a pipe, a device) is written to.
    Result<void> write(std::string_view text) const {
        std::error_code none;
        if (fs::exists(file_, none) && !fs::is_regular_file(file_, none)) {
            const int why = write_to(::open(file_.c_str(), O_WRONLY | O_CLOEXEC), text);
            return why == 0 ? Result<void>{} : cannot_write(why);
        }
        const fs::path target = fs::is_symlink(file_, none) ? fs::canonical(file_, none) : fs::path{file_};
        const std::string beside = target.string() + "." + std::to_string(::getpid()) + ".new";
        ::unlink(beside.c_str());  // of a process that had our number, and died
        int why = write_to(::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), text);
        if (why == 0 && ::rename(beside.c_str(), target.c_str()) != 0) why = errno;
        if (why == 0) return {};
        ::unlink(beside.c_str());
        return cannot_write(why);
    }

    /// 0, or what went wrong.
    static int write_to(int file, std::string_view text) {
        int why = file < 0 ? errno : 0;
        while (why == 0 && !text.empty()) {
            const ssize_t size = ::write(file, text.data(), text.size());
            if (size < 0 && errno != EINTR) why = errno;
            if (size > 0) text.remove_prefix(static_cast<std::size_t>(size));
        }
        if (file >= 0 && ::close(file) != 0 && why == 0) why = errno;
        return why;
    }

    std::string file_;
    bool with_addresses_ = false, scenario_ = false;
    std::optional<std::uint32_t> pid_;
};

}  // namespace

CommandPtr make_report_command() { return std::make_unique<Report>(); }

}  // namespace muster::cli
