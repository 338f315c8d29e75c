#include "discovery/mdns_test_wire.h"

#include <algorithm>

namespace muster::discovery::testing {

class HostPort final : public MdnsWire {
public:
    HostPort(Wire& wire, std::size_t number) : wire_(wire), number_(number) {}
    void multicast(LinkId link, SendFrom from, ByteView packet) override {
        wire_.deliver(number_, link, from, nullptr, packet);
    }
    void unicast(const Endpoint& to, SendFrom from, ByteView packet) override {
        wire_.deliver(number_, {to.interface, family_of(to.address)}, from, &to, packet);
    }

private:
    Wire& wire_;
    std::size_t number_;
};

Interface Wire::ethernet(std::size_t number, InterfaceIndex index) {
    Interface eth;
    eth.index = index;
    eth.name = "eth" + std::to_string(static_cast<std::uint32_t>(index));
    eth.up = eth.carrier = eth.multicast = true;
    eth.mtu = 1500;
    eth.addresses.push_back({*IpAddress::parse("10.0.0." + std::to_string(number)), 24, false});
    eth.addresses.push_back({*IpAddress::parse("fe80::" + std::to_string(number)), 64, false});
    return eth;
}

Wire::Host& Wire::add(std::function<void(MdnsEngineOptions&)> adjust) {
    auto& host = add_asleep(std::move(adjust));
    plug(host, {ethernet(host.number)});
    return host;
}

Wire::Host& Wire::add_asleep(std::function<void(MdnsEngineOptions&)> adjust) {
    auto host = std::make_unique<Host>();
    host->number = hosts.size() + 1;
    host->random = std::make_unique<SeededRandomness>(host->number * 77);
    host->port = std::make_unique<HostPort>(*this, host->number);
    MdnsEngineOptions options;
    options.host = "m-host" + std::to_string(host->number);
    options.links.ipv6 = ipv6;
    if (adjust) adjust(options);
    host->engine = std::make_unique<MdnsEngine>(options, *host->port, *host->random);
    hosts.push_back(std::move(host));
    return *hosts.back();
}

void Wire::plug(Host& host, std::vector<Interface> interfaces) {
    host.interfaces = std::move(interfaces);
    host.engine->on_interfaces(host.interfaces, now);
    collect(host);
}

void Wire::deliver(std::size_t from, LinkId link, SendFrom port, const Endpoint* to, ByteView packet) {
    Sent sent{now, from, link, port, to == nullptr, to == nullptr ? Endpoint{} : *to, {}, packet.size()};
    if (auto message = names::parse_message(packet)) sent.message = *std::move(message);
    log.push_back(std::move(sent));
    auto& sender = *hosts[from - 1];
    if (sender.cut) return;
    PacketInfo info;
    for (const auto& interface : sender.interfaces)
        for (const auto& each : interface.addresses)
            if (interface.index == link.interface && family_of(each.address) == link.family)
                info.source.address = each.address;
    const std::uint16_t ephemeral = static_cast<std::uint16_t>(40000 + from);
    info.source.port = port == SendFrom::mdns_port ? kMdnsPort : ephemeral;
    for (const auto& host : hosts) {
        if (host->cut) continue;
        for (const auto& interface : host->interfaces) {
            const bool own = to != nullptr && std::ranges::any_of(interface.addresses, [&](const auto& each) {
                                 return each.address == to->address;
                             });
            if ((to != nullptr && !own) || !interface.up || !interface.carrier) continue;
            if (host->number == from && to == nullptr && interface.index != link.interface) continue;
            auto arriving = info;
            arriving.interface = interface.index;
            arriving.source.interface = interface.index;
            arriving.arrival = to == nullptr           ? Arrival::multicast
                               : to->port == kMdnsPort ? Arrival::unicast
                                                       : Arrival::one_shot;
            flying_.emplace(now + kTravel, Flying{host->number, arriving, to_bytes(packet)});
        }
    }
}

void Wire::inject(const names::Message& message, std::string_view source, std::uint16_t port) {
    names::MessageWriter writer{message.header, 8900};
    for (const auto& question : message.questions) writer.add(question);
    for (const auto& record : message.answers) writer.add(names::Section::answer, record);
    for (const auto& record : message.authorities) writer.add(names::Section::authority, record);
    for (const auto& record : message.additionals) writer.add(names::Section::additional, record);
    inject(writer.finish(), source, port);
}

void Wire::inject(ByteView packet, std::string_view source, std::uint16_t port, Arrival arrival) {
    for (const auto& host : hosts) {
        PacketInfo info;
        info.interface = host->interfaces.front().index;
        info.source = {*IpAddress::parse(source), port, info.interface};
        info.arrival = arrival;
        flying_.emplace(now, Flying{host->number, info, to_bytes(packet)});
    }
    run_until(now);
}

void Wire::run_until(TimePoint until) {
    while (true) {
        TimePoint next = flying_.empty() ? kNever : flying_.begin()->first;
        for (const auto& host : hosts) next = std::min(next, std::max(now, host->engine->next_wakeup()));
        if (next > until) break;
        now = std::max(now, next);
        while (!flying_.empty() && flying_.begin()->first <= now) {
            const auto flying = std::move(flying_.begin()->second);
            flying_.erase(flying_.begin());
            auto& host = *hosts[flying.to - 1];
            if (!host.cut) host.engine->on_packet(flying.info, flying.packet, now);
            collect(host);
        }
        for (const auto& host : hosts) {
            if (host->engine->next_wakeup() <= now) host->engine->on_timer(now);
            collect(*host);
        }
    }
    now = until;
}

void Wire::collect(Host& host) {
    while (auto event = host.engine->poll_event()) host.events.emplace_back(now, *std::move(event));
}

std::vector<Sent> Wire::packets(const std::function<bool(const Sent&)>& pick, TimePoint since) const {
    std::vector<Sent> out;
    for (const auto& sent : log)
        if (sent.when >= since && pick(sent)) out.push_back(sent);
    return out;
}

std::vector<std::pair<TimePoint, ServiceEvent>> Wire::seen(const Host& host, std::string_view name) {
    std::vector<std::pair<TimePoint, ServiceEvent>> out;
    for (const auto& [when, event] : host.events)
        if (const auto* service = std::get_if<EngineServiceEvent>(&event);
            service != nullptr && service->event.instance.name == name)
            out.emplace_back(when, service->event);
    return out;
}

std::vector<std::pair<TimePoint, AdvertiseEvent>> Wire::told(const Host& host) {
    std::vector<std::pair<TimePoint, AdvertiseEvent>> out;
    for (const auto& [when, event] : host.events)
        if (const auto* own = std::get_if<EngineAdvertiseEvent>(&event)) out.emplace_back(when, own->event);
    return out;
}

Registration service(std::string instance, Uniqueness uniqueness) {
    Registration out;
    out.instance = std::move(instance);
    out.type = "_muster._udp";
    out.port = 4711;
    out.uniqueness = uniqueness;
    return out;
}

names::Message query(std::vector<names::Question> questions, std::vector<names::Record> known) {
    names::Message out;
    out.questions = std::move(questions);
    out.answers = std::move(known);
    return out;
}

names::Message response(std::vector<names::Record> answers) {
    names::Message out;
    out.header.response = out.header.authoritative = true;
    out.answers = std::move(answers);
    return out;
}

names::Question ask(std::string_view name, names::DnsType type, bool unicast) {
    return {dns(name), type, names::kClassInternet, unicast};
}

namespace {

names::Record record(std::string_view name, names::DnsType type, std::uint32_t ttl, bool flush,
                     names::RecordData data) {
    names::Record out;
    out.name = dns(name);
    out.type = type;
    out.ttl = ttl;
    out.cache_flush = flush;
    out.data = std::move(data);
    return out;
}

}  // namespace

names::Record ptr(std::string_view name, std::string_view target, std::uint32_t ttl) {
    return record(name, names::DnsType::ptr, ttl, false, dns(target));
}
names::Record srv(std::string_view name, std::string_view host, std::uint16_t port, std::uint32_t ttl) {
    return record(name, names::DnsType::srv, ttl, true, names::SrvData{0, 0, port, dns(host)});
}
names::Record txt(std::string_view name, std::string_view wire, std::uint32_t ttl) {
    return record(name, names::DnsType::txt, ttl, true, to_bytes(wire));
}
names::Record address(std::string_view name, std::string_view text, std::uint32_t ttl) {
    const auto ip = *IpAddress::parse(text);
    return record(name, ip.is_v6() ? names::DnsType::aaaa : names::DnsType::a, ttl, true, ip);
}

names::Message announcement(std::string_view instance, std::string_view host, std::string_view ip,
                            std::uint32_t ttl_ptr) {
    const std::string name = std::string{instance} + "._muster._udp.local";
    return response({ptr("_muster._udp.local", name, ttl_ptr), srv(name, host, 4711),
                     txt(name, std::string("\x03"
                                           "a=b",
                                           4)),
                     address(host, ip)});
}

}  // namespace muster::discovery::testing
