#include "net/why_driver.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/interfaces.h"
#include "net/network_reader.h"
#include "os/address_checks.h"
#include "os/kernel_facts.h"
#include "os/multicast_tables.h"
#include "os/name_lookup.h"
#include "os/path_proof.h"
#include "os/path_tap.h"
#include "os/timer.h"

#include "muster/path_preferences.h"

namespace muster::net {

namespace asio = boost::asio;

namespace {

using namespace std::chrono_literals;

// What is on the link answers within the first few; then it may be seldom.
constexpr Duration kLook = 10ms, kFirstLook = 500us;
constexpr Duration kSoon = 10ms;
// What was lost once may come the second time; an answer takes that long only from the other side of the world.
constexpr Duration kRepeat = 700ms;
// Of what a lookup may take of the whole: with less there would be no time to ask the host.
constexpr int kLookupShare = 2;

class Examination final : public WhyExamination {
public:
    Examination(const asio::any_io_executor& strand, WhyTarget target, Duration patience, Done done)
        : WhyExamination(strand),
          target_(std::move(target)),
          patience_(patience),
          done_(std::move(done)),
          timer_(strand) {}

    void start() override {
        auto self = std::static_pointer_cast<Examination>(shared_from_this());
        asio::post(strand(), [self] {
            if (self->done_) self->begin();  // else it was cancelled already
        });
    }

    void cancel() override {
        if (done_) finish(Error{Errc::cancelled, "why " + target_.text + " was cancelled"});
    }

private:
    void begin() {
        began_ = SteadyClock::now();
        facts_.target = target_.text;
        facts_.remote = target_.remote;
        facts_.wanted = target_.interface;
        facts_.asks_udp = target_.asks_udp;
        if (target_.name.empty()) return look_around();
        auto lookup = os::NameLookup::begin(target_.name);
        if (!lookup) return finish(lookup.error());
        lookup_ = *std::move(lookup);
        wait(&Examination::look_up);
    }

    Duration passed() const { return SteadyClock::now() - began_; }

    void wait(void (Examination::*next)()) {
        const bool is_soon = asked_ != TimePoint{} && SteadyClock::now() - asked_ < kSoon;
        timer_.expires_after(is_soon ? kFirstLook : kLook);
        auto self = std::static_pointer_cast<Examination>(shared_from_this());
        timer_.async_wait([self, next](const boost::system::error_code& error) {
            if (!error && self->done_) (*self.*next)();
        });
    }

    // The name.

    void look_up() {
        const auto outcome = lookup_->outcome();
        if (!outcome && passed() < patience_ / kLookupShare) return wait(&Examination::look_up);
        if (!outcome || outcome->addresses.empty()) {
            facts_.name_trouble =
                outcome ? outcome->trouble : "the system's resolver does not answer; its servers are silent";
            return judge();
        }
        const Endpoint& first = outcome->addresses.front();
        facts_.remote.address = first.address;
        if (facts_.wanted.empty() && first.interface != InterfaceIndex::none)
            facts_.wanted = std::to_string(static_cast<std::uint32_t>(first.interface));
        look_around();
    }

    // The kernel's tables.

    void look_around() {
        auto kernel = os::KernelFacts::open();
        if (!kernel) return finish(kernel.error());
        kernel_ = *std::move(kernel);
        auto network = read_facts(*kernel_, {});
        if (!network) return finish(network.error());
        facts_.network = *std::move(network);
        name_scope();
        read_settings();
        if (const auto chosen = choose_ways(); !chosen) return finish(chosen.error());
        prove();
    }

    /// An interface may be named by its index as well, as in fe80::1%3.
    void name_scope() {
        const std::string& name = facts_.wanted;
        const bool is_number =
            !name.empty() && name.size() <= 9 && name.find_first_not_of("0123456789") == std::string::npos;
        if (is_number && wanted() == nullptr) {
            const InterfaceIndex index{static_cast<std::uint32_t>(std::stoul(name))};
            if (const Interface* by = find_interface(facts_.network.interfaces, index))
                facts_.wanted = by->name;
        }
        if (const Interface* by = wanted()) facts_.remote.interface = by->index;
    }

    const Interface* wanted() const {
        const auto& all = facts_.network.interfaces;
        const auto found = std::ranges::find(all, facts_.wanted, &Interface::name);
        return found == all.end() ? nullptr : &*found;
    }

    void read_settings() {
        if (!facts_.remote.address.is_v6()) return;
        auto duplicates = os::read_duplicates();
        const auto all = os::is_ipv6_disabled("");
        const auto here = wanted() != nullptr ? os::is_ipv6_disabled(facts_.wanted) : all;
        facts_.is_ipv6_disabled = all.value_or(false) || here.value_or(false);
        if (!duplicates && !facts_.is_ipv6_disabled)
            facts_.unread.emplace_back("which addresses are duplicates: needs /proc/net/if_inet6");
        if (duplicates) facts_.duplicates = *std::move(duplicates);
        if (!all) facts_.unread.emplace_back("whether IPv6 is switched off: needs /proc/sys/net");
    }

    Result<void> choose_ways() {
        const IpAddress& to = facts_.remote.address;
        if (!to.is_link_local() || to.is_v4())
            if (const auto asked = ask_kernel(InterfaceIndex::none, facts_.plain); !asked) return asked;
        if (!facts_.wanted.empty()) {
            const Interface* const by = wanted();
            return by != nullptr ? ask_kernel(by->index, facts_.other) : Result<void>{};
        }
        if (!facts_.plain || facts_.plain->answer.error != 0) return {};
        const Interface* const by = rival();
        return by != nullptr ? ask_kernel(by->index, facts_.other) : Result<void>{};
    }

    Result<void> ask_kernel(InterfaceIndex by, std::optional<WayFacts>& way) {
        auto answer = kernel_->answer({facts_.remote.address, 0, by}, std::nullopt);
        if (!answer && answer.error().code() != Errc::unsupported) return answer.error();
        if (answer && answer->error == 0 && answer->entry.action == os::RouteAction::group)
            return Error{Errc::bad_input, facts_.remote.address.to_string() +
                                              " is no address of a host: what is sent there is for all"}
                .cure("give the address of one host");
        way.emplace().bound_to = by;
        facts_.is_ipv6_disabled |= !answer;
        if (answer)
            way->answer = *std::move(answer);
        else
            way->answer.error = ENETUNREACH;  // a kernel without IPv6
        return {};
    }

    /// An interface that could be meant instead of the kernel's choice: it has the same subnet, or is none of a VPN.
    const Interface* rival() const {
        const Interface* const by =
            facts_.plain ? find_interface(facts_.network.interfaces, facts_.plain->interface()) : nullptr;
        if (by == nullptr || by->loopback) return nullptr;
        for (const Interface& each : facts_.network.interfaces) {
            if (each.loopback || each.index == by->index || !each.up || !each.carrier) continue;
            const bool is_of_it = std::ranges::any_of(each.addresses, [&](const InterfaceAddress& own) {
                return in_subnet(own, facts_.remote.address);
            });
            const bool is_without_vpn = by->kind == InterfaceKind::tunnel &&
                                        each.kind != InterfaceKind::tunnel && each.addressed().any();
            if (is_of_it || is_without_vpn) return &each;
        }
        return nullptr;
    }

    // The host.

    struct Asking {
        WayFacts* way;
        std::unique_ptr<os::PathProof> proof;
    };

    void prove() {
        if (const auto opened = open_tap(); !opened) return finish(opened.error());
        drops_before_ = os::read_multicast_counters(false).reverse_path_drops;
        asked_ = SteadyClock::now();
        const bool is_same = facts_.plain && facts_.other &&
                             facts_.plain->interface() == facts_.other->interface() &&
                             facts_.plain->answer.entry.source == facts_.other->answer.entry.source;
        std::vector<WayFacts*> ways;
        if (facts_.other) ways.push_back(&*facts_.other);
        if (facts_.plain && !is_same) ways.push_back(&*facts_.plain);
        for (WayFacts* const way : ways)
            if (const auto asked = ask(*way); !asked) return finish(asked.error());
        if (asking_.empty()) return judge();
        wait(&Examination::look);
    }

    /// That it is not permitted is no error.
    Result<void> open_tap() {
        const bool is_local = facts_.plain && facts_.plain->answer.entry.action == os::RouteAction::deliver;
        if (is_local) return {};  // what goes to ourselves passes no wire
        auto tap = os::PathTap::open(facts_.remote.address);
        if (!tap && tap.error().code() != Errc::unsupported) return tap.error();
        if (tap)
            tap_ = *std::move(tap);
        else
            facts_.unread.emplace_back("packets on the wire: needs root (CAP_NET_RAW)");
        return {};
    }

    Result<void> ask(WayFacts& way) {
        const Interface* const by = find_interface(facts_.network.interfaces, way.interface());
        if (way.answer.error != 0 || (by != nullptr && !(by->up && by->carrier))) return {};
        os::ProofRequest request;
        request.remote = facts_.remote;
        request.remote.interface = way.bound_to;
        request.asks_udp = facts_.asks_udp;
        request.mtu = way.answer.entry.mtu.value_or(by != nullptr ? by->mtu : 0);
        const bool is_local = way.answer.entry.action == os::RouteAction::deliver;
        if (is_local) request.mtu = 0;
        if (!is_local) (void)kernel_->ask_neighbour(way.interface(), next_hop(way));
        auto proof = os::PathProof::begin(request, SteadyClock::now());
        if (!proof) return proof.error();
        asking_.push_back({&way, *std::move(proof)});
        if (!tap_) return {};
        for (const auto& flow : asking_.back().proof->flows()) tap_->follow(flow);
        return {};
    }

    IpAddress next_hop(const WayFacts& way) const {
        const auto& hops = way.answer.entry.hops;
        return hops.empty() ? facts_.remote.address : hops.front().gateway.value_or(facts_.remote.address);
    }

    void look() {
        const auto now = SteadyClock::now();
        if (!has_repeated_ && now - asked_ >= kRepeat) {
            has_repeated_ = true;
            for (const Asking& each : asking_) each.proof->repeat();
        }
        bool is_done = true;
        for (const Asking& each : asking_) is_done &= each.proof->look(now);
        if (tap_) tap_->read();
        if (!is_done && passed() < patience_) return wait(&Examination::look);
        // What the wire shows and no socket gets was kept from it: so the sockets have the last word.
        for (const Asking& each : asking_) each.proof->look(now);
        take_findings();
        judge();
    }

    void take_findings() {
        facts_.asked_for = SteadyClock::now() - asked_;
        const auto routing = kernel_->routing();
        if (!routing)
            facts_.unread.emplace_back("what the kernel knows of the next hop: " + routing.error().message());
        for (const Asking& each : asking_) {
            each.way->proof = each.proof->findings();
            if (!routing) continue;
            const auto hop = std::ranges::find_if(routing->neighbours, [&](const os::NeighbourEntry& entry) {
                return entry.interface == each.way->interface() && entry.address == next_hop(*each.way);
            });
            if (hop != routing->neighbours.end()) each.way->next_hop = *hop;
        }
        // The two ways were one: what was shown for it holds for any socket.
        const bool is_shared = asking_.size() == 1 && facts_.plain && facts_.other && facts_.other->proof;
        if (is_shared && facts_.plain->answer.error == 0 && !facts_.plain->proof) {
            facts_.plain->proof = facts_.other->proof;
            facts_.plain->next_hop = facts_.other->next_hop;
        }
        facts_.reverse_path_drops = os::read_multicast_counters(false).reverse_path_drops - drops_before_;
        if (tap_ && tap_->has_missed())
            facts_.unread.emplace_back("packets on the wire: more of them passed than could be counted");
        else if (tap_)
            facts_.traffic = tap_->traffic();
        const bool is_forbidden = std::ranges::any_of(asking_, [](const Asking& each) {
            return each.proof->findings().ping == os::ProofFindings::Echo::not_permitted;
        });
        if (is_forbidden)
            facts_.unread.emplace_back(
                "answers to pings, and with them whether large packets pass: needs root, or the sysctl "
                "net.ipv4.ping_group_range");
        take_vanished();
    }

    void take_vanished() {
        const auto now = interfaces();
        if (!now) return;
        for (const Asking& each : asking_) {
            const Interface* const before = find_interface(facts_.network.interfaces, each.way->interface());
            if (before == nullptr || find_interface(*now, before->index) != nullptr) continue;
            if (std::ranges::find(facts_.vanished, before->name) == facts_.vanished.end())
                facts_.vanished.push_back(before->name);
        }
    }

    void judge() { finish(std::move(facts_)); }

    void finish(Result<WhyFacts> facts) {
        timer_.cancel();
        asking_.clear();
        const auto done = std::exchange(done_, {});
        done(std::move(facts));
    }

    WhyTarget target_;
    Duration patience_;
    Done done_;  // empty: it is over
    os::Timer timer_;
    WhyFacts facts_;
    std::unique_ptr<os::NameLookup> lookup_;
    std::unique_ptr<os::KernelFacts> kernel_;
    std::unique_ptr<os::PathTap> tap_;  // null: not allowed
    std::vector<Asking> asking_;
    std::uint64_t drops_before_ = 0;
    bool has_repeated_ = false;
    TimePoint began_{}, asked_{};
};

}  // namespace

std::shared_ptr<WhyExamination> WhyExamination::make(const asio::any_io_executor& strand, WhyTarget target,
                                                     Duration patience, Done done) {
    return std::make_shared<Examination>(strand, std::move(target), patience, std::move(done));
}

}  // namespace muster::net
