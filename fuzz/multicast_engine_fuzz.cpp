// Random operations on a MulticastEngine, in virtual time: interfaces come, change and go, joins fail, datagrams come by any of them.
// Whatever happens, the engine has joined only where it may and says where it has, does not join too much, wants to be woken at
// a time that it can use, and asks the system for no more than time and change account for.
#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "base/check.h"
#include "net/multicast_engine.h"

namespace {

using namespace muster;
using namespace std::chrono_literals;

constexpr std::uint32_t kInterfaces = 200;  // more than may be joined
constexpr int kMostWakeups = 64;            // between two operations

class Octets {
public:
    Octets(const std::uint8_t* data, std::size_t size) : rest_(data, data + size) {}
    bool is_empty() const { return at_ >= rest_.size(); }
    std::uint8_t take() { return is_empty() ? 0 : rest_[at_++]; }

private:
    std::vector<std::uint8_t> rest_;
    std::size_t at_ = 0;
};

class Wire final : public net::MulticastWire {
public:
    net::JoinAnswer join(InterfaceIndex interface) override {
        ++asked;
        const auto answer = answer_for(interface);
        if (answer.kind == net::JoinAnswer::Kind::joined) MUSTER_CHECK(joined.insert(interface).second);
        return answer;
    }
    void leave(InterfaceIndex interface) override { joined.erase(interface); }
    net::JoinAnswer announce(InterfaceIndex interface) override {
        ++asked;
        MUSTER_CHECK(joined.contains(interface));
        return answer_for(interface);
    }
    bool has_older_querier(InterfaceIndex interface) override {
        return static_cast<std::uint32_t>(interface) % 7 == 0;
    }

    std::set<InterfaceIndex> joined;
    std::uint64_t asked = 0;
    std::uint8_t refuses = 0;  // this share of all interfaces, of 256

private:
    net::JoinAnswer answer_for(InterfaceIndex interface) const {
        using enum net::JoinAnswer::Kind;
        if (static_cast<std::uint32_t>(interface) * 37 % 256 >= refuses) return {};
        return {static_cast<std::uint32_t>(interface) % 2 == 0 ? failed : forbidden, "it is refused"};
    }
};

class World {
public:
    explicit World(Octets& octets) : octets_(octets), engine_(options(octets), wire_, now_) {}

    void step() {
        const std::uint64_t asked = wire_.asked;
        const auto what = octets_.take() % 6;
        switch (what) {
            case 0: change_interface(); break;
            case 1: add_many(); break;
            case 2: wire_.refuses = octets_.take(); break;
            case 3: pass(octets_.take() * 1ms); break;
            case 4: pass(octets_.take() * 100ms); break;
            case 5: hear(); break;
        }
        // A datagram may open or end a look elsewhere, which is one attempt for each interface.
        if (what == 5 && is_same_state_) MUSTER_CHECK(wire_.asked == asked);
        check();
    }

private:
    static net::MulticastEngineOptions options(Octets& octets) {
        net::MulticastEngineOptions options;
        const auto choice = octets.take();
        if ((choice & 1) != 0) options.interfaces = {"eth1*"};
        if ((choice & 2) != 0) options.prohibit = {"eth2*"};
        options.look_elsewhere = (choice & 4) == 0;
        return options;
    }

    void change_interface() {
        const std::uint32_t index = 1 + octets_.take() % kInterfaces;
        const auto how = octets_.take();
        if (how % 4 == 0) {
            interfaces_.erase(index);
        } else {
            Interface& interface = interfaces_[index];
            interface.index = InterfaceIndex{index};
            interface.name = index == 1 ? "lo" : "eth" + std::to_string(index);
            interface.loopback = index == 1;
            interface.multicast = how % 16 != 1;
            interface.up = (how & 32) != 0;
            interface.carrier = interface.up && (how & 64) != 0;
            interface.mtu = how;
        }
        tell();
    }
    void add_many() {
        const std::uint32_t end = 2 + octets_.take() % kInterfaces;
        for (std::uint32_t index = 2; index < end; ++index) {
            Interface& interface = interfaces_[index];
            interface.index = InterfaceIndex{index};
            interface.name = "eth" + std::to_string(index);
            interface.up = interface.carrier = interface.multicast = true;
        }
        tell();
    }
    void tell() {
        std::vector<Interface> all;
        all.reserve(interfaces_.size());
        for (const auto& [index, interface] : interfaces_) all.push_back(interface);
        engine_.on_interfaces(all, now_);
    }
    void pass(Duration time) {
        const TimePoint end = now_ + time;
        for (int wakeups = 0; engine_.next_wakeup() <= end; ++wakeups) {
            MUSTER_CHECK(wakeups < kMostWakeups * static_cast<int>(1 + interfaces_.size()));
            now_ = std::max(now_, engine_.next_wakeup());
            engine_.on_timer(now_);
        }
        now_ = end;
    }
    void hear() {
        const InterfaceIndex by{1 + octets_.take() % kInterfaces};
        const auto before = engine_.status().state;
        const bool is_wanted = engine_.on_datagram(by, 100, now_);
        MUSTER_CHECK(!is_wanted || wire_.joined.contains(by));
        is_same_state_ = engine_.status().state == before;
    }

    void check() {
        const MulticastStatus status = engine_.status();
        std::set<InterfaceIndex> said;
        for (const MulticastInterface& each : status.interfaces) {
            const bool is_joined =
                each.membership == Membership::joined || each.membership == Membership::watched;
            if (is_joined) said.insert(each.index);
            MUSTER_CHECK(each.membership != Membership::prohibited || !wire_.joined.contains(each.index));
        }
        MUSTER_CHECK(said == wire_.joined);
        MUSTER_CHECK(said.size() <= net::MulticastEngine::kMostMemberships);
        MUSTER_CHECK(!status.explain().empty());
    }

    Octets& octets_;
    TimePoint now_{1h};
    Wire wire_;
    std::map<std::uint32_t, Interface> interfaces_;
    net::MulticastEngine engine_;
    bool is_same_state_ = true;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Octets octets{data, size};
    World world{octets};
    while (!octets.is_empty()) world.step();
    return 0;
}
