#include "output.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "text.h"

namespace muster::cli {
namespace {

constexpr std::size_t kUsualWidth = 80;

std::string_view code_of(Colour colour) {
    switch (colour) {
        case Colour::none: return "";
        case Colour::bold: return "\x1b[1m";
        case Colour::dim: return "\x1b[2m";
        case Colour::green: return "\x1b[32m";
        case Colour::yellow: return "\x1b[33m";
        case Colour::red: return "\x1b[31m";
        case Colour::cyan: return "\x1b[36m";
    }
    return "";
}

bool is_set(const char* variable) {
    const char* value = std::getenv(variable);
    return value && *value;
}

// False if nobody reads any more.
bool write_all(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const ssize_t wrote = ::write(descriptor, text.data(), text.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return true;
}

// Each line of a text on its own: explanations carry what others called themselves.
std::string printable_lines(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        out += printable(text.substr(0, end)) + "\n";
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

}  // namespace

Output Output::of_process(bool json) {
    if (json) return Output{Face::json};
    if (!::isatty(STDOUT_FILENO)) return Output{Face::plain};
    const char* term = std::getenv("TERM");
    const bool dumb = !term || std::string_view{term} == "dumb";
    if (dumb) return Output{Face::plain};
    return Output{Face::terminal, !is_set("NO_COLOR")};
}

std::size_t Output::width() const {
    if (!is_terminal()) return 0;
    winsize size{};
    const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : kUsualWidth;
}

std::string Output::paint(Colour colour, std::string_view text) const {
    if (!colours_ || colour == Colour::none) return std::string{text};
    return std::string{code_of(colour)} + std::string{text} + "\x1b[0m";
}

void Output::say(std::string_view line) {
    if (is_json()) return;
    clear_live();
    write(std::string{line} + "\n");
    draw_live();
}

void Output::event(JsonLine line) {
    if (!is_json()) return;
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    line.real("time_ms", std::chrono::duration<double, std::milli>(wall).count());
    fact(line);
}

void Output::fact(const JsonLine& line) {
    if (is_json()) write(line.to_string() + "\n");
}

void Output::raw(std::string_view text) { write(text); }

void Output::live(std::vector<std::string> lines) {
    if (!is_terminal()) return;
    clear_live();
    live_ = std::move(lines);
    draw_live();
}

void Output::fail(const Error& error, int exit_code) {
    if (is_json()) {
        JsonLine line{"error"};
        line.json("error", harmless_json(error.to_json()))
            .integer("exit_code", static_cast<std::uint64_t>(exit_code));
        return event(std::move(line));
    }
    clear_live();
    const bool painted = colours_ && ::isatty(STDERR_FILENO);
    const std::string label = painted ? paint(Colour::red, "muster:") : "muster:";
    write_all(STDERR_FILENO, label + " " + printable_lines(error.explain()));
    draw_live();
}

void Output::write(std::string_view text) {
    if (gone_ || write_all(STDOUT_FILENO, text)) return;
    gone_ = true;
    if (auto handler = std::exchange(on_gone_, nullptr)) handler();
}

void Output::clear_live() {
    if (drawn_ == 0) return;
    std::string text = "\r\x1b[K";
    for (; drawn_ > 1; --drawn_) text += "\x1b[A\x1b[K";
    drawn_ = 0;
    write(text);
}

void Output::draw_live() {
    if (live_.empty()) return;
    std::string text;
    for (const std::string& line : live_) text += (text.empty() ? "" : "\n") + line;
    write(text);
    drawn_ = live_.size();
}

std::string bar(double fraction, std::size_t width) {
    const auto full = static_cast<std::size_t>(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(width));
    std::string inside(full, '=');
    if (full < width) inside += ">" + std::string(width - full - 1, ' ');
    return "[" + inside + "]";
}

}  // namespace muster::cli
