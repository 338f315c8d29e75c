// The program muster: reads the command line, runs one command, says how it went.
#include <csignal>
#include <exception>

#include <boost/system/system_error.hpp>
#include <unistd.h>

#include "output.h"
#include "program.h"

namespace {

using namespace muster;

void complain(std::string_view text) {
    // Nothing is left to be told if stderr is gone.
    if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;
}

int run(int count, char** words) {
    const TimePoint started = SteadyClock::now();
    std::signal(SIGPIPE,
                SIG_IGN);  // a reader that goes away is seen when writing, and answered with a goodbye
    cli::Program program;
    const auto request = program.parse({words + 1, words + count});
    if (request.command) {
        cli::Output output = cli::Output::of_process(program.json());
        return static_cast<int>(request.command->run({output, started, program.home()}));
    }
    if (request.exit == cli::Exit::ok)
        cli::Output{cli::Output::Face::plain}.raw(request.text);
    else
        complain(request.text);
    return static_cast<int>(request.exit);
}

}  // namespace

int main(int count, char** words) {
    try {
        return run(count, words);
    } catch (const boost::system::system_error& error) {
        const bool too_many = error.code() == boost::system::errc::too_many_files_open;
        complain("muster: " + error.code().message() +
                 (too_many ? ": raise the limit of open files (ulimit -n)\n" : "\n"));
        return static_cast<int>(cli::Exit::failed);
    } catch (const std::exception& error) {
        complain(std::string{"muster: internal error: "} + error.what() + "\n");
        return static_cast<int>(cli::Exit::failed);
    }
}
