#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "json_line.h"

#include "muster/error.h"

namespace muster::cli {

enum class Colour { none, bold, dim, green, yellow, red, cyan };

/// The two faces of the program: lines for a person, or one JSON object per line. The person's face shows
/// colours, progress and live tables on a terminal, and plain lines in a pipe. What it is given must be
/// printable() already. One thread.
class Output {
public:
    enum class Face { terminal, plain, json };

    explicit Output(Face face, bool colours = false) : face_(face), colours_(colours) {}
    /// Looks at stdout, and at NO_COLOR and TERM=dumb.
    static Output of_process(bool json);

    bool is_json() const { return face_ == Face::json; }
    bool is_terminal() const { return face_ == Face::terminal; }
    /// Columns of the terminal; 0 if it is none.
    std::size_t width() const;

    /// Paints text if this is a terminal with colours.
    std::string paint(Colour colour, std::string_view text) const;

    /// A line for a person; nothing with --json.
    void say(std::string_view line);
    /// An object for a program, with the time added; nothing without --json.
    void event(JsonLine line);
    /// As event() but without time: for facts that are no events.
    void fact(const JsonLine& line);
    /// Text as it is, whatever the face: help.
    void raw(std::string_view text);
    /// Lines at the bottom of a terminal that are redrawn in place: progress, a live table. Empty: none.
    void live(std::vector<std::string> lines);
    /// What failed, with cause and cure: on stderr for a person, as an event with --json.
    void fail(const Error& error, int exit_code);

    /// Called once when nobody reads stdout any more; at once if that is so already.
    void on_gone(std::function<void()> handler) {
        if (gone_ && handler) return handler();
        on_gone_ = std::move(handler);
    }

private:
    void write(std::string_view text);
    void clear_live();
    void draw_live();

    Face face_;
    bool colours_;
    bool gone_ = false;
    std::vector<std::string> live_;
    std::size_t drawn_ = 0;
    std::function<void()> on_gone_;
};

/// "[=========>          ]"
std::string bar(double fraction, std::size_t width);

}  // namespace muster::cli
