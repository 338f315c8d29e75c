#pragma once

#include <functional>
#include <list>

#include <boost/asio/any_io_executor.hpp>

#include "node/completion.h"

#include "muster/session.h"

namespace muster::node {

/// Sends that wait for room, in their order. What addresses the same peer never overtakes.
class SendWaits {
public:
    static constexpr std::size_t kMaxWaits = 1024;
    /// An application that starts sends without awaiting them is told before they fill its memory. One send
    /// may be larger: the session's limit of a message bounds it.
    static constexpr std::size_t kMaxOctets = 64 << 20;

    using Attempt = std::function<Result<void>(const Recipients&, const SendOptions&, ByteView)>;
    /// Completes a send that was taken, now or later.
    using Taken = std::function<void(const SendOptions&, WaitId, Session::DoneHandler)>;

    SendWaits(boost::asio::any_io_executor executor, Attempt attempt, Taken taken)
        : executor_(std::move(executor)), attempt_(std::move(attempt)), taken_(std::move(taken)) {}

    /// Sends at once if nothing waits in front and there is room; else waits, up to kMaxWaits of them with
    /// kMaxOctets together. Beyond that: queue_full.
    void send(Recipients to, Bytes payload, SendOptions options, WaitId id, Session::DoneHandler handler);
    /// True if a send to these would overtake one that waits.
    bool must_wait(const Recipients& to) const;
    /// There may be room again.
    void retry();
    /// Nothing of a send that waits was sent. Ignored if it waits no more.
    void cancel(WaitId id);
    void fail_all(const Error& why);

private:
    struct Wait {
        WaitId id{};
        Recipients to;
        Bytes payload;
        SendOptions options;
        Session::DoneHandler handler;
    };

    boost::asio::any_io_executor executor_;
    Attempt attempt_;
    Taken taken_;
    std::list<Wait> waits_;
    std::size_t octets_ = 0;  // of their payloads
};

}  // namespace muster::node
