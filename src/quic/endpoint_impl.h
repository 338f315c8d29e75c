#pragma once

#include "quic/gatekeeper.h"
#include "quic/waiting_room.h"

namespace muster::quic {

class EndpointImpl final : public Endpoint {
public:
    EndpointImpl(Config config, Randomness& random, Acceptor* acceptor);
    ~EndpointImpl() override;

    Result<Connection*> connect(PathId path, Handler& handler, TimePoint now) override;
    void forget(Connection& connection) override;
    void on_datagram(PathId path, ByteView packet, std::uint8_t ecn, TimePoint now) override;
    bool knows(ByteView packet) const override;
    void on_timer(TimePoint now) override;
    TimePoint next_wakeup() const override;
    void flush(TimePoint now, Wire& wire) override;
    bool has_more() const override { return has_more_; }
    std::size_t connections() const override { return connections_.size(); }

private:
    class Visit;  // one call from outside; the last to leave frees what was abandoned

    void on_unknown_short(PathId path, ByteView packet, const Cid& cid, TimePoint now);
    /// A packet that may found a connection.
    void on_newcomer(PathId path, ByteView packet, const Cid& dcid, std::uint8_t ecn, TimePoint now);
    /// Makes sure that one more handshake of this source fits; false: it has to wait.
    bool make_place(const Source& source, bool proven);
    /// True: more might come in, but that is enough at a time.
    bool let_guests_in(TimePoint now);
    TimePoint crowd_deadline() const;
    void accept(PathId path, const Incoming& incoming, ByteView packet, std::uint8_t ecn, TimePoint now);
    ConnectionImpl& keep(std::unique_ptr<ConnectionImpl> connection);
    void destroy(ConnectionImpl& connection);
    void sweep();

    Shared shared_;
    Acceptor* acceptor_;
    Gatekeeper gatekeeper_;
    WaitingRoom waiting_;
    std::vector<std::unique_ptr<ConnectionImpl>> connections_;
    std::vector<ConnectionImpl*> abandoned_;  // to be freed when no call is on the stack
    std::vector<std::uint8_t> buffer_;
    int depth_ = 0;
    bool has_more_ = false;
};

}  // namespace muster::quic
