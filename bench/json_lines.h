#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace muster::bench {

/// Prints measurements as one JSON array with one object per line:
/// {"peer": who, "metric": what, "value": number, "unit": text, "n": number of samples or octets counted}.
class JsonLines {
public:
    explicit JsonLines(std::string peer) : peer_(std::move(peer)) { std::fputs("[", stdout); }
    JsonLines(const JsonLines&) = delete;
    JsonLines& operator=(const JsonLines&) = delete;
    ~JsonLines() { std::puts("\n]"); }

    /// Whom the lines from here on are about.
    void peer(std::string name) { peer_ = std::move(name); }
    /// `metric` and `unit` are plain words: nothing is escaped.
    void line(const char* metric, double value, const char* unit, std::uint64_t n) {
        std::printf(R"(%s{"peer": "%s", "metric": "%s", "value": %.6g, "unit": "%s", "n": %llu})",
                    first_ ? "\n" : ",\n", peer_.c_str(), metric, value, unit,
                    static_cast<unsigned long long>(n));
        std::fflush(stdout);
        first_ = false;
    }

private:
    std::string peer_;
    bool first_ = true;
};

}  // namespace muster::bench
