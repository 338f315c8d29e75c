#include "input_lines.h"

#include <array>
#include <cerrno>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace muster::cli {

namespace asio = boost::asio;

namespace {

// A terminal or a pipe is opened anew: Asio makes what it reads non-blocking, and on a shared open
// file that would reach our own stdout and the shell. What cannot be opened anew (a socket, a closed
// stdin) is duplicated.
int own_standard_input() {
    struct stat status{};
    const bool shared =
        ::fstat(STDIN_FILENO, &status) == 0 && (S_ISCHR(status.st_mode) || S_ISFIFO(status.st_mode));
    const int reopened =
        shared ? ::open("/proc/self/fd/0", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    if (reopened >= 0) return reopened;
    return ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
}

}  // namespace

// A closed standard input (EBADF) is an empty one.
InputLines::InputLines(const asio::any_io_executor& executor) : input_(executor) {
    const int input = own_standard_input();
    boost::system::error_code why;
    if (input < 0 && errno != EBADF) why.assign(errno, boost::system::system_category());
    if (input >= 0) input_.assign(input, why);
    if (!why) return;
    if (input >= 0) ::close(input);
    failure_ = Error{Errc::system, "standard input cannot be read: " + why.message()};
    if (why == boost::system::errc::too_many_files_open)
        failure_->cure("raise the limit of open files of this process (ulimit -n)");
}

asio::awaitable<bool> InputLines::fill() {
    std::array<char, 16 * 1024> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by the read
    boost::system::error_code failure;
    const std::size_t size = co_await input_.async_read_some(
        asio::buffer(piece), asio::redirect_error(asio::use_awaitable, failure));
    if (failure == asio::error::operation_aborted) throw boost::system::system_error(failure);
    buffer_.append(piece.data(), size);
    co_return !failure && size > 0;
}

asio::awaitable<std::optional<std::string>> InputLines::next() {
    for (;;) {
        const std::size_t end = buffer_.find('\n', searched_);
        if (end != std::string::npos || buffer_.size() > kMaxLine) {
            const std::size_t size = std::min(end, kMaxLine);
            std::string line = buffer_.substr(0, size);
            buffer_.erase(0, size == end ? size + 1 : size);
            searched_ = 0;
            co_return line;
        }
        searched_ = buffer_.size();
        if (co_await fill()) continue;
        searched_ = 0;
        if (buffer_.empty()) co_return std::nullopt;
        co_return std::exchange(buffer_, {});
    }
}

asio::awaitable<std::string> InputLines::all(std::size_t limit) {
    while (buffer_.size() <= limit && co_await fill()) continue;
    co_return buffer_.substr(0, limit + 1);
}

}  // namespace muster::cli
