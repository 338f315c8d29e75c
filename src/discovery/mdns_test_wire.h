#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "discovery/mdns_engine.h"
#include "names/dns_message.h"

namespace muster::discovery::testing {

using namespace std::chrono_literals;

inline names::DnsName dns(std::string_view text) { return *names::DnsName::parse(text); }

/// What one host put on the wire.
struct Sent {
    TimePoint when{};
    std::size_t host = 0;
    LinkId link;
    SendFrom from = SendFrom::mdns_port;
    bool multicast = true;
    Endpoint to;
    names::Message message;
    std::size_t size = 0;
};

/// Several engines on one Ethernet in virtual time. Packets take 100 us; multicast is looped
/// back as the kernel does.
class Wire {
public:
    struct Host {
        std::size_t number = 0;
        std::unique_ptr<Randomness> random;
        std::unique_ptr<MdnsWire> port;
        std::unique_ptr<MdnsEngine> engine;
        std::vector<Interface> interfaces;
        std::vector<std::pair<TimePoint, EngineEvent>> events;
        bool cut = false;  ///< neither sends nor hears, and does not know
    };

    static constexpr InterfaceIndex kEth{2};
    static constexpr Duration kTravel = 100us;

    /// Adds a host with one interface: 10.0.0.<n> and fe80::<n>.
    Host& add(std::function<void(MdnsEngineOptions&)> adjust = {});
    /// The same, but it has not looked at its interfaces yet: plug({ethernet(number)}) is its start.
    Host& add_asleep(std::function<void(MdnsEngineOptions&)> adjust = {});
    static Interface ethernet(std::size_t number, InterfaceIndex index = kEth);
    void plug(Host& host, std::vector<Interface> interfaces);

    /// Runs everything until `until`.
    void run_until(TimePoint until);
    void run_for(Duration time) { run_until(now + time); }
    /// Sends `message` from an outsider to the group, as seen by every host.
    void inject(const names::Message& message, std::string_view source = "10.0.0.200",
                std::uint16_t port = kMdnsPort);
    void inject(ByteView packet, std::string_view source = "10.0.0.200", std::uint16_t port = kMdnsPort,
                Arrival arrival = Arrival::multicast);

    /// Packets since `since` that `pick` wants.
    std::vector<Sent> packets(const std::function<bool(const Sent&)>& pick,
                              TimePoint since = TimePoint{}) const;
    /// Service events of `host` with this name, in order.
    static std::vector<std::pair<TimePoint, ServiceEvent>> seen(const Host& host, std::string_view name);
    static std::vector<std::pair<TimePoint, AdvertiseEvent>> told(const Host& host);

    TimePoint now{1000s};
    std::vector<std::unique_ptr<Host>> hosts;
    std::vector<Sent> log;
    bool ipv6 = false;  ///< IPv4 alone by default: one packet per thing said

private:
    friend class HostPort;
    struct Flying {
        std::size_t to = 0;
        PacketInfo info;
        Bytes packet;
    };
    void deliver(std::size_t from, LinkId link, SendFrom port, const Endpoint* to, ByteView packet);
    void collect(Host& host);

    std::multimap<TimePoint, Flying> flying_;
};

Registration service(std::string instance, Uniqueness uniqueness = Uniqueness::known_unique);

names::Message query(std::vector<names::Question> questions, std::vector<names::Record> known = {});
names::Message response(std::vector<names::Record> answers);
names::Question ask(std::string_view name, names::DnsType type, bool unicast = false);
names::Record ptr(std::string_view name, std::string_view target, std::uint32_t ttl = 4500);
names::Record srv(std::string_view name, std::string_view host, std::uint16_t port, std::uint32_t ttl = 120);
names::Record txt(std::string_view name, std::string_view wire, std::uint32_t ttl = 4500);
names::Record address(std::string_view name, std::string_view text, std::uint32_t ttl = 120);
/// PTR, SRV, TXT and address of one service under _muster._udp, as a plain responder sends them.
names::Message announcement(std::string_view instance, std::string_view host, std::string_view ip,
                            std::uint32_t ttl_ptr = 4500);

inline bool has_answer(const Sent& sent, names::DnsType type) {
    for (const auto& record : sent.message.answers)
        if (record.type == type) return true;
    return false;
}
inline bool is_response(const Sent& sent) { return sent.message.header.response; }
inline bool asks(const Sent& sent, std::string_view name) {
    for (const auto& question : sent.message.questions)
        if (question.name == dns(name)) return !sent.message.header.response;
    return false;
}

}  // namespace muster::discovery::testing
