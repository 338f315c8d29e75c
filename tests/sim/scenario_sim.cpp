// Runs scenario files (docs/LAB.md) in virtual time; lab/scenario.py runs the same files on network namespaces.
//
//   scenario_sim [--n N] [--seed S] [--short] [--check] [--json OUT] [--events OUT] [--derive OUT] [--timeline OUT]
//                --keys lab/scenario_keys.toml FILE...
//
// --check only reads the files. --events writes what the first member's session went through, --derive the scenario file that
// its timeline gives (docs/REPORT.md), --timeline that timeline in words; all of the last run. Exit codes: 0 all held, 1 something did not, 2 a file is wrong.
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <sstream>

#include <boost/json.hpp>

#include "scenario_world.h"

namespace json = boost::json;
using namespace muster;
using namespace muster::sim;

namespace {

constexpr Duration kAnnounced = 500ms;  // until the coordinator has said all that it says unasked
constexpr Duration kSettle = 1500ms;    // until all paths of a session are ready
constexpr Duration kPatience = 10s;     // for what must happen some time

double ms(Duration span) {
    return std::round(std::chrono::duration<double, std::milli>{span}.count() * 1000) / 1000;
}

/// Collects rows of figures and the claims that did not hold.
class Findings {
public:
    void row(const std::string& what, json::object facts) {
        std::cout << "  Muster in virtual time  " << what << "  " << json::serialize(facts) << '\n';
        facts["who"] = "Muster in virtual time";
        facts["what"] = what;
        rows_.push_back(std::move(facts));
    }
    void note(const std::string& text) { std::cout << "  note: " << text << '\n'; }
    void require(bool fine, const std::string& claim) {
        std::cout << (fine ? "  ok     " : "  BROKEN ") << claim << '\n';
        if (!fine) broken_.push_back(json::string{claim});
    }
    void within(const std::string& what, Duration took, const std::optional<Duration>& bound) {
        if (!bound) return;
        std::ostringstream text;
        text << what << ": " << ms(took) << " ms <= " << ms(*bound) << " ms";
        require(took <= *bound, text.str());
    }
    bool held() const { return broken_.empty(); }
    void write(const std::string& path) const {
        std::ofstream{path} << json::serialize(
            json::object{{"name", "scenarios_sim"}, {"rows", rows_}, {"broken", broken_}});
    }

private:
    json::array rows_, broken_;
};

struct Orders {
    std::vector<std::string> files;
    std::string keys, out, events, derived, timeline;
    std::uint32_t n = 1;
    std::uint64_t seed = 1;
    bool brief = false, only_checks = false;
};

/// The faults of one phase, put on the clock; healed when their `for` is over, or by heal_all().
class Timetable {
public:
    Timetable(ScenarioWorld& world, const std::string& phase, Duration length, double share) : world_(world) {
        for (const FaultTable& fault : world.scenario.faults) {
            if (fault.during != phase) continue;
            const Duration spread = fault.until.value_or(fault.at) - fault.at;
            Duration at = fault.at + std::chrono::duration_cast<Duration>(spread * share);
            for (; at + fault.lasts.value_or(Duration{}) <= length; at += *fault.every) {
                world.clock.after(at, [this, &fault] { hit(fault); });
                if (!fault.every) break;
            }
        }
    }
    void heal_all() {
        while (!open_.empty()) heal(open_.begin()->first);
    }
    std::vector<TimePoint> begun, healed;

private:
    void hit(const FaultTable& fault) {
        const std::size_t number = begun.size();
        begun.push_back(world_.clock.now());
        if (auto undo = world_.hurt(fault)) open_[number] = std::move(undo);
        if (fault.lasts) world_.clock.after(*fault.lasts, [this, number] { heal(number); });
    }
    void heal(std::size_t number) {
        const auto found = open_.find(number);
        if (found == open_.end()) return;
        const auto undo = std::move(found->second);
        open_.erase(found);
        healed.push_back(world_.clock.now());
        undo();
    }

    ScenarioWorld& world_;
    std::map<std::size_t, ScenarioWorld::Heal> open_;
};

// --- joins

struct JoinTally {
    std::uint32_t good = 0, of = 0;
    Duration slowest{};
    std::vector<std::string> troubles;

    void add(bool is_good, Duration took, const std::string& trouble) {
        ++of;
        good += is_good ? 1 : 0;
        if (is_good) slowest = std::max(slowest, took);
        if (!is_good) troubles.push_back(trouble);
    }
};

/// Joined, and the coordinator has a message of it.
void judge_join(ScenarioWorld& world, SimMember& member, JoinTally& tally) {
    const auto hello = as_bytes("hello");
    const bool said = member.joined && world.coordinator() &&
                      member.core->session().send(Recipients::coordinator(), {}, hello).has_value();
    member.node.turn();
    const auto heard = [&] { return world.coordinator()->messages > 0; };
    const bool arrived = said && world.clock.run_until(heard, kPatience);
    const std::string trouble = member.failure   ? member.failure->explain()
                                : member.ended   ? "ended: " + member.ended->cause().explain()
                                : !member.joined ? "neither joined nor failed"
                                                 : "the message did not arrive";
    tally.add(arrived, member.joined_at - member.started, trouble);
}

/// Fails, and with the code that the file names.
void judge_verdict(const SimMember& member, const std::string& wanted, JoinTally& tally) {
    const std::string got = member.failure  ? std::string{to_string(member.failure->code())}
                            : member.ended  ? std::string{to_string(member.ended->cause().code())}
                            : member.joined ? "joined"
                                            : "neither joined nor failed";
    const std::string story = member.failure ? member.failure->explain() : "";
    tally.add(got == wanted, member.failed_after, got + ": " + story);
}

void join_once(const Scenario& scenario, const Orders& orders, std::uint32_t number, JoinTally& tally) {
    ScenarioWorld world{scenario, orders.seed + number};
    world.start_coordinator();
    world.clock.run_for(kAnnounced);
    const double share = orders.n > 1 ? static_cast<double>(number) / (orders.n - 1) : 0;
    Timetable faults{world, "join", 3s, share};
    std::uint32_t key = 2;
    for (Seat* seat : world.members()) world.start_member(*seat, key++);
    for (Seat* seat : world.members()) {
        SimMember& member = *seat->member;
        const Duration patience = seat->table->patience.value_or(kPatience) + kPatience;
        world.clock.run_until([&] { return member.joined || member.failure || member.ended; }, patience);
        if (scenario.expect.verdict.empty())
            judge_join(world, member, tally);
        else
            judge_verdict(member, scenario.expect.verdict, tally);
    }
}

void run_joins(const Scenario& scenario, const Orders& orders, Findings& result) {
    JoinTally tally;
    for (std::uint32_t number = 0; number < orders.n; ++number) join_once(scenario, orders, number, tally);
    const std::string& wanted = scenario.expect.verdict;
    result.row(scenario.name, {{"good", tally.good}, {"of", tally.of}, {"slowest_ms", ms(tally.slowest)}});
    for (std::size_t i = 0; i < std::min<std::size_t>(3, tally.troubles.size()); ++i)
        result.note(scenario.name + ": " + tally.troubles[i]);
    const std::string counts = std::to_string(tally.good) + " of " + std::to_string(tally.of);
    result.require(tally.good == tally.of,
                   scenario.name + ": " + counts + (wanted.empty() ? " joined" : " fail with " + wanted));
    result.within(scenario.name + ": the slowest", tally.slowest,
                  wanted.empty() ? scenario.expect.joined_within : scenario.expect.verdict_within);
}

// --- sessions that last

/// Numbered messages from one end to another.
struct Beats {
    std::uint32_t sent = 0, received = 0, unsent = 0;
    bool is_exact = true;
    TimePoint last{};
    struct Gap {
        TimePoint begin, end;
    };
    std::vector<Gap> gaps;  // of more than 30 ms

    void hear(const session::MessageView& message, TimePoint now) {
        std::uint32_t number = 0;
        if (message.payload.size() != sizeof number) return;
        std::memcpy(&number, message.payload.data(), sizeof number);
        is_exact &= number == received;
        ++received;
        if (last != TimePoint{} && now - last > 30ms) gaps.push_back({last, now});
        last = now;
    }
    bool all_arrived() const { return is_exact && sent == received && unsent == 0; }
};

class Talk {
public:
    Talk(const Scenario& scenario, const Orders& orders, Findings& result, std::uint32_t number)
        : scenario_(scenario), world_(scenario, orders.seed + number), result_(result) {
        const TrafficTable& traffic = *scenario.traffic;
        length_ = orders.brief ? traffic.brief.value_or(traffic.length) : traffic.length;
        length_ = std::min(length_, traffic.length);
    }

    void run() {
        if (!join()) return result_.require(false, scenario_.name + ": all members join");
        beat();
        world_.clock.run_for(kSettle);
        Timetable faults{world_, "traffic", length_, 0};
        world_.clock.run_for(length_);
        faults.heal_all();
        world_.clock.run_for(scenario_.traffic->after);
        is_quiet_ = true;
        world_.clock.run_for(1s);
        if (scenario_.expect.session == "lost")
            judge_lost(faults);
        else
            judge_kept(faults);
    }

    void write_timeline(const Orders& orders) {
        if (orders.events.empty() && orders.derived.empty() && orders.timeline.empty()) return;
        const Timeline seen = pairs_.front().member->timeline();
        json::array events;
        for (const TimelineEntry& each : seen.entries) {
            if (const auto* moved = std::get_if<seen::PathMoved>(&each.what))
                events.push_back(
                    {{"kind", "path_moved"}, {"from", moved->from.interface}, {"to", moved->to.interface}});
            else if (std::holds_alternative<seen::Interrupted>(each.what) ||
                     std::holds_alternative<seen::Resumed>(each.what) ||
                     std::holds_alternative<seen::Ended>(each.what))
                events.push_back({{"kind", kind_of(each.what)}});
        }
        if (!orders.events.empty()) std::ofstream{orders.events} << json::serialize(events);
        if (!orders.timeline.empty()) std::ofstream{orders.timeline} << seen.to_text(seen.entries.size());
        const auto scenario = seen.to_scenario();
        if (!scenario) throw ScenarioError{scenario.error().message()};
        if (!orders.derived.empty()) std::ofstream{orders.derived} << *scenario;
    }

private:
    struct Pair {
        SimMember* member = nullptr;
        Beats up{}, down{};
    };

    bool join() {
        world_.start_coordinator();
        world_.clock.run_for(kAnnounced);
        std::uint32_t key = 2;
        for (Seat* seat : world_.members()) {
            world_.start_member(*seat, key++);
            pairs_.push_back({.member = seat->member.get()});
        }
        SimCoordinator& coordinator = *world_.coordinator();
        coordinator.when_message = [this](const auto& message) {
            for (Pair& pair : pairs_)
                if (pair.member->key.id() == message.from) pair.up.hear(message, world_.clock.now());
        };
        for (Pair& pair : pairs_)
            pair.member->when_message = [this, &pair](const auto& message) {
                pair.down.hear(message, world_.clock.now());
            };
        return world_.clock.run_until(
            [&] { return coordinator.joined == pairs_.size() && all_have_rosters(); }, kPatience);
    }
    bool all_have_rosters() const {
        return std::ranges::all_of(pairs_, [](const Pair& pair) { return pair.member->peers > 1; });
    }

    void beat() {
        if (is_quiet_) return;
        const auto payload = [](const std::uint32_t& number) { return std::as_bytes(std::span{&number, 1}); };
        SimCoordinator& coordinator = *world_.coordinator();
        for (Pair& pair : pairs_) {
            const auto up =
                pair.member->core->session().send(Recipients::coordinator(), {}, payload(pair.up.sent));
            ++(up ? pair.up.sent : pair.up.unsent);
            const auto to = Recipients::one(pair.member->key.id());
            const auto down = coordinator.core->session().send(to, {}, payload(pair.down.sent));
            ++(down ? pair.down.sent : pair.down.unsent);
            pair.member->node.turn();
        }
        coordinator.node.turn();
        world_.clock.after(Duration{1s} / scenario_.traffic->rate, [this] { beat(); });
    }

    void judge_kept(const Timetable& faults) {
        const std::string& name = scenario_.name;
        SimCoordinator& coordinator = *world_.coordinator();
        std::uint64_t moves = 0, interrupted = coordinator.interrupted, sent = 0;
        bool whole = true, kept = coordinator.left == 0;
        for (const Pair& pair : pairs_) {
            moves += pair.member->moves.size();
            interrupted += pair.member->interrupted_at.size();
            sent += pair.up.sent + pair.down.sent;
            whole &= pair.up.all_arrived() && pair.down.all_arrived();
            kept &= !pair.member->ended;
        }
        const Duration gap = longest_gap(faults), back = slowest_return(faults);
        result_.row(name, {{"seconds", ms(length_) / 1000},
                           {"faults", faults.begun.size()},
                           {"messages", sent},
                           {"moves", moves},
                           {"interrupted", interrupted},
                           {"longest_gap_ms", ms(gap)},
                           {"back_ms", ms(back)}});
        result_.require(whole,
                        name + ": all " + std::to_string(sent) + " messages arrived once and in order");
        result_.require(
            kept, name + ": one session all the time, " + std::to_string(faults.begun.size()) + " faults");
        const std::string& wanted = scenario_.expect.interrupted;
        const bool fine = wanted == "allowed" || (wanted == "never") == (interrupted == 0);
        result_.require(fine,
                        name + ": interrupted " + wanted + ": " + std::to_string(interrupted) + " times");
        if (const auto least = scenario_.expect.moves)
            result_.require(moves >= *least, name + ": " + std::to_string(moves) + " moves, at least " +
                                                 std::to_string(*least));
        result_.within(name + ": the longest silence", gap, scenario_.expect.gap_within);
        result_.within(name + ": back after a fault is over", back, scenario_.expect.back_within);
    }

    template <class Visit>
    void each_gap(Visit visit) const {
        for (const Pair& pair : pairs_)
            for (const Beats* beats : {&pair.up, &pair.down})
                for (const Beats::Gap& gap : beats->gaps) visit(gap);
    }
    Duration longest_gap(const Timetable& faults) const {
        Duration longest{};
        each_gap([&](const Beats::Gap& gap) {
            if (!faults.begun.empty() && gap.end > faults.begun.front())
                longest = std::max(longest, gap.end - gap.begin);
        });
        return longest;
    }
    /// From the end of a fault to the end of the silence that it fell into.
    Duration slowest_return(const Timetable& faults) const {
        Duration slowest{};
        each_gap([&](const Beats::Gap& gap) {
            for (const TimePoint heal : faults.healed)
                if (gap.begin < heal && heal < gap.end) slowest = std::max(slowest, gap.end - heal);
        });
        return slowest;
    }

    void judge_lost(const Timetable& faults) {
        const std::string& name = scenario_.name;
        const auto is_killed = [&](const std::string& role) {
            return std::ranges::any_of(scenario_.faults, [&](const FaultTable& fault) {
                return fault.what == "kill" && scenario_.host(fault.host).role == role;
            });
        };
        Duration slowest{};
        bool all = true;
        std::string codes;
        for (const Pair& pair : pairs_) {
            if (is_killed("member")) continue;
            all &= pair.member->ended && pair.member->ended->is_lost();
            if (all) codes += std::string{to_string(pair.member->ended->cause().code())} + " ";
            const bool fits =
                all && (scenario_.expect.verdict.empty() ||
                        to_string(pair.member->ended->cause().code()) == scenario_.expect.verdict);
            all &= fits;
            if (all) slowest = std::max(slowest, pair.member->ended_at - faults.begun.front());
        }
        SimCoordinator& coordinator = *world_.coordinator();
        if (!is_killed("coordinator")) {
            all &= coordinator.lost == pairs_.size();
            slowest = std::max(slowest, coordinator.last_leave - faults.begun.front());
        }
        result_.row(name, {{"verdicts", codes}, {"slowest_ms", ms(slowest)}});
        result_.require(all, name + ": every end is told that the session is lost: " + codes);
        result_.within(name + ": from the fault to the verdict", slowest, scenario_.expect.verdict_within);
    }

    const Scenario& scenario_;
    ScenarioWorld world_;
    Findings& result_;
    Duration length_{};
    std::list<Pair> pairs_;
    bool is_quiet_ = false;
};

void run(const Scenario& scenario, const Orders& orders, Findings& result) {
    if (scenario.only == "lab")
        return result.row(scenario.name, {{"not run here", json::string{scenario.because}}});
    if (!scenario.expect.naive.empty())
        result.note(scenario.name + ": the naive client runs in the laboratory only");
    if (scenario.has_control)
        result.note(scenario.name + ": the control (plain TCP) runs in the laboratory only");
    if (!scenario.traffic) return run_joins(scenario, orders, result);
    for (std::uint32_t number = 0; number < orders.n; ++number) {
        Talk talk{scenario, orders, result, number};
        talk.run();
        talk.write_timeline(orders);
    }
}

Orders parse(int argc, char** argv) {
    Orders orders;
    for (int i = 1; i < argc; ++i) {
        const std::string_view what = argv[i];
        const auto value = [&] { return i + 1 < argc ? argv[++i] : ""; };
        if (what == "--n")
            orders.n = static_cast<std::uint32_t>(std::strtoul(value(), nullptr, 10));
        else if (what == "--seed")
            orders.seed = std::strtoull(value(), nullptr, 10);
        else if (what == "--json")
            orders.out = value();
        else if (what == "--events")
            orders.events = value();
        else if (what == "--timeline")
            orders.timeline = value();
        else if (what == "--derive")
            orders.derived = value();
        else if (what == "--keys")
            orders.keys = value();
        else if (what == "--short")
            orders.brief = true;
        else if (what == "--check")
            orders.only_checks = true;
        else
            orders.files.emplace_back(what);
    }
    return orders;
}

}  // namespace

int main(int argc, char** argv) {
    const Orders orders = parse(argc, argv);
    if (orders.files.empty() || orders.keys.empty()) {
        std::cerr << "scenario_sim [--n N] [--seed S] [--short] [--json OUT] --keys KEYS FILE...\n";
        return 2;
    }
    Findings result;
    try {
        for (const std::string& file : orders.files) {
            const Scenario scenario = load_scenario(file, orders.keys);
            if (!orders.only_checks) run(scenario, orders, result);
        }
    } catch (const ScenarioError& wrong) {
        std::cerr << wrong.what() << '\n';
        return 2;
    }
    if (!orders.out.empty()) result.write(orders.out);
    if (!result.held()) std::cout << "seed " << orders.seed << '\n';
    return result.held() ? 0 : 1;
}
