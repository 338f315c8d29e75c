#pragma once

#include <cstdint>
#include <functional>
#include <list>

#include <boost/asio/any_io_executor.hpp>

#include "muster/session.h"

namespace muster::node {

/// Sends that wait for room, in their order. What addresses the same peer never overtakes.
class SendWaits {
public:
    using Attempt = std::function<Result<void>(const Recipients&, const SendOptions&, ByteView)>;

    SendWaits(boost::asio::any_io_executor executor, Attempt attempt)
        : executor_(std::move(executor)), attempt_(std::move(attempt)) {}

    /// Sends at once if nothing waits in front and there is room; else waits, up to 1024 of them.
    void send(Recipients to, Bytes payload, SendOptions options, Session::DoneHandler handler);
    /// True if a send to these would overtake one that waits.
    bool must_wait(const Recipients& to) const;
    /// There may be room again.
    void retry();
    void fail_all(const Error& why);

private:
    struct Wait {
        std::uint64_t number = 0;
        Recipients to;
        Bytes payload;
        SendOptions options;
        Session::DoneHandler handler;
    };

    void cancel(std::uint64_t number);

    boost::asio::any_io_executor executor_;
    Attempt attempt_;
    std::uint64_t next_number_ = 0;
    std::list<Wait> waits_;
};

}  // namespace muster::node
