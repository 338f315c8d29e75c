#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <unistd.h>

namespace muster::lab {

/// The laboratory's orders, a line each.
class StdinLines {
public:
    explicit StdinLines(const boost::asio::any_io_executor& executor)
        : input_(executor, ::dup(STDIN_FILENO)) {}

    /// Nullopt at the end of the input.
    boost::asio::awaitable<std::optional<std::string>> next() {
        boost::system::error_code failure;
        auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failure);
        const std::size_t size =
            co_await boost::asio::async_read_until(input_, boost::asio::dynamic_buffer(kept_), '\n', token);
        if (failure) co_return std::nullopt;
        std::string line = kept_.substr(0, size - 1);
        kept_.erase(0, size);
        co_return line;
    }

private:
    boost::asio::posix::stream_descriptor input_;
    std::string kept_;
};

/// "find stage" -> {"find", "stage"}
inline std::pair<std::string, std::string> split_order(std::string_view line) {
    const auto space = line.find(' ');
    if (space == std::string_view::npos) return {std::string{line}, {}};
    return {std::string{line.substr(0, space)}, std::string{line.substr(space + 1)}};
}

}  // namespace muster::lab
