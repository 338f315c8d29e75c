#include <algorithm>
#include <map>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

#include "command.h"
#include "options.h"
#include "output.h"
#include "run.h"
#include "tasks.h"
#include "text.h"

#include "muster/browser.h"
#include "muster/group.h"

namespace muster::cli {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMostRows = 200;  // of a live table; more do not fit any terminal

std::string endpoints_text(const ServiceInstance& service) {
    std::string text;
    for (const Endpoint& endpoint : service.endpoints) text += (text.empty() ? "" : " ") + to_text(endpoint);
    return text;
}

std::string txt_text(const TxtRecord& txt) {
    std::string text;
    for (const auto& [key, value] : txt.entries())
        text += (text.empty() ? "" : " ") + printable(value ? key + "=" + *value : key);
    return text;
}

JsonLine json_of(const ServiceInstance& service) {
    JsonLine line;
    line.text("name", service.name)
        .text("type", service.type)
        .text("host", service.host)
        .integer("port", service.port);
    line.list("endpoints", service.endpoints,
              [](const Endpoint& endpoint) { return json_string(to_text(endpoint)); });
    JsonLine txt;
    for (const auto& [key, value] : service.txt.entries())
        value ? txt.text(key, *value) : txt.flag(key, true);
    return line.object("txt", txt);
}

/// Shows what a Browser tells: events with --json, lines in a pipe, a table that keeps itself up
/// to date on a terminal.
class Board {
public:
    Board(Output& output, bool groups, TimePoint started)
        : output_(output), groups_(groups), started_(started) {}

    void on(const ServiceEvent& event) {
        tell(event);
        if (!output_.is_terminal()) return;
        const ServiceInstance& service = event.instance;
        if (event.kind == ServiceEvent::Kind::left) services_.erase(service.name);
        if (event.kind != ServiceEvent::Kind::left) services_.insert_or_assign(service.name, service);
        draw();
    }
    void draw() {
        std::vector<std::vector<std::string>> rows{
            groups_ ? std::vector<std::string>{"GROUP", "COORDINATOR", "ID", "WHERE"}
                    : std::vector<std::string>{"NAME", "HOST", "WHERE", "TXT"}};
        for (const auto& [name, service] : services_)
            if (rows.size() <= kMostRows) rows.push_back(row_of(service));
        std::vector<std::string> lines = table_lines(rows, output_.width());
        lines.front() = output_.paint(Colour::bold, lines.front());
        if (services_.empty()) lines.push_back(output_.paint(Colour::dim, "nothing so far; Ctrl-C ends"));
        output_.live(std::move(lines));
    }
    /// Leaves the table on the screen.
    void finish() {
        if (output_.is_terminal()) output_.live({});
        if (!output_.is_terminal() || services_.empty()) return;
        for (const auto& [name, service] : services_) output_.say(line_of("+", service));
    }

private:
    std::vector<std::string> row_of(const ServiceInstance& service) const {
        if (!groups_)
            return {printable(service.name), printable(service.host), endpoints_text(service),
                    txt_text(service.txt)};
        const auto found = found_group(service);
        if (!found) return {"?", printable(service.name), "?", endpoints_text(service)};
        return {found->group, found->name, found->coordinator.short_string(), endpoints_text(service)};
    }
    std::string line_of(std::string_view sign, const ServiceInstance& service) const {
        std::string line{sign};
        for (const std::string& cell : row_of(service)) line += "  " + cell;
        return line;
    }
    void tell(const ServiceEvent& event) {
        using Kind = ServiceEvent::Kind;
        const bool left = event.kind == Kind::left;
        JsonLine line{left ? "left" : event.kind == Kind::found ? "found" : "updated"};
        line.object("service", json_of(event.instance)).ms("after_ms", SteadyClock::now() - started_);
        if (left) line.text("reason", to_string(event.reason));
        output_.event(std::move(line));
        if (output_.is_terminal()) return;
        std::string text = line_of(left ? "-" : event.kind == Kind::found ? "+" : "~", event.instance);
        if (left) text += "  " + std::string{to_string(event.reason)};
        output_.say(text);
    }

    Output& output_;
    bool groups_;
    TimePoint started_;
    std::map<std::string, ServiceInstance> services_;
};

class Browse final : public SessionCommand {
public:
    Manual manual() const override;
    void declare(CLI::App& app) override;

private:
    asio::awaitable<Exit> work(asio::io_context& io, Network& network, const Context& context) override;

    std::string type_ = kGroupType;
    std::optional<Duration> stay_;
    std::vector<std::string> interfaces_;
};

Manual Browse::manual() const {
    return {.name = "browse",
            .summary = "shows groups, or other services, on the local network",
            .purpose =
                "Watches what is announced by mDNS on every network that this device is on: the groups of "
                "Muster, or any other DNS-SD type, such as _http._tcp. On a terminal a table keeps itself "
                "up to date; in a pipe each change is a line: + found, ~ updated, - left, with the reason. "
                "Runs until Ctrl-C, or for the time given; the exit code is 3 if nothing was found in that "
                "time.",
            .examples = {{"muster browse", "Who hosts a group here?"},
                         {"muster browse _ipp._tcp --for 2", "Printers that answer within two seconds:"},
                         {"muster browse --json --for 1", "For a program:"}}};
}

void Browse::declare(CLI::App& app) {
    add_service_type(app, type_, "The type of service (groups of Muster).");
    add_seconds(app, "--for", stay_, "Ends after this time.");
    add_interfaces(app, interfaces_);
}

asio::awaitable<Exit> Browse::work(asio::io_context& io, Network& network, const Context& context) {
    BrowseOptions options{type_};
    options.interfaces = interfaces_;
    auto browsing = co_await browse(network.executor(), std::move(options));
    if (!browsing) co_return failed(context, browsing.error());
    Board board{context.output, type_ == kGroupType, context.started};
    board.draw();
    bool by_signal = false;
    bool found = false;
    Tasks tasks{io.get_executor()};
    tasks.spawn(until_stopped(io, stay_, [&] { browsing->stop(); }, by_signal));
    context.output.on_gone([&] { browsing->stop(); });
    while (const auto event = co_await browsing->next_event()) {
        board.on(*event);
        found = true;
    }
    context.output.on_gone({});
    tasks.cancel();
    co_await tasks.all_done();
    board.finish();
    if (by_signal) co_return Exit::interrupted;
    co_return found ? Exit::ok : Exit::not_found;
}

}  // namespace

CommandPtr make_browse() { return std::make_unique<Browse>(); }

}  // namespace muster::cli
