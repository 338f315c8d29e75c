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

#include "muster/advertiser.h"

namespace muster::cli {

namespace asio = boost::asio;

namespace {

class Advertise final : public SessionCommand {
public:
    Manual manual() const override;
    void declare(CLI::App& app) override;

private:
    asio::awaitable<Exit> work(asio::io_context& io, Network& network, const Context& context) override;
    Result<ServiceOffer> offer() const;

    std::string name_;
    std::string type_;
    std::uint16_t port_ = 0;
    std::vector<std::string> facts_;
    std::vector<std::string> subtypes_;
    std::vector<std::string> interfaces_;
    std::optional<Duration> stay_;
    bool keep_name_ = false;
};

Manual Advertise::manual() const {
    return {.name = "advertise",
            .summary = "announces a service on the local network",
            .purpose =
                "Announces a service by mDNS, so that Muster, Avahi and Apple devices find it, until "
                "Ctrl-C takes it back with a goodbye. If somebody else has the name, it goes on as \"NAME "
                "(2)\". The service itself is somebody else's: whatever listens on the port.",
            .examples = {{"muster advertise 'Stage left' _http._tcp 8080 path=/status", ""},
                         {"muster advertise Lights _osc._udp 9000 --for 60", "For a minute:"}}};
}

std::string bad_instance(std::string& text) {
    const auto fine = check_instance_name(text);
    return fine ? std::string{} : printable(fine.error().message());
}

void Advertise::declare(CLI::App& app) {
    app.add_option("NAME", name_, "For people: \"Stage left\".")
        ->required()
        ->type_name("")
        ->check(CLI::Validator(bad_instance, ""));
    add_service_type(app, type_, "What it speaks: _http._tcp");
    app.get_option("TYPE")->required();
    app.add_option("PORT", port_, "Where it listens.")
        ->required()
        ->type_name("")
        ->check(CLI::Range(1, 65535));
    app.add_option("KEY=VALUE", facts_, "What else is to be known: its TXT record.")->type_name("");
    app.add_option("--subtype", subtypes_, "A subtype, \"_printer\"; repeat for more.")
        ->allow_extra_args(false)
        ->type_name("NAME");
    add_interfaces(app, interfaces_);
    add_seconds(app, "--for", stay_, "Ends after this time.");
    add_flag(app, "--keep-name", keep_name_, "Fails instead of taking another name.");
}

Result<ServiceOffer> Advertise::offer() const {
    ServiceOffer offer{name_, type_, port_};
    offer.subtypes = subtypes_;
    offer.keep_name = keep_name_;
    for (const std::string& fact : facts_) {
        const std::size_t equals = fact.find('=');
        const bool is_flag = equals == std::string::npos;
        const auto set = is_flag ? offer.txt.set_flag(fact)
                                 : offer.txt.set(fact.substr(0, equals), fact.substr(equals + 1));
        if (!set) return set.error();
    }
    return offer;
}

void tell(const OfferEvent& event, const Context& context) {
    using Kind = OfferEvent::Kind;
    Output& out = context.output;
    JsonLine line{event.kind == Kind::announced ? "announced"
                  : event.kind == Kind::renamed ? "renamed"
                                                : "conflict"};
    line.text("name", event.name);
    if (event.kind == Kind::announced) {
        out.event(std::move(line));
        return out.say("announced '" + printable(event.name) + "'");
    }
    line.text("previous_name", event.previous_name).text("holder", to_text(event.holder));
    out.event(line.text("holder_host", event.holder_host));
    const std::string holder = printable(event.holder_host) + " at " + to_text(event.holder);
    if (event.kind == Kind::renamed)
        out.say("'" + printable(event.previous_name) + "' is held by " + holder + ": now '" +
                printable(event.name) + "'");
}

asio::awaitable<Exit> Advertise::work(asio::io_context& io, Network& network, const Context& context) {
    auto offered = offer();
    if (!offered) co_return failed(context, offered.error());
    AdvertiseOptions options{std::move(*offered)};
    options.interfaces = interfaces_;
    auto advertising = co_await advertise(network.executor(), std::move(options));
    if (!advertising) co_return failed(context, advertising.error());
    bool by_signal = false;
    std::optional<Error> conflict;
    Tasks tasks{io.get_executor()};
    tasks.spawn(until_stopped(io, stay_, [&] { advertising->stop(); }, by_signal));
    context.output.on_gone([&] { advertising->stop(); });
    while (const auto event = co_await advertising->next_event()) {
        tell(*event, context);
        if (event->kind != OfferEvent::Kind::conflict) continue;
        conflict = Error{Errc::name_in_use,
                         "'" + name_ + "' is held by " + event->holder_host + " at " + to_text(event->holder)}
                       .cure("take another name, or leave out --keep-name");
        advertising->stop();
    }
    context.output.on_gone({});
    tasks.cancel();
    co_await tasks.all_done();
    if (conflict) co_return failed(context, *conflict);
    co_return by_signal ? Exit::interrupted : Exit::ok;
}

}  // namespace

CommandPtr make_advertise() { return std::make_unique<Advertise>(); }

}  // namespace muster::cli
