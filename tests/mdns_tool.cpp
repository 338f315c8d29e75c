// Runs discovery from the command line for the interoperability tests: one JSON object per line, with the
// monotonic clock in nanoseconds, which all namespaces of one machine share. Ends with a goodbye on SIGTERM.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/json.hpp>

#include "discovery/mdns_service.h"

namespace asio = boost::asio;
namespace json = boost::json;
using namespace muster;
using namespace muster::discovery;

namespace {

void print(json::object line) {
    line["t"] = std::chrono::nanoseconds{SteadyClock::now().time_since_epoch()}.count();
    std::cout << json::serialize(line) << std::endl;
}

json::object txt_of(const TxtRecord& txt) {
    json::object out;
    for (const auto& entry : txt.entries()) {
        if (entry.value) {
            out[entry.key] = *entry.value;
        } else {
            out[entry.key] = nullptr;
        }
    }
    return out;
}

void print_service(const ServiceEvent& event) {
    constexpr const char* kKinds[] = {"found", "updated", "left"};
    json::array endpoints;
    for (const auto& endpoint : event.instance.endpoints)
        endpoints.push_back(json::value(endpoint.to_string()));
    json::object line{{"event", kKinds[static_cast<int>(event.kind)]},
                      {"name", event.instance.name},
                      {"type", event.instance.type},
                      {"host", event.instance.host},
                      {"port", event.instance.port},
                      {"txt", txt_of(event.instance.txt)},
                      {"endpoints", std::move(endpoints)}};
    if (event.kind == ServiceEvent::Kind::left) line["reason"] = to_string(event.reason);
    print(std::move(line));
}

void print_own(const AdvertiseEvent& event) {
    constexpr const char* kKinds[] = {"announced", "renamed", "conflict"};
    print({{"event", kKinds[static_cast<int>(event.kind)]},
           {"name", event.instance},
           {"interface", static_cast<std::uint32_t>(event.interface)},
           {"holder", event.holder.host},
           {"holder_port", event.holder.port},
           {"holder_txt", txt_of(event.holder.txt)}});
}

struct Arguments {
    std::string verb;
    std::vector<std::string> words;
    MdnsServiceOptions options;
    Registration registration;
    std::string subtype;
    unsigned count = 1;
};

bool take_flag(const std::string& flag, Arguments& out) {
    if (flag == "--unique")
        out.registration.uniqueness = Uniqueness::known_unique;
    else if (flag == "--report")
        out.registration.on_conflict = OnConflict::report;
    else if (flag == "--unlisted")
        out.registration.listing = Listing::unlisted;
    else if (flag == "--no-ipv4")
        out.options.ipv4 = false;
    else if (flag == "--no-ipv6")
        out.options.ipv6 = false;
    else
        return false;
    return true;
}

void take_value(const std::string& flag, const std::string& value, Arguments& out) {
    if (flag == "--host") out.options.host = value;
    if (flag == "--only") out.options.only_interfaces.push_back(value);
    if (flag == "--count") out.count = static_cast<unsigned>(std::stoul(value));
    if (flag == "--subtype") {
        out.subtype = value;
        out.registration.subtypes.push_back(value);
    }
    if (flag == "--txt") {
        const auto equals = value.find('=');
        (void)(equals == std::string::npos
                   ? out.registration.txt.set_flag(value)
                   : out.registration.txt.set(value.substr(0, equals), value.substr(equals + 1)));
    }
}

Arguments parse(int argc, char** argv) {
    Arguments out;
    if (argc > 1) out.verb = argv[1];
    for (int i = 2; i < argc; ++i) {
        const std::string word = argv[i];
        if (!word.starts_with("--")) {
            out.words.push_back(word);
        } else if (!take_flag(word, out) && i + 1 < argc) {
            take_value(word, argv[++i], out);
        }
    }
    return out;
}

int fail(const Error& error) {
    std::cerr << error.explain() << std::endl;
    return 1;
}

std::vector<Advertisement> advertise(MdnsService& service, const Arguments& arguments) {
    std::vector<Advertisement> out;
    for (unsigned i = 0; i < arguments.count; ++i) {
        auto registration = arguments.registration;
        registration.instance = arguments.words.at(0) + (i == 0 ? "" : " " + std::to_string(i));
        registration.type = arguments.words.at(1);
        registration.port = static_cast<std::uint16_t>(std::stoul(arguments.words.at(2)));
        auto running = service.advertise(std::move(registration), print_own);
        if (!running) std::exit(fail(running.error()));
        out.push_back(*std::move(running));
    }
    return out;
}

Result<Subscription> watch(MdnsService& service, const Arguments& arguments) {
    if (arguments.verb == "browse")
        return service.browse({arguments.words.at(0), arguments.subtype}, print_service);
    return service.resolve_unique({arguments.words.at(0), arguments.words.at(1), {}}, print_service);
}

}  // namespace

int main(int argc, char** argv) {
    const auto arguments = parse(argc, argv);
    asio::io_context io{1};
    MdnsService service{io.get_executor(), arguments.options};
    if (auto started = service.start(); !started) return fail(started.error());
    print({{"event", "started"},
           {"host", service.host_name()},
           {"sharing", service.port_sharing() == PortSharing::sole ? "sole" : "shared"}});
    std::vector<Advertisement> advertisements;
    Subscription subscription;
    if (arguments.verb == "advertise") {
        advertisements = advertise(service, arguments);
    } else {
        auto watching = watch(service, arguments);
        if (!watching) return fail(watching.error());
        subscription = *std::move(watching);
    }
    const auto stop = [&] {
        print({{"event", "stopping"}});
        service.stop();
        io.stop();
    };
    asio::signal_set signals{io, SIGTERM, SIGINT};
    signals.async_wait([&](auto ec, int) {
        if (!ec) stop();
    });
    io.run();
}
