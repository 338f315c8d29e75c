#include "muster/why.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "options.h"
#include "output.h"
#include "run.h"
#include "text.h"

namespace muster::cli {

namespace asio = boost::asio;

namespace {

JsonLine json_of(const WhyWay& way) {
    JsonLine line;
    line.text("interface", way.interface).integer("table", way.table).integer("mtu", way.mtu);
    line.text("next_hop", to_string(way.next_hop));
    if (way.gateway) line.text("gateway", way.gateway->to_string());
    if (way.source) line.text("source", way.source->to_string());
    if (way.rule) line.integer("rule", *way.rule);
    if (!way.prefix.empty()) line.text("prefix", way.prefix);
    if (!way.made_by.empty()) line.text("made_by", way.made_by);
    if (!way.mac.empty()) line.text("mac", way.mac);
    return line;
}

JsonLine json_of(const WhyAnswer& answer) {
    JsonLine line{"why"};
    line.text("target", answer.target)
        .text("address", answer.remote.address.to_string())
        .flag("reaches", answer.reaches);
    if (answer.remote.port != 0) line.integer("port", answer.remote.port);
    line.list("findings", answer.findings, [](const WhyFinding& each) {
        JsonLine one;
        one.text("cause", to_string(each.cause))
            .text("certainty", to_string(each.certainty))
            .text("signal", each.signal)
            .text("cure", cure_of(each.cause));
        if (!each.interface.empty()) one.text("interface", each.interface);
        return one;
    });
    if (answer.way) line.object("way", json_of(*answer.way));
    line.object("questions", JsonLine{}
                                 .text("chosen", answer.questions.chosen)
                                 .text("rivals", answer.questions.rivals)
                                 .text("extent", answer.questions.extent)
                                 .text("shown", answer.questions.shown));
    line.list("seen", answer.seen, json_of_evidence);
    line.list("unread", answer.unread, json_string);
    if (answer.round_trip) line.ms("round_trip_ms", *answer.round_trip);
    return line;
}

/// The answer for a person: the verdict and its cure first, the evidence as a table last.
class Face {
public:
    explicit Face(Output& output) : output_(output) {}

    void show(const WhyAnswer& answer) {
        output_.say(headline(answer));
        for (const WhyFinding& each : answer.findings) show(each);
        if (answer.way) output_.say("\n" + way_line(*answer.way));
        ask("Which interface, and why?", answer.questions.chosen);
        ask("Does anything else claim it?", answer.questions.rivals);
        ask("What does it lead to?", answer.questions.extent);
        ask("What is shown?", answer.questions.shown);
        show_evidence(answer.seen);
        for (const std::string& each : answer.unread)
            output_.say(output_.paint(Colour::dim, "could not be read: " + printable(each)));
    }

private:
    std::string headline(const WhyAnswer& answer) const {
        const std::string target = printable(answer.target);
        if (!answer.reaches) return output_.paint(Colour::red, target + " does not answer");
        std::string text = target + " answers";
        if (answer.round_trip) text += " after " + duration_text(*answer.round_trip);
        return output_.paint(answer.findings.empty() ? Colour::green : Colour::yellow, text);
    }

    void show(const WhyFinding& finding) {
        std::string name{to_string(finding.cause)};
        if (!finding.interface.empty()) name += " on " + printable(finding.interface);
        output_.say("  " + output_.paint(Colour::bold, name) + " (" +
                    std::string{to_string(finding.certainty)} + "): " + printable(finding.signal));
        output_.say("    What to do: " + std::string{cure_of(finding.cause)});
    }

    static std::string way_line(const WhyWay& way) {
        std::string line = "by " + printable(way.interface);
        line += way.gateway ? ", gateway " + way.gateway->to_string() : ", on the link";
        if (way.source) line += ", from " + way.source->to_string();
        line += ", MTU " + std::to_string(way.mtu) + "; next hop: " + std::string{to_string(way.next_hop)};
        return way.mac.empty() ? line : line + ", " + printable(way.mac);
    }

    void ask(const std::string& question, const std::string& answer) {
        if (!answer.empty()) output_.say(output_.paint(Colour::bold, question) + " " + printable(answer));
    }

    void show_evidence(const std::vector<Evidence>& seen) {
        if (seen.empty()) return;
        std::vector<std::vector<std::string>> rows{{"LOOKED AT", "WHERE", "FOUND"}};
        for (const auto& [phase, subject, finding] : seen)
            rows.push_back({printable(phase), printable(subject), printable(finding)});
        output_.say("");
        for (const std::string& line : table_lines(rows, output_.width())) output_.say(line);
    }

    Output& output_;
};

class Why final : public SessionCommand {
public:
    Manual manual() const override {
        return {
            .name = "why",
            .summary = "says why a host does not answer, with the cause and what helps",
            .purpose =
                "Reads how the kernel sends to the host and who says so (rule, table, line), then asks the "
                "next hop, the host and its port, and names what is in the way: one of some thirty "
                "causes, with the evidence and a cure. What the kernel or a device says counts more than "
                "silence; how sure it is stands beside each cause. With --interface, the answer says as "
                "well why packets take another one. As root it sees packets on the wire and can tell the "
                "filters of this machine from others; what could not be read is said. The exit code is 0 "
                "if it answers, 4 if not.",
            .examples = {{"muster why printer.local:631", "Why can I not print?"},
                         {"muster why 192.168.4.1 --interface wlan0",
                          "The device is on that Wi-Fi: why do my packets not get there?"},
                         {"sudo muster why 192.0.2.1:53 --udp --json", "All there is, for a program:"}}};
    }

    void declare(CLI::App& app) override {
        app.add_option("HOST", target_,
                       "A name or an address, with or without a port: 192.0.2.1, printer.local:631, "
                       "[fe80::1%eth0]:80.")
            ->required()
            ->type_name("");
        add_text(app, "--interface", "NAME", interface_, "By which interface it is expected.");
        add_flag(app, "--udp", asks_udp_, "Asks the port by UDP, with one octet; else by TCP.");
        add_seconds(app, "--for", patience_, "How long all of it may take (3).");
    }

private:
    asio::awaitable<Exit> work(asio::io_context& io, Network& network, const Context& context) override {
        using namespace asio::experimental::awaitable_operators;
        WhyOptions options{target_};
        options.interface = interface_;
        if (asks_udp_) options.transport = WhyTransport::udp;
        if (patience_) options.patience = *patience_;
        const auto first = co_await (why(network.executor(), std::move(options), asio::use_awaitable) ||
                                     signals_of(io).async_wait(asio::use_awaitable));
        if (first.index() == 1) co_return Exit::interrupted;
        const auto& answer = std::get<0>(first);
        if (!answer) co_return failed(context, answer.error());
        context.output.event(json_of(*answer));
        if (!context.output.is_json()) Face{context.output}.show(*answer);
        co_return answer->reaches ? Exit::ok : Exit::unreachable;
    }

    std::string target_, interface_;
    bool asks_udp_ = false;
    std::optional<Duration> patience_;
};

}  // namespace

CommandPtr make_why() { return std::make_unique<Why>(); }

}  // namespace muster::cli
