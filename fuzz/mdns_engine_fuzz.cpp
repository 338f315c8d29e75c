// Random operations on an mDNS engine: packets made of names that matter to it, garbage, time, interfaces,
// verbs. It must neither fail nor grow, must not ask to be woken again and again at the same moment, and must
// send only packets that it could read itself.
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <vector>

#include "base/reader.h"
#include "discovery/mdns_engine.h"

using namespace muster;
using namespace muster::discovery;

namespace {

using names::DnsName;
using names::DnsType;

class CheckingWire final : public MdnsWire {
public:
    void multicast(LinkId, SendFrom, ByteView packet) override { check(packet); }
    void unicast(const Endpoint& to, SendFrom, ByteView packet) override {
        if (to.interface == InterfaceIndex::none) std::abort();
        check(packet);
    }
    std::deque<Bytes> sent;  // to be replayed as if others had sent it

private:
    void check(ByteView packet) {
        if (packet.size() > kMaxPacket || !names::parse_message(packet)) std::abort();
        if (sent.size() >= 16) sent.pop_front();
        sent.push_back(to_bytes(packet));
    }
};

// Reads choices from the fuzzer's octets; zeros when they are used up.
class Choices {
public:
    Choices(const std::uint8_t* data, std::size_t size) : in_(std::as_bytes(std::span{data, size})) {}
    bool done() const { return in_.empty(); }
    std::uint8_t octet() {
        std::uint8_t value = 0;
        (void)in_.read(value);
        return value;
    }
    std::uint16_t word() { return static_cast<std::uint16_t>(octet() << 8 | octet()); }
    ByteView octets(std::size_t wanted) {
        ByteView view;
        (void)in_.read(view, std::min(wanted, in_.remaining()));
        return view;
    }

private:
    Reader in_;
};

DnsName some_name(std::uint8_t choice) {
    static const char* const kNames[] = {"_muster._udp.local",
                                         "svc._muster._udp.local",
                                         "svc\\ (2)._muster._udp.local",
                                         "coord._muster._udp.local",
                                         "_g._sub._muster._udp.local",
                                         "_services._dns-sd._udp.local",
                                         "m-fuzz.local",
                                         "other.local"};
    return *DnsName::parse(kNames[choice % 8]);
}

DnsType some_type(std::uint8_t choice) {
    constexpr DnsType kTypes[] = {DnsType::ptr,  DnsType::srv,  DnsType::txt, DnsType::a,
                                  DnsType::aaaa, DnsType::nsec, DnsType::any, DnsType{65280}};
    return kTypes[choice % 8];
}

names::Record some_record(Choices& choices) {
    names::Record record;
    record.name = some_name(choices.octet());
    record.type = some_type(choices.octet());
    if (record.type == DnsType::any) record.type = DnsType::ptr;
    const auto flags = choices.octet();
    record.cache_flush = (flags & 1) != 0;
    record.ttl = (flags & 2) ? 0 : choices.word();
    const auto choice = choices.octet();
    switch (record.type) {
        case DnsType::ptr: record.data = some_name(choice); break;
        case DnsType::srv: record.data = names::SrvData{0, 0, choice, some_name(choice)}; break;
        case DnsType::a: record.data = IpAddress{IpAddress::V4{10, 0, 0, choice}}; break;
        case DnsType::aaaa: record.data = IpAddress{IpAddress::V6{0xfe, 0x80, choice}}; break;
        case DnsType::nsec: record.data = names::NsecData{record.name, {some_type(choice)}}; break;
        default: record.data = to_bytes(choices.octets(choice % 16)); break;
    }
    return record;
}

Bytes some_message(Choices& choices) {
    names::Header header;
    const auto flags = choices.octet();
    header.response = (flags & 1) != 0;
    header.truncated = (flags & 2) != 0;
    header.id = choices.octet();
    names::MessageWriter writer{header, kMaxPacket};
    for (int i = (flags >> 2) & 3; i > 0; --i)
        writer.add({some_name(choices.octet()), some_type(choices.octet()), names::kClassInternet,
                    (flags & 64) != 0});
    for (int i = (flags >> 4) & 3; i > 0; --i) writer.add(names::Section::answer, some_record(choices));
    if (flags & 128) writer.add(names::Section::authority, some_record(choices));
    return writer.finish();
}

std::vector<Interface> some_interfaces(std::uint8_t choice) {
    std::vector<Interface> out;
    for (std::uint8_t i = 0; i < 2; ++i) {
        if (((choice >> i) & 1) == 0) continue;
        Interface eth;
        eth.index = InterfaceIndex{2U + i};
        eth.up = eth.multicast = true;
        eth.carrier = (choice & 4) == 0;
        eth.mtu = (choice & 8) ? 100 : 1500;
        eth.addresses.push_back(
            {IpAddress{IpAddress::V4{10, 0, i, static_cast<std::uint8_t>(1 + (choice >> 6))}}, 24, false});
        eth.addresses.push_back({IpAddress{IpAddress::V6{0xfe, 0x80, i}}, 64, (choice & 16) != 0});
        out.push_back(std::move(eth));
    }
    return out;
}

Registration some_service(Choices& choices) {
    Registration out;
    const auto choice = choices.octet();
    out.instance = (choice & 1) ? "svc" : "coord";
    out.type = "_muster._udp";
    out.port = static_cast<std::uint16_t>(1 + choice);
    if (choice & 2) out.subtypes = {"_g"};
    if (choice & 4) out.uniqueness = Uniqueness::known_unique;
    if (choice & 8) out.on_conflict = OnConflict::report;
    if (choice & 64) out.on_conflict = OnConflict::keep;
    if (choice & 16) out.listing = Listing::unlisted;
    if (choice & 32) out.occupancy = Occupancy::one;
    return out;
}

class Story {
public:
    explicit Story(Choices& choices) : choices_(choices), engine_(options(), wire_, random_) {
        engine_.on_interfaces(some_interfaces(3), now_);
    }

    void step() {
        switch (choices_.octet() % 12) {
            case 0: packet(some_message(choices_)); break;
            case 1: packet(to_bytes(choices_.octets(choices_.octet()))); break;
            case 2: engine_.on_interfaces(some_interfaces(choices_.octet()), now_); break;
            case 3: advertise(); break;
            case 4: watch(); break;
            case 5: end_something(); break;
            case 6: (void)engine_.reconfirm("svc", "_muster._udp", now_); break;
            case 7: pass(std::chrono::milliseconds{choices_.word()}); break;
            case 8: pass(std::chrono::seconds{20 * choices_.octet()}); break;
            case 9: engine_.set_sole_on_port((choices_.octet() & 1) != 0); break;
            case 10: replay(); break;
            case 11: some_update(); break;
        }
        drain();
    }

    void finish() {
        engine_.shut_down(now_);
        if (engine_.next_wakeup() != kNever) std::abort();
    }

private:
    static MdnsEngineOptions options() {
        MdnsEngineOptions out;
        out.host = "m-fuzz";
        return out;
    }

    void packet(const Bytes& octets) {
        const auto where = choices_.octet();
        PacketInfo info;
        info.interface = InterfaceIndex{2U + (where & 1U)};
        const bool v6 = (where & 2) != 0;
        info.source.address = v6 ? IpAddress{IpAddress::V6{0xfe, 0x80, static_cast<std::uint8_t>(where >> 4)}}
                                 : IpAddress{IpAddress::V4{10, 0, 0, static_cast<std::uint8_t>(where >> 4)}};
        info.source.port = (where & 4) ? 40000 : kMdnsPort;
        info.source.interface = info.interface;
        info.arrival = static_cast<Arrival>((where >> 2) % 3);
        engine_.on_packet(info, octets, now_);
    }

    void replay() {
        if (wire_.sent.empty()) return;
        const auto copy = wire_.sent[choices_.octet() % wire_.sent.size()];
        packet(copy);
    }

    void advertise() {
        auto id = engine_.advertise(some_service(choices_), now_);
        if (id) advertisements_.push_back(*id);
    }

    void watch() {
        const auto choice = choices_.octet();
        if (watches_.size() > 8) return;
        auto id = (choice & 1) ? engine_.browse({"_muster._udp", (choice & 2) ? "_g" : "",
                                                 (choice & 4) ? Occupancy::one : Occupancy::many},
                                                now_)
                               : engine_.resolve_unique(
                                     {(choice & 2) ? "svc" : "coord",
                                      "_muster._udp",
                                      {{IpAddress{IpAddress::V4{10, 0, 0, 9}}, 1, InterfaceIndex{2}}}},
                                     now_);
        if (id) watches_.push_back(*id);
    }

    void end_something() {
        const auto choice = choices_.octet();
        if ((choice & 1) && !watches_.empty()) {
            engine_.stop(watches_.back());
            watches_.pop_back();
        } else if (!advertisements_.empty()) {
            engine_.withdraw(advertisements_.back(), now_);
            advertisements_.pop_back();
        }
    }

    void some_update() {
        if (advertisements_.empty()) return;
        TxtRecord txt;
        (void)txt.set("n", std::to_string(choices_.octet()));
        engine_.update_txt(advertisements_.front(), txt, now_);
        engine_.probe_again(advertisements_.front(), now_);
    }

    // A wake-up at or before the present may lead to another one at the present, but not without end.
    void pass(Duration time) {
        const auto end = now_ + time;
        int at_once = 0;
        for (int i = 0; i < 100 && engine_.next_wakeup() <= end; ++i) {
            const auto next = std::max(now_, engine_.next_wakeup());
            at_once = next > now_ ? 0 : at_once + 1;
            if (at_once > 20) std::abort();
            now_ = next;
            engine_.on_timer(now_);
            drain();
        }
        now_ = std::max(now_, end);
        engine_.on_timer(now_);
    }

    void drain() {
        while (engine_.poll_event()) {
        }
    }

    Choices& choices_;
    CheckingWire wire_;
    SeededRandomness random_{1};
    TimePoint now_{std::chrono::seconds{1000}};
    MdnsEngine engine_;
    std::vector<AdvertisementId> advertisements_;
    std::vector<WatchId> watches_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Choices choices{data, size};
    Story story{choices};
    for (int i = 0; i < 150 && !choices.done(); ++i) story.step();
    story.finish();
    return 0;
}
