#pragma once

#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "muster/error.h"

namespace muster::cli {

/// Standard input, line by line, without ever blocking the program. One thread.
class InputLines {
public:
    /// Longer lines are cut into pieces of this size: as long as a message may be.
    static constexpr std::size_t kMaxLine = 1 << 20;

    explicit InputLines(const boost::asio::any_io_executor& executor);

    /// Why nothing can be read; the input is empty then.
    const std::optional<Error>& failure() const { return failure_; }
    /// The next line without its end; nullopt at the end of the input. Cancellation: terminal.
    boost::asio::awaitable<std::optional<std::string>> next();
    /// Everything up to the end of the input, or `limit` octets and one more if there is more.
    boost::asio::awaitable<std::string> all(std::size_t limit);

private:
    boost::asio::awaitable<bool> fill();

    boost::asio::posix::stream_descriptor input_;
    std::optional<Error> failure_;
    std::string buffer_;
    std::size_t searched_ = 0;
};

}  // namespace muster::cli
