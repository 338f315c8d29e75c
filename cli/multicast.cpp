#include "multicast.h"

#include <algorithm>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "options.h"
#include "output.h"
#include "run.h"
#include "text.h"

#include "muster/path_preferences.h"

namespace muster::cli {

namespace asio = boost::asio;

namespace {

class Multicast final : public SessionCommand {
public:
    Manual manual() const override;
    void declare(CLI::App& app) override;

private:
    void refuse_foreign_words(const CLI::App& app) const;
    asio::awaitable<Exit> work(asio::io_context& io, Network& network, const Context& context) override;

    MulticastRequest request_;
};

Manual Multicast::manual() const {
    return {
        .name = "multicast",
        .summary = "watches a multicast group, sends to one, or says why nothing comes",
        .purpose =
            "`watch` joins a group on every interface, each by itself, and says how it stands: receiving, "
            "silent and why, blocked, no interface, or that the sender is on an interface that was not "
            "chosen. It follows interfaces as they come and go, and has the membership announced afresh when "
            "what came regularly stays away, so that a switch which has forgotten it learns of it again. "
            "With --datagrams it also prints what comes. Runs until Ctrl-C, or for the time given; the exit "
            "code is 3 if nothing came in that time.\n"
            "\n"
            "`send` sends a text by every interface, with a source address of each.\n"
            "\n"
            "`doctor` finds out why another program on this machine does not get what is sent to a group: it "
            "listens, joins for a moment everywhere, and compares that with memberships, sockets, filters "
            "and "
            "counters of the kernel. As root it sees more. The exit code is 0 if it arrives, 3 if not.",
        .examples = {{"muster multicast watch 239.7.7.7:5600", "Does it come, and by which interface?"},
                     {"muster multicast watch [ff02::fb]:5353 --datagrams --for 10", "What is said by mDNS:"},
                     {"sudo muster multicast doctor 239.7.7.7:5600", "Why does my program get nothing?"},
                     {"muster multicast send 239.7.7.7:5600 hello --count 100 --every 0.05",
                      "A sender to try it with:"}}};
}

std::string bad_group(std::string& text) {
    const auto endpoint = Endpoint::parse(text);
    const bool fine = endpoint && endpoint->address.is_multicast() && endpoint->port != 0;
    if (!fine)
        return "'" + printable(text) +
               "' is no multicast group with a port, like 239.7.7.7:5600 or [ff02::7]:5600";
    if (endpoint->interface != InterfaceIndex::none)
        return "'" + printable(text) + "' has a scope: name the interface with --interface";
    return {};
}

/// What not every action takes. A word that is not taken is refused: who gives it means something by it.
struct Taken {
    const char* option;
    std::vector<std::string> by;
};
const std::vector<Taken>& taken_by_some() {
    static const std::vector<Taken> all{
        {"TEXT", {"send"}},         {"--from", {"watch"}}, {"--for", {"watch", "doctor"}},
        {"--datagrams", {"watch"}}, {"--count", {"send"}}, {"--every", {"send"}},
        {"--hops", {"send"}}};
    return all;
}

std::string bad_address(std::string& text) {
    return IpAddress::parse(text) ? std::string{} : "'" + printable(text) + "' is no IP address";
}

void Multicast::declare(CLI::App& app) {
    app.add_option("ACTION", request_.action, "What to do: watch, send or doctor.")
        ->required()
        ->type_name("")
        ->check(CLI::IsMember({"watch", "send", "doctor"}).description(""));
    const auto take_group = [this](const std::string& text) { request_.group = *Endpoint::parse(text); };
    app.add_option_function<std::string>("GROUP", take_group, "The group and its port, like 239.7.7.7:5600.")
        ->required()
        ->type_name("")
        ->check(CLI::Validator(bad_group, ""));
    app.add_option("TEXT", request_.text, "What to send.")->type_name("");
    const auto take_sources = [this](const std::vector<std::string>& texts) {
        for (const std::string& text : texts) request_.sources.push_back(*IpAddress::parse(text));
    };
    app.add_option_function<std::vector<std::string>>("--from", take_sources,
                                                      "watch: only what this address sends; repeat for more.")
        ->check(CLI::Validator(bad_address, ""))
        ->allow_extra_args(false)
        ->type_name("ADDRESS");
    add_selectors(app, "--interface", request_.interfaces,
                  "Only this interface: a name, a pattern (wl*) or a kind (kind:wired); repeat for more.");
    add_selectors(app, "--prohibit", request_.prohibit,
                  "Nothing is joined or sent on this interface; repeat for more.");
    add_seconds(app, "--for", request_.stay,
                "watch: ends after this time; doctor: listens so long, twice (2).");
    add_flag(app, "--datagrams", request_.shows_datagrams, "watch: prints each datagram that comes.");
    app.add_option("--count", request_.count, "send: so many times (1); 0: until Ctrl-C.")
        ->type_name("COUNT");
    add_seconds(app, "--every", request_.every, "send: the time from one to the next (1).");
    app.add_option("--hops", request_.hops, "send: how many routers may pass it on, and one more (1).")
        ->check(CLI::Range(1, 255).description(""))
        ->type_name("COUNT");
    // A configuration file cannot say for which action it sets them.
    for (const Taken& each : taken_by_some()) app.get_option(each.option)->configurable(false);
    app.parse_complete_callback([this, &app] { refuse_foreign_words(app); });
}

void Multicast::refuse_foreign_words(const CLI::App& app) const {
    for (const auto& [option, by] : taken_by_some()) {
        if (app.count(option) == 0 || std::ranges::find(by, request_.action) != by.end()) continue;
        throw CLI::ValidationError("`muster multicast " + request_.action + "` takes no " + option);
    }
    if (request_.action == "send" && app.count("TEXT") == 0)
        throw CLI::ValidationError("nothing to send: give a TEXT");
}

asio::awaitable<Exit> Multicast::work(asio::io_context& io, Network& network, const Context& context) {
    if (request_.action == "doctor") co_return co_await examine_multicast(network, context, request_);
    if (request_.action == "send") co_return co_await send_multicast(io, context, request_);
    co_return co_await watch_multicast(io, network, context, request_);
}

}  // namespace

CommandPtr make_multicast() { return std::make_unique<Multicast>(); }

}  // namespace muster::cli
