// What somebody on the network reaches who can forge mDNS packets and has no key.
#include <gtest/gtest.h>

#include "link/probe.h"
#include "names/dns_message.h"
#include "session_rig.h"

namespace muster {
namespace {

using namespace std::chrono_literals;
using namespace sim;
using names::DnsType;
using Kind = node::NameVerdict::Kind;

names::DnsName dns(const std::string& text) { return *names::DnsName::parse(text); }

names::Record record(const std::string& name, DnsType type, names::RecordData data, std::uint32_t ttl = 120) {
    names::Record made;
    made.name = dns(name);
    made.type = type;
    made.ttl = ttl;
    made.cache_flush = type != DnsType::ptr;
    made.data = std::move(data);
    return made;
}

/// Says by mDNS what it likes, and has no key.
class Forger {
public:
    Forger(SimNetwork& network, LanId lan) : network_(network), host_(network.add_host("forger")) {
        eth_ = network.attach(host_, lan);
    }

    void say(std::vector<names::Record> answers) {
        names::Header header;
        header.response = header.authoritative = true;
        names::MessageWriter writer{header, 8900};
        for (const auto& each : answers) ASSERT_TRUE(writer.add(names::Section::answer, each));
        const Bytes packet = writer.finish();
        network_.send(host_, {.local = {.address = {}, .port = discovery::kMdnsPort},
                              .remote = {*IpAddress::parse("ff02::fb"), discovery::kMdnsPort, eth_},
                              .octets = packet});
    }
    /// SRV and TXT of an instance of `_muster._udp`.
    static std::vector<names::Record> claim(const std::string& instance, const std::string& host,
                                            std::uint16_t port, const std::string& id = {}) {
        const std::string name = instance + "._muster._udp.local";
        TxtRecord txt;
        (void)txt.set("group", kGroup);
        (void)txt.set("name", "rogue");
        if (!id.empty()) (void)txt.set("id", id);
        return {record(name, DnsType::srv, names::SrvData{0, 0, port, dns(host + ".local")}),
                record(name, DnsType::txt, txt.to_wire())};
    }
    HostId host() const { return host_; }

private:
    SimNetwork& network_;
    HostId host_;
    InterfaceIndex eth_;
};

class Forgery : public testing::Test {
protected:
    /// The forger says the same again and again for so long.
    void attack(Duration time, const std::vector<names::Record>& records) {
        const TimePoint end = world.clock.now() + time;
        while (world.clock.now() < end) {
            forger.say(records);
            world.clock.run_for(100ms);
        }
    }
    void expect_joins_at_once(SimMember& member) {
        member.start();
        ASSERT_TRUE(world.clock.run_until([&] { return member.joined; }, 5s));
        EXPECT_LE(member.joined_at - member.started, 150ms);
    }

    World world{1, 4};
    Forger forger{world.network, world.lan};
    SimCoordinator& coordinator = *world.coordinator;
    const std::string shared = node::coordinator_instance(kGroup);
    const std::string own = node::listed_instance(kGroup, coordinator.key.id());
};

TEST_F(Forgery, AClaimToTheGroupsNameDoesNotEndACoordinator) {
    world.clock.run_for(3s);
    attack(2s, Forger::claim(shared, "evil", 4711));
    EXPECT_GE(coordinator.count(Kind::unproven), 1u);
    EXPECT_EQ(coordinator.count(Kind::taken), 0u);
    EXPECT_EQ(coordinator.count(Kind::contested), 0u) << "nobody has proved anything";
    expect_joins_at_once(*world.members[0]);
}

TEST_F(Forgery, AClaimBeforeTheFirstAnnouncementDoesNotEndACoordinatorEither) {
    attack(2s, Forger::claim(shared, "evil", 4711));
    EXPECT_GE(coordinator.count(Kind::unproven), 1u);
    EXPECT_EQ(coordinator.count(Kind::taken), 0u);
    expect_joins_at_once(*world.members[0]);
}

TEST_F(Forgery, ClaimsToBothNamesDoNotHideACoordinator) {
    world.clock.run_for(3s);
    expect_joins_at_once(*world.members[0]);
    auto both = Forger::claim(shared, "evil", 4711);
    for (auto& each : Forger::claim(own, "evil", 4711)) both.push_back(each);
    attack(2s, both);
    forger.say(both);
    expect_joins_at_once(*world.members[1]);
    world.clock.run_for(6s);
    expect_joins_at_once(*world.members[2]);
}

TEST_F(Forgery, TheNameIsTakenBackWhenTheForgerHasGone) {
    world.clock.run_for(3s);
    ASSERT_EQ(coordinator.announced, 1);
    attack(20s, Forger::claim(shared, "evil", 4711));
    const int before = coordinator.announced;
    world.clock.run_for(61s);  // the longest pause
    EXPECT_GT(coordinator.announced, before);
}

TEST_F(Forgery, NobodyIsProbedOnAWellKnownPort) {
    world.clock.run_for(3s);
    std::size_t probes = 0;
    world.network.set_trace([&](const TraceEvent& event) {
        probes +=
            event.to == forger.host() && event.from != event.to && event.size >= link::kProbeSize ? 1 : 0;
    });
    attack(2s, Forger::claim(shared, "evil", 4711));
    EXPECT_GT(probes, 0u) << "negative control: a neighbour may be asked";
    probes = 0;
    attack(5s, Forger::claim(shared, "evil", 53));
    world.network.set_trace(nullptr);
    EXPECT_EQ(probes, 0u);
    EXPECT_GE(coordinator.count(Kind::unproven), 1u);
}

/// A member waits for its coordinator, and the forger is there first.
class LockOut : public testing::Test {
protected:
    LockOut() {
        member = add_member("member", 2);
        member->start();
        clock.run_for(1s);
    }
    ~LockOut() override {
        member->node.kill();
        if (coordinator) coordinator->node.kill();
    }
    std::unique_ptr<SimMember> add_member(const std::string& name, std::uint32_t number) {
        const auto host = network.add_host(name);
        network.attach(host, lan);
        return std::make_unique<SimMember>(clock, network, host, number, Profile::balanced);
    }
    /// A coordinator that is not there: listed, with an address of its own.
    std::vector<names::Record> fake(std::uint32_t number, const IpAddress& at, std::uint16_t port = kPort) {
        const std::string id = key_of(1000 + number).id().to_string();
        const std::string host = "fake" + std::to_string(number);
        auto records = Forger::claim(id + "-x", host, port, id);
        records.insert(records.begin(), record(node::group_subtype(kGroup) + "._sub._muster._udp.local",
                                               DnsType::ptr, dns(id + "-x._muster._udp.local"), 4500));
        records.push_back(record(host + ".local", DnsType::aaaa, at));
        return records;
    }
    static IpAddress nobody(std::uint32_t number) {
        return *IpAddress::parse("fe80::dead:" + std::to_string(1000 + number));
    }
    void start_coordinator() {
        const auto host = network.add_host("coordinator");
        network.attach(host, lan);
        coordinator = std::make_unique<SimCoordinator>(clock, network, host, Profile::balanced);
        coordinator->start();
    }
    void expect_joins_within(Duration bound) {
        const TimePoint appeared = clock.now();
        ASSERT_TRUE(clock.run_until([&] { return member->joined || member->failure; }, 10s));
        ASSERT_TRUE(member->joined) << member->failure->explain();
        EXPECT_LE(clock.now() - appeared, bound);
    }

    SimClock clock;
    SimNetwork network{clock, 1};
    LanId lan = network.add_lan();
    Forger forger{network, lan};
    std::unique_ptr<SimMember> member;
    std::unique_ptr<SimCoordinator> coordinator;
};

TEST_F(LockOut, SixteenFakesDoNotKeepAMemberOut) {
    for (std::uint32_t i = 0; i < 20; ++i) forger.say(fake(i, nobody(i)));
    clock.run_for(500ms);
    start_coordinator();
    expect_joins_within(20ms);
}

TEST_F(LockOut, AFloodOfFakesCostsAMemberTheTimeOfOneProbe) {
    for (std::uint32_t i = 0; i < 500; ++i) {
        forger.say(fake(i, nobody(i)));
        clock.run_for(1ms);
    }
    start_coordinator();
    expect_joins_within(150ms);
}

TEST_F(LockOut, AFalseIdForTheTrueAddressDoesNot) {
    const auto host = network.add_host("coordinator");
    network.attach(host, lan);
    coordinator = std::make_unique<SimCoordinator>(clock, network, host, Profile::balanced);
    const IpAddress at = network.interfaces(host).back().addresses[0].address;
    forger.say(fake(1, at));
    clock.run_for(10ms);
    coordinator->start();
    expect_joins_within(200ms);
}

TEST_F(LockOut, AnAnswerUnderAnotherIdThanAnnouncedIsFollowed) {
    const auto host = network.add_host("coordinator");
    network.attach(host, lan);
    coordinator = std::make_unique<SimCoordinator>(clock, network, host, Profile::balanced);
    coordinator->node.start(*coordinator->core);  // it does not announce itself: the forger's is all there is
    const IpAddress at = network.interfaces(host).back().addresses[0].address;
    forger.say(fake(1, at));
    expect_joins_within(50ms);
}

TEST_F(LockOut, SixtyFourFalseAddressesOfTheTrueIdDoNot) {
    const std::string id = key_of(1).id().to_string();
    auto records = Forger::claim(node::coordinator_instance(kGroup), "evil", kPort, id);
    for (std::uint32_t i = 0; i < 64; ++i) {
        auto address = record("evil.local", DnsType::aaaa, nobody(i));
        records.push_back(address);
    }
    forger.say(records);
    clock.run_for(500ms);
    start_coordinator();
    expect_joins_within(1500ms);
}

// A coordinator with a key of its own answers probes, shakes hands, and is forged to be the one that is wanted.
TEST_F(LockOut, ARogueCoordinatorUnderTheTrueIdDoesNotKeepAPinnedMemberOut) {
    member->node.kill();
    const auto rogue_host = network.add_host("rogue");
    network.attach(rogue_host, lan);
    SimCoordinator rogue{clock, network, rogue_host, Profile::balanced, 77};
    rogue.node.start(*rogue.core);  // it does not announce itself: the forger does
    const auto host = network.add_host("pinned");
    network.attach(host, lan);
    const auto first = std::move(member);  // what the clock has for it may still come
    member = std::make_unique<SimMember>(clock, network, host, 3, Habits{Profile::balanced, key_of(1).id()});
    member->start();
    auto records =
        Forger::claim(node::coordinator_instance(kGroup), "evil", kPort, key_of(1).id().to_string());
    const IpAddress at = network.interfaces(rogue_host).back().addresses[0].address;
    records.push_back(record("evil.local", DnsType::aaaa, at));
    for (int i = 0; i < 20; ++i) {
        forger.say(records);
        clock.run_for(100ms);
    }
    EXPECT_FALSE(member->joined || member->failure);
    EXPECT_EQ(rogue.joined, 0u);
    start_coordinator();
    for (int i = 0; i < 5 && !member->joined; ++i) {
        forger.say(records);
        clock.run_for(100ms);
    }
    EXPECT_TRUE(member->joined) << "while the forger goes on";
    EXPECT_EQ(coordinator->joined, 1u);
    EXPECT_EQ(rogue.joined, 0u);
    rogue.node.kill();
}

/// Every member that joins hears it: what they send must not be worth the forger's while.
TEST_F(LockOut, AForgedAnswerMakesAMemberSendLittle) {
    std::size_t packets = 0;
    network.set_trace([&](const TraceEvent& event) {
        const bool is_probe = event.from == member->node.host() && event.size == link::kProbeSize;
        packets += is_probe && event.fate == Fate::sent ? 1 : 0;
    });
    for (std::uint32_t i = 0; i < 16; ++i) {
        forger.say(fake(i, *IpAddress::parse("2001:db8::" + std::to_string(1 + i))));
        forger.say(fake(100 + i, nobody(i), 53));
    }
    clock.run_for(2s);
    EXPECT_EQ(packets, 0u) << "neither to the rest of the world nor to well-known ports";
    for (std::uint32_t i = 0; i < 100; ++i) forger.say(fake(200 + i, nobody(i)));
    clock.run_for(5s);
    network.set_trace(nullptr);
    EXPECT_GT(packets, 0u);
    EXPECT_LE(packets, 64u + 50u);
}

/// Two true coordinators: what mDNS says is proved by a handshake.
class Rivals : public Forgery {
protected:
    void add_rival() {
        const auto host = world.network.add_host("rival");
        world.network.attach(host, world.lan);
        rival = std::make_unique<SimCoordinator>(world.clock, world.network, host, Profile::balanced, 77);
        rival->start();
    }
    ~Rivals() override {
        if (rival) rival->node.kill();
    }
    std::unique_ptr<SimCoordinator> rival;
};

TEST_F(Rivals, TheSecondOfTwoCoordinatorsIsToldInMilliseconds) {
    world.clock.run_for(3s);
    const TimePoint begun = world.clock.now();
    add_rival();
    ASSERT_TRUE(world.clock.run_until([&] { return !rival->verdicts.empty(); }, 5s));
    EXPECT_EQ(rival->verdicts[0].kind, Kind::taken);
    EXPECT_LE(rival->verdicts[0].when - begun, 20ms);
    world.clock.run_for(5s);
    EXPECT_TRUE(coordinator.verdicts.empty());
    EXPECT_EQ(coordinator.joined, 0u) << "who only asks for the key is no member";
    EXPECT_EQ(coordinator.core->links().links(), 0u);
    EXPECT_EQ(rival->core->links().links(), 0u);
}

TEST_F(Rivals, TwoCoordinatorsThatMeetLaterGoOnAndAreToldOnce) {
    const auto host = coordinator.node.host();
    world.network.partition(world.lan, {&host, 1});
    add_rival();
    world.clock.run_for(5s);
    ASSERT_EQ(rival->announced, 1);
    world.network.heal(world.lan);
    attack(1s, {record("x.local", DnsType::a, *IpAddress::parse("10.0.0.1"))});  // nothing
    expect_joins_at_once(*world.members[0]);
    coordinator.node.discovery({}).update_txt(coordinator.shared_name.id, {});  // announced again: they meet
    world.clock.run_for(200s);
    const std::size_t told = coordinator.count(Kind::contested) + rival->count(Kind::contested);
    EXPECT_GE(told, 1u);
    EXPECT_LE(coordinator.count(Kind::contested), 1u);
    EXPECT_LE(rival->count(Kind::contested), 1u);
    EXPECT_EQ(coordinator.count(Kind::taken) + rival->count(Kind::taken), 0u);
}

}  // namespace
}  // namespace muster
