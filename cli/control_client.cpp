#include "control_client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <system_error>

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "text.h"

namespace muster::cli {
namespace {

// For the whole of an answer, of all who are asked at once. Longer than the process gives us: it says why before we give up.
constexpr Duration kPatience = std::chrono::seconds{6};
// A process that lives takes us in at once, or sends us away.
constexpr timeval kPatienceToConnect{.tv_sec = 0, .tv_usec = 100'000};
constexpr std::size_t kMaxHeader = 32;

std::string name_of(const RunningProcess& process) { return "process " + std::to_string(process.pid); }

/// One process that is asked one thing.
class Question {
public:
    explicit Question(const RunningProcess& process)
        : process_(process), socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &kPatienceToConnect, sizeof kPatienceToConnect);
    }
    ~Question() { close(); }
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;

    /// Does not wait for the answer.
    void ask(const std::string& request) {
        if (!connect()) return fail(unreachable(errno));
        const bool was_sent =
            request.size() < kMaxControlRequest &&
            ::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) == std::ssize(request);
        if (!was_sent) fail(no_answer());
    }
    /// Reads what has come.
    void receive() {
        std::array<char, 64 * 1024>
            piece;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by the read
        const ssize_t size = ::recv(socket_, piece.data(), piece.size(), MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (size > 0) said_.append(piece.data(), static_cast<std::size_t>(size));
        if (size <= 0 || said_.size() > kMaxControlAnswer + kMaxHeader) close();
    }
    bool is_open() const { return socket_ >= 0; }
    int native_handle() const { return socket_; }

    Result<std::string> answer() && {
        if (failure_) return std::move(*failure_);
        if (is_open())
            return Error{Errc::timed_out, name_of(process_) + " does not answer: it may be stopped"};
        if (said_.empty()) return no_answer();
        const std::size_t end = said_.find('\n');
        const std::size_t space = said_.find(' ');
        std::size_t size = 0;
        if (end > kMaxHeader || space > end ||
            std::from_chars(said_.data() + space + 1, said_.data() + end, size).ptr != said_.data() + end ||
            size != said_.size() - end - 1)
            return Error{Errc::protocol_violation,
                         name_of(process_) + " says something that is no answer, or not all of it"};
        if (said_.starts_with("ok ")) return said_.substr(end + 1);
        return Error{Errc::bad_input, printable(said_.substr(end + 1))};
    }

private:
    bool connect() const {
        sockaddr_un where{};
        where.sun_family = AF_UNIX;
        const std::string& path = process_.socket;
        if (path.size() >= sizeof where.sun_path) return errno = ENAMETOOLONG, false;
        std::memcpy(where.sun_path, path.c_str(), path.size() + 1);
        return ::connect(socket_, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0;
    }
    Error unreachable(int why) const {
        if (why == ECONNREFUSED) remove_if_left_behind(process_);
        const bool is_gone = why == ECONNREFUSED || why == ENOENT;
        return {is_gone ? Errc::not_connected : Errc::refused,
                name_of(process_) +
                    (is_gone ? " does not run any more" : ": " + std::generic_category().message(why))};
    }
    Error no_answer() const {
        return {Errc::refused, name_of(process_) + " belongs to somebody else, or is busy"};
    }
    void fail(Error why) {
        failure_ = std::move(why);
        close();
    }
    void close() {
        if (socket_ >= 0) ::close(socket_);
        socket_ = -1;
    }

    RunningProcess process_;
    int socket_;
    std::string said_;
    std::optional<Error> failure_;
};

/// Reads until all have said all, or time is over.
void await_answers(std::deque<Question>& questions) {
    const TimePoint end = SteadyClock::now() + kPatience;
    for (;;) {
        std::vector<pollfd> waits;
        waits.reserve(questions.size());
        for (const Question& each : questions) waits.push_back({each.native_handle(), POLLIN, 0});
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - SteadyClock::now());
        const bool is_any_open = std::ranges::any_of(questions, &Question::is_open);
        if (!is_any_open || left.count() <= 0) return;
        if (::poll(waits.data(), waits.size(), static_cast<int>(left.count())) < 0 && errno != EINTR) return;
        for (std::size_t i = 0; i < waits.size(); ++i)
            if (waits[i].fd >= 0 && waits[i].revents != 0) questions[i].receive();
    }
}

}  // namespace

std::vector<Result<std::string>> ask_all(std::span<const RunningProcess> processes,
                                         const std::string& request) {
    std::deque<Question> questions;
    for (const RunningProcess& each : processes) questions.emplace_back(each).ask(request + "\n");
    await_answers(questions);
    std::vector<Result<std::string>> answers;
    answers.reserve(questions.size());
    for (Question& each : questions) answers.push_back(std::move(each).answer());
    return answers;
}

Result<std::string> ask(const RunningProcess& process, const std::string& request) {
    return std::move(ask_all({&process, 1}, request).front());
}

Result<std::vector<AnsweringProcess>> answering_processes(const std::optional<std::uint32_t>& pid) {
    std::vector<AnsweringProcess> found;
    Error none{Errc::not_connected, pid ? "process " + std::to_string(*pid) + " is no muster host or join"
                                        : "no muster host or join runs here"};
    std::vector<RunningProcess> running = running_processes();
    std::erase_if(running, [&](const RunningProcess& each) { return pid && each.pid != *pid; });
    const auto answers = ask_all(running, "about text");
    for (std::size_t i = 0; i < running.size(); ++i) {
        if (answers[i])
            found.push_back({running[i], printable(*answers[i])});
        else
            none.saw({"ask", running[i].socket, answers[i].error().message()});
    }
    if (!found.empty()) return found;
    return std::move(none).cure(
        "start one; what runs as another user can be asked by that user and by root, with the same "
        "XDG_RUNTIME_DIR");
}

Result<AnsweringProcess> the_process(const std::optional<std::uint32_t>& pid) {
    auto found = answering_processes(pid);
    if (!found) return found.error();
    if (found->size() == 1) return std::move(found->front());
    Error several{Errc::bad_input, "several processes of muster run here"};
    for (const AnsweringProcess& each : *found)
        several.saw({"running", "--pid " + std::to_string(each.process.pid), each.about});
    return std::move(several).cure("say which one with --pid");
}

}  // namespace muster::cli
