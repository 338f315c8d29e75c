#pragma once

// What the probes share: small programs on the library that tell the laboratory what happened when, one JSON
// object per line: {"event": what, "t_ns": CLOCK_MONOTONIC, ...}. That clock is the same in all namespaces.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "muster/error.h"
#include "muster/profile.h"
#include "muster/time.h"

namespace muster::lab {

inline std::int64_t now_ns() {
    return std::chrono::nanoseconds{std::chrono::steady_clock::now().time_since_epoch()}.count();
}
inline std::int64_t microseconds(Duration span) {
    return std::chrono::duration_cast<std::chrono::microseconds>(span).count();
}

/// Prints one event at once: whoever waits for it has a stopwatch in hand.
inline void tell(std::string_view event, boost::json::object facts = {}) {
    if (!facts.contains("t_ns")) facts["t_ns"] = now_ns();
    facts["event"] = event;
    const std::string line = boost::json::serialize(facts) + "\n";
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fflush(stdout);
}

inline void tell_failure(const Error& error, boost::json::object facts = {}) {
    facts["error"] = boost::json::parse(error.to_json());
    facts["explain"] = error.explain();
    tell("failed", std::move(facts));
}

/// Options of the form --key=value or --key value; a bare --key has the value "yes". One that is given several times
/// has all of its values, with commas between them.
class Options {
public:
    Options(int argc, char** argv) {
        for (int i = 1; i < argc; ++i) {
            const std::string_view text = argv[i];
            const auto equals = text.find('=');
            if (!text.starts_with("--")) fail(text);
            const bool bare = equals == std::string_view::npos;
            std::string& value = values_[std::string{text.substr(2, bare ? equals : equals - 2)}];
            if (!value.empty()) value += ',';
            const bool is_next = bare && i + 1 < argc && !std::string_view{argv[i + 1]}.starts_with("--");
            value += is_next ? argv[++i] : bare ? "yes" : std::string{text.substr(equals + 1)};
        }
    }

    bool has(const std::string& key) const { return values_.contains(key); }
    std::string text(const std::string& key, std::string otherwise = {}) const {
        const auto found = values_.find(key);
        return found == values_.end() ? otherwise : found->second;
    }
    std::vector<std::string> list(const std::string& key) const {
        std::vector<std::string> parts;
        const std::string all = text(key);
        for (std::size_t begin = 0; begin < all.size();) {
            const std::size_t end = std::min(all.find(',', begin), all.size());
            parts.push_back(all.substr(begin, end - begin));
            begin = end + 1;
        }
        return parts;
    }
    std::int64_t number(const std::string& key, std::int64_t otherwise) const {
        return has(key) ? std::stoll(text(key)) : otherwise;
    }
    Profile profile() const {
        const std::string name = text("profile", "balanced");
        if (name == "realtime") return Profile::realtime;
        if (name == "low_power") return Profile::low_power;
        if (name != "balanced") fail(name);
        return Profile::balanced;
    }

private:
    [[noreturn]] static void fail(std::string_view what) {
        std::cerr << "not understood: " << what << '\n';
        std::exit(2);
    }

    std::map<std::string, std::string> values_;
};

}  // namespace muster::lab
