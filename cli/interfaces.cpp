#include <algorithm>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "command.h"
#include "interface_words.h"
#include "options.h"
#include "output.h"
#include "run.h"
#include "tasks.h"
#include "text.h"

#include "muster/interface_monitor.h"

namespace muster::cli {

namespace asio = boost::asio;

namespace {

/// Which interfaces are meant: all, or those with one of some names.
class Chosen {
public:
    std::vector<std::string> words;

    bool operator()(const Interface& interface) const {
        return words.empty() || std::ranges::any_of(words, [&](const std::string& word) {
                   return is_called(interface, word);
               });
    }
    /// The first word by which none is called.
    std::optional<std::string> unknown_in(const std::vector<Interface>& all) const {
        for (const std::string& word : words)
            if (std::ranges::none_of(all, [&](const Interface& each) { return is_called(each, word); }))
                return word;
        return std::nullopt;
    }
};

Error no_such(const std::string& word, const std::vector<Interface>& all) {
    std::string names;
    for (const Interface& each : all) names += (names.empty() ? "" : ", ") + each.name;
    return Error{Errc::no_interface, "there is no interface '" + word + "'"}.cure(
        names.empty() ? "there is none at all" : "there are " + names);
}

void show_table(Output& output, const std::vector<Interface>& all, const Chosen& chosen) {
    std::vector<std::vector<std::string>> rows{interface_headings()};
    std::vector<Colour> colours{Colour::bold};
    for (const Interface& each : all) {
        if (!chosen(each)) continue;
        rows.push_back(interface_row(each));
        colours.push_back(state_colour(each));
    }
    const auto lines = table_lines(rows, output.width());
    for (std::size_t i = 0; i < lines.size(); ++i) output.say(output.paint(colours[i], lines[i]));
}

/// One interface with all that its driver and the kernel's counters tell.
void show_details(Output& output, const Interface& interface, const std::vector<Interface>& all) {
    const auto hardware = hardware_of(interface.index);
    const auto statistics = statistics_of(interface.index);
    JsonLine line{"interface"};
    line.json("interface", harmless_json(interface.to_json()));
    if (hardware) line.json("hardware", harmless_json(hardware->to_json()));
    if (statistics) line.json("statistics", statistics->to_json());
    output.event(std::move(line));
    auto lines = interface_lines(interface, all);
    output.say(output.paint(state_colour(interface), lines.front()));
    for (std::size_t i = 1; i < lines.size(); ++i) output.say(lines[i]);
    if (hardware)
        for (const std::string& each : hardware_lines(*hardware)) output.say(each);
    if (statistics)
        for (const std::string& each : statistics_lines(*statistics)) output.say(each);
}

/// Tells changes: an event each with --json, a line each for a person.
class Teller {
public:
    Teller(Output& output, const Chosen& chosen, TimePoint started)
        : output_(output), chosen_(chosen), started_(started) {}

    void on(const InterfaceChange& change, std::uint64_t resyncs) {
        const auto find = [](const InterfaceSnapshot& in, InterfaceIndex index) -> const Interface& {
            return *std::ranges::find(in.interfaces, index, &Interface::index);
        };
        resyncs_ = resyncs;
        for (const InterfaceIndex index : change.diff.gone) {
            const Interface& gone = find(change.before, index);
            if (chosen_(gone)) tell("gone", gone, {}, change);
        }
        for (const InterfaceIndex index : change.diff.appeared) {
            const Interface& now = find(change.now, index);
            if (chosen_(now)) tell("appeared", now, {}, change);
        }
        for (const InterfaceIndex index : change.diff.changed) {
            const Interface& before = find(change.before, index);
            const Interface& now = find(change.now, index);
            if (chosen_(before) || chosen_(now))
                tell("changed", now, differences(before, now, change.now.interfaces), change);
        }
    }

private:
    void tell(std::string_view what, const Interface& it, const std::vector<std::string>& words,
              const InterfaceChange& change) {
        JsonLine line{what};
        line.integer("revision", change.now.revision).json("interface", harmless_json(it.to_json()));
        const auto& lost = change.diff.lost;
        if (std::ranges::find(lost, it.index) != lost.end()) line.flag("lost", true);
        std::string text;
        for (const std::string& each : words) text += (text.empty() ? "" : "; ") + each;
        if (!words.empty()) line.list("what", words, json_string);
        if (resyncs_ > 0) line.integer("resyncs", resyncs_);
        output_.event(std::move(line));
        const char sign = what == "gone" ? '-' : what == "appeared" ? '+' : '~';
        if (what == "appeared")
            text = fmt::format("{}, {}{}", type_words(it), state_words(it),
                               it.addresses.empty() ? "" : ", " + addresses_text(it));
        const std::string name = printable(it.name) + (text.empty() ? "" : ": ");
        output_.say(fmt::format("{:>9}  {} ", duration_text(SteadyClock::now() - started_), sign) +
                    output_.paint(sign == '-' ? Colour::dim : state_colour(it), name) + text);
    }

    Output& output_;
    const Chosen& chosen_;
    TimePoint started_;
    std::uint64_t resyncs_ = 0;
};

class Interfaces final : public SessionCommand {
public:
    Manual manual() const override;
    void declare(CLI::App& app) override;

private:
    asio::awaitable<Exit> work(asio::io_context& io, Network& network, const Context& context) override;
    Exit list(const Context& context) const;
    asio::awaitable<Exit> watch(asio::io_context& io, Network& network, const Context& context);

    Chosen chosen_;
    bool watch_ = false;
    std::optional<Duration> stay_;
};

Manual Interfaces::manual() const {
    return {.name = "interfaces",
            .summary = "shows the network interfaces of this machine, and what happens to them",
            .purpose =
                "Lists all network interfaces, also those that are switched off, have no carrier or no "
                "address: what they "
                "are for, how far they have come, and their addresses (? behind one that the kernel has not "
                "confirmed "
                "yet). With names, alternative names or indexes it tells all that is known of those: driver, "
                "device, USB "
                "identity, speed, counters.\n"
                "\n"
                "With --watch it goes on and tells each change once it has settled, what is lost at once: + "
                "appeared, ~ "
                "changed and how, - gone. An interface that is named then need not be there yet.",
            .examples = {{"muster interfaces", ""},
                         {"muster interfaces eth0", "All about one:"},
                         {"muster interfaces --watch", "What happens when I plug this in?"}}};
}

void Interfaces::declare(CLI::App& app) {
    app.add_option("NAME", chosen_.words, "Only these interfaces, with all that is known of them.")
        ->type_name("");
    add_flag(app, "-w,--watch", watch_, "Tells changes until Ctrl-C.");
    add_seconds(app, "--for", stay_, "Watches for this time.");
}

asio::awaitable<Exit> Interfaces::work(asio::io_context& io, Network& network, const Context& context) {
    if (watch_ || stay_) co_return co_await watch(io, network, context);
    co_return list(context);
}

Exit Interfaces::list(const Context& context) const {
    const auto all = interfaces();
    if (!all) return failed(context, all.error());
    if (const auto unknown = chosen_.unknown_in(*all)) return failed(context, no_such(*unknown, *all));
    if (chosen_.words.empty() && !context.output.is_json()) {
        show_table(context.output, *all, chosen_);
        return Exit::ok;
    }
    for (const Interface& each : *all) {
        if (!chosen_(each)) continue;
        if (!chosen_.words.empty()) {
            show_details(context.output, each, *all);
            continue;
        }
        JsonLine line{"interface"};
        context.output.event(line.json("interface", harmless_json(each.to_json())));
    }
    return Exit::ok;
}

asio::awaitable<Exit> Interfaces::watch(asio::io_context& io, Network& network, const Context& context) {
    auto monitor = InterfaceMonitor::open(network.executor());
    if (!monitor) co_return failed(context, monitor.error());
    Output& output = context.output;
    const InterfaceSnapshot first = monitor->snapshot();
    show_table(output, first.interfaces, chosen_);
    for (const Interface& each : first.interfaces) {
        JsonLine line{"interface"};
        if (chosen_(each)) output.event(line.json("interface", harmless_json(each.to_json())));
    }
    JsonLine watching{"watching"};
    output.event(watching.integer("revision", first.revision));

    bool by_signal = false;
    Tasks tasks{io.get_executor()};
    tasks.spawn(until_stopped(io, stay_, [&] { monitor->stop(); }, by_signal));
    output.on_gone([&] { monitor->stop(); });
    Teller teller{output, chosen_, context.started};
    while (const auto change = co_await monitor->next_change()) teller.on(*change, monitor->resyncs());
    output.on_gone({});
    tasks.cancel();
    co_await tasks.all_done();
    co_return by_signal ? Exit::interrupted : Exit::ok;
}

}  // namespace

CommandPtr make_interfaces() { return std::make_unique<Interfaces>(); }

}  // namespace muster::cli
