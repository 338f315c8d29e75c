// The only file that sees toml++: it is large.
#include "scenario_file.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>

#include <toml++/toml.h>

namespace muster::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kMany = 64;  // switches or interfaces that one table stands for, at most

std::string joined(const std::string& words) {
    std::string text;
    for (const char c : words) text += c == '|' ? ", " : std::string{c};
    return text;
}

bool has_word(std::string_view words, std::string_view word) {
    for (std::size_t begin = 0; begin <= words.size();) {
        const std::size_t end = std::min(words.find('|', begin), words.size());
        if (words.substr(begin, end - begin) == word) return true;
        begin = end + 1;
    }
    return false;
}

bool are_texts(const toml::node& value) {
    const auto* array = value.as_array();
    return array && std::ranges::all_of(*array, [](const toml::node& each) { return each.is_string(); });
}

bool is_share(const toml::node& value) {
    const auto number = value.is_number() ? value.value<double>() : std::nullopt;
    return number && *number >= 0 && *number <= 1;
}

/// Finds what is wrong with a file, in the order of its tables, and tells the first of it.
class Checker {
public:
    Checker(std::string file, const toml::table& keys) : file_(std::move(file)), keys_(keys) {}

    [[noreturn]] void fail(const toml::source_region& where, const std::string& what) const {
        throw ScenarioError{file_ + ":" + std::to_string(std::max(1u, where.begin.line)) + ": " + what};
    }

    void check(const toml::table& file) const {
        toml::table top;
        for (const auto& [key, value] : file) {
            const std::string_view name = key.str();
            if (is_array(name)) {
                each(key, value, [&](const toml::table& table) { check_table(name, table, file); });
            } else if (is_table(name)) {
                if (!value.is_table())
                    fail(key.source(), "'" + std::string{name} + "' is a table: [" + std::string{name} + "]");
                check_table(name, *value.as_table(), file);
            } else {
                check_key("scenario", key, value);
            }
        }
        check_needed("scenario", file, {});
        if (file.contains("only") != file.contains("because")) fail({}, "'only' and 'because' go together");
        check_lab_only(file);
    }

private:
    static bool is_array(std::string_view name) {
        return name == "switch" || name == "host" || name == "fault";
    }
    static bool is_table(std::string_view name) {
        return name == "traffic" || name == "control" || name == "expect";
    }
    const toml::table& keys_of(std::string_view kind) const { return *keys_[kind].as_table(); }

    template <class Visit>
    void each(const toml::key& key, const toml::node& value, Visit visit) const {
        const auto* array = value.as_array();
        const auto is_a_table = [](const toml::node& entry) { return entry.is_table(); };
        if (!array || !std::ranges::all_of(*array, is_a_table)) {
            const std::string name{key.str()};
            fail(key.source(), "'" + name + "' is a table that may be given several times: [[" + name + "]]");
        }
        for (const toml::node& entry : *array) visit(*entry.as_table());
    }

    void check_table(std::string_view kind, const toml::table& table, const toml::table& file) const {
        for (const auto& [key, value] : table) {
            if (kind == "host" && key.str() == "interface")
                each(key, value, [&](const toml::table& one) { check_table("host.interface", one, file); });
            else
                check_key(kind, key, value);
        }
        check_needed(kind, table, table.source());
        if (const auto count = table["count"].value<std::int64_t>(); count && (*count < 1 || *count > kMany))
            fail(source_of(table, "count"), "'count' is none of 1 to " + std::to_string(kMany));
        if (kind == "fault") check_fault(table);
        check_names(table, file);
    }

    void check_key(std::string_view kind, const toml::key& key, const toml::node& value) const {
        const auto sort = keys_of(kind)[key.str()].value<std::string>();
        const std::string name{key.str()};
        if (!sort) fail(key.source(), "unknown key '" + name + "'");
        check_value(sort->substr(0, sort->find('!')), key, value);
    }

    void check_value(const std::string& sort, const toml::key& key, const toml::node& value) const {
        const std::string name{key.str()};
        const auto text = value.value<std::string>();
        if (sort == "duration") {
            if (!text || !parse_duration(*text))
                fail(key.source(), "'" + name + "' is no duration: \"20ms\", \"1.5s\" or \"10min\"");
            return;
        }
        if (sort.find('|') != std::string::npos) {
            if (!text || !has_word(sort, *text))
                fail(key.source(), "'" + name + "' is none of " + joined(sort));
            return;
        }
        const bool fits = sort == "number"  ? value.is_integer() && *value.value<std::int64_t>() >= 0
                          : sort == "texts" ? are_texts(value)
                          : sort == "share" ? is_share(value)
                          : sort == "flag"  ? value.is_boolean()
                          : sort == "what"  ? text && keys_of("what").contains(*text)
                                            : text.has_value();
        if (!fits) fail(key.source(), "'" + name + "' is no " + sort);
    }

    void check_needed(std::string_view kind, const toml::table& table,
                      const toml::source_region& where) const {
        for (const auto& [key, sort] : keys_of(kind))
            if (sort.value<std::string>()->ends_with('!') && !table.contains(key.str()))
                fail(where, "'" + std::string{key.str()} + "' is missing");
    }

    void check_fault(const toml::table& fault) const {
        const auto what = *fault["what"].value<std::string>();
        std::vector<std::string> takes{"what", "at", "until", "during", "every", "for"};
        for (const toml::node& entry : *keys_of("what")[what].as_array()) {
            const auto key = *entry.value<std::string>();
            takes.push_back(key.substr(0, key.find('!')));
            if (key.ends_with('!') && !fault.contains(takes.back()))
                fail(fault.source(), "'" + takes.back() + "' is missing");
        }
        for (const auto& [key, value] : fault)
            if (std::ranges::find(takes, key.str()) == takes.end())
                fail(key.source(), "'" + what + "' takes no '" + std::string{key.str()} + "'");
    }

    static toml::source_region source_of(const toml::table& table, std::string_view key) {
        for (const auto& [name, value] : table)
            if (name.str() == key) return name.source();
        return table.source();
    }

    // What is named must be there.
    void check_names(const toml::table& table, const toml::table& file) const {
        check_name(table, "on", "switch", names_in(file["switch"].as_array()));
        check_name(table, "switch", "switch", names_in(file["switch"].as_array()));
        check_name(table, "host", "host", names_in(file["host"].as_array()));
        if (!table["interface"].is_string()) return;
        for (const toml::node& host : *file["host"].as_array()) {
            if (host.as_table()->get("name")->value<std::string>() != table["host"].value<std::string>())
                continue;
            auto names = names_in((*host.as_table())["interface"].as_array());
            names.insert(names.end(), {"in use", "in turn"});
            check_name(table, "interface", "interface", names);
        }
    }
    void check_name(const toml::table& table, std::string_view key, const std::string& kind,
                    const std::vector<std::string>& names) const {
        const auto text = table[key].value<std::string>();
        if (!text) return;
        const auto count = table["count"].value<std::int64_t>();
        for (std::int64_t i = 0; i < count.value_or(1); ++i) {
            const std::string name = count ? numbered(*text, i) : *text;
            if (std::ranges::find(names, name) == names.end())
                fail(source_of(table, key), "there is no " + kind + " '" + name + "'");
        }
    }

    void check_lab_only(const toml::table& file) const {
        if (file["only"].value<std::string>() == "lab") return;
        const toml::table& lab_only = keys_of("lab_only");
        const auto refuse = [&](const toml::source_region& where, const std::string& key) {
            if (const auto why = lab_only[key].value<std::string>())
                fail(where, "'" + key + "' needs only = \"lab\": " + *why);
        };
        if (const auto* hosts = file["host"].as_array())
            for (const toml::node& host : *hosts)
                for (const auto& [key, value] : *host.as_table())
                    refuse(key.source(), std::string{key.str()});
        if (const auto* faults = file["fault"].as_array())
            for (const toml::node& fault : *faults)
                refuse(source_of(*fault.as_table(), "what"),
                       *(*fault.as_table())["what"].value<std::string>());
    }

public:
    /// The names of tables, with `count` written out.
    static std::vector<std::string> names_in(const toml::array* tables) {
        std::vector<std::string> names;
        if (!tables) return names;
        for (const toml::node& entry : *tables) {
            const auto& table = *entry.as_table();
            const auto name = table["name"].value_or(std::string{});
            for (std::int64_t i = 0; i < table["count"].value_or(std::int64_t{1}); ++i)
                names.push_back(table["count"] ? numbered(name, i) : name);
        }
        return names;
    }
    static std::string numbered(std::string text, std::int64_t number) {
        for (std::size_t at = 0; (at = text.find("{}", at)) != std::string::npos;)
            text.replace(at, 2, std::to_string(number));
        return text;
    }

private:
    std::string file_;
    const toml::table& keys_;
};

/// Takes values out of a table that has been checked.
class Taker {
public:
    explicit Taker(const toml::table& table, std::optional<std::int64_t> number = {})
        : table_(table), number_(number) {}

    std::string text(std::string_view key, std::string otherwise = {}) const {
        return filled(table_[key].value_or(std::move(otherwise)));
    }
    std::vector<std::string> texts(std::string_view key) const {
        std::vector<std::string> found;
        if (const auto* array = table_[key].as_array())
            for (const toml::node& each : *array) found.push_back(filled(*each.value<std::string>()));
        return found;
    }
    bool flag(std::string_view key, bool otherwise) const { return table_[key].value_or(otherwise); }
    std::optional<std::uint32_t> number(std::string_view key) const {
        const auto found = table_[key].value<std::int64_t>();
        return found ? std::optional{static_cast<std::uint32_t>(*found)} : std::nullopt;
    }
    std::optional<Duration> duration(std::string_view key) const {
        const auto found = table_[key].value<std::string>();
        return found ? parse_duration(*found) : std::nullopt;
    }
    Quality quality() const {
        Quality found;
        found.delay = duration("delay").value_or(Duration{});
        found.jitter = duration("jitter").value_or(Duration{});
        found.loss = table_["loss"].value_or(0.0);
        found.duplicate = table_["duplicate"].value_or(0.0);
        found.reorder = table_["reorder"].value_or(0.0);
        found.bits_per_second = std::uint64_t{1000} * number("kilobits").value_or(0);
        return found;
    }

private:
    std::string filled(std::string text) const {
        return number_ ? Checker::numbered(std::move(text), *number_) : text;
    }

    const toml::table& table_;
    std::optional<std::int64_t> number_;
};

/// Calls visit(taker) for each table, as often as its `count` says.
template <class Visit>
void each_table(const toml::array* tables, Visit visit) {
    if (!tables) return;
    for (const toml::node& entry : *tables) {
        const toml::table& table = *entry.as_table();
        const auto count = table["count"].value<std::int64_t>();
        for (std::int64_t i = 0; i < count.value_or(1); ++i)
            visit(table, Taker{table, count ? std::optional{i} : std::nullopt});
    }
}

InterfaceTable interface_of(const Taker& from) {
    InterfaceTable made{from.text("name"), from.text("on"), from.texts("addresses")};
    made.multicast = from.flag("multicast", true);
    made.carrier = from.flag("carrier", true);
    made.cable = from.quality();
    return made;
}

HostTable host_of(const toml::table& table, const Taker& from) {
    HostTable made{from.text("name"), from.text("role")};
    made.ipv6 = from.flag("ipv6", true);
    made.discovers = from.flag("discovers", true);
    made.default_via = from.text("default_via");
    made.knows = from.texts("knows");
    made.patience = from.duration("patience");
    each_table(table["interface"].as_array(),
               [&](const auto&, const Taker& each) { made.interfaces.push_back(interface_of(each)); });
    return made;
}

FaultTable fault_of(const Taker& from) {
    FaultTable made{from.text("what"), from.text("during", "traffic")};
    made.at = from.duration("at").value();
    made.until = from.duration("until");
    made.every = from.duration("every");
    made.lasts = from.duration("for");
    made.host = from.text("host");
    made.interface = from.text("interface");
    made.on_switch = from.text("switch");
    made.direction = from.text("direction", "both");
    made.address = from.text("address");
    made.gone = from.text("gone");
    made.above = from.number("above");
    made.flow = from.flag("flow", false);
    made.cable = from.quality();
    return made;
}

ExpectTable expect_of(const Taker& from) {
    ExpectTable made;
    made.joined_within = from.duration("joined_within");
    made.verdict_within = from.duration("verdict_within");
    made.gap_within = from.duration("gap_within");
    made.back_within = from.duration("back_within");
    made.verdict = from.text("verdict");
    made.session = from.text("session", "kept");
    made.interrupted = from.text("interrupted", "allowed");
    made.naive = from.text("naive");
    made.moves = from.number("moves");
    return made;
}

Scenario scenario_of(const toml::table& file) {
    const Taker top{file};
    Scenario made;
    made.about = top.text("about");
    made.only = top.text("only");
    made.because = top.text("because");
    const std::string profile = top.text("profile", "balanced");
    made.profile = profile == "realtime"    ? Profile::realtime
                   : profile == "low_power" ? Profile::low_power
                                            : Profile::balanced;
    made.grace = top.duration("grace").value_or(made.grace);
    each_table(file["switch"].as_array(), [&](const auto&, const Taker& from) {
        made.switches.push_back({from.text("name"), from.number("mtu"), from.flag("multicast", true)});
    });
    each_table(file["host"].as_array(), [&](const toml::table& table, const Taker& from) {
        made.hosts.push_back(host_of(table, from));
    });
    each_table(file["fault"].as_array(),
               [&](const auto&, const Taker& from) { made.faults.push_back(fault_of(from)); });
    if (const auto* traffic = file["traffic"].as_table()) {
        const Taker from{*traffic};
        made.traffic = TrafficTable{.rate = from.number("rate").value_or(100),
                                    .length = from.duration("for").value(),
                                    .brief = from.duration("short"),
                                    .after = from.duration("after").value_or(1s)};
    }
    made.has_control = file.contains("control");
    if (const auto* expect = file["expect"].as_table()) made.expect = expect_of(Taker{*expect});
    return made;
}

toml::table parse_file(const std::string& path) {
    try {
        return toml::parse_file(path);
    } catch (const toml::parse_error& error) {
        throw ScenarioError{path + ":" + std::to_string(error.source().begin.line) + ": " +
                            std::string{error.description()}};
    }
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
    double value = 0;
    const auto [end, trouble] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    const auto unit = text.substr(static_cast<std::size_t>(end - text.data()));
    const double scale = unit == "us"    ? 1e-6
                         : unit == "ms"  ? 1e-3
                         : unit == "s"   ? 1.0
                         : unit == "min" ? 60.0
                                         : -1.0;
    if (trouble != std::errc{} || scale < 0 || value < 0) return std::nullopt;
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>{value * scale});
}

const HostTable& Scenario::host(const std::string& named) const {
    return *std::ranges::find(hosts, named, &HostTable::name);
}

Scenario load_scenario(const std::string& path, const std::string& keys_path) {
    const toml::table keys = parse_file(keys_path), file = parse_file(path);
    Checker{path, keys}.check(file);
    Scenario made = scenario_of(file);
    made.name = std::filesystem::path{path}.stem();
    const auto is_coordinator = [](const HostTable& host) { return host.role == "coordinator"; };
    if (std::ranges::count_if(made.hosts, is_coordinator) > 1)
        throw ScenarioError{path + ":1: more than one coordinator"};
    return made;
}

}  // namespace muster::sim
