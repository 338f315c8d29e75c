#pragma once

#include <optional>

#include "link/link_engine.h"
#include "link/link_port.h"
#include "link/liveness.h"
#include "link/path_table.h"
#include "link/probe.h"
#include "link/way_back.h"

namespace muster::link {

/// One link over one QUIC connection: hands streams up to the session and keeps watch over the peer's life.
class QuicLink final : public LinkPort, public quic::Handler {
public:
    QuicLink(LinkEngine& engine, LinkSerial serial, std::optional<DialId> dial, quic::PathId path,
             TimePoint now)
        : engine_(engine), serial_(serial), dial_(dial), path_(path), started_(now) {}

    void attach(quic::Connection& connection) { connection_ = &connection; }
    quic::Connection& connection() const { return *connection_; }
    LinkSerial serial() const { return serial_; }
    std::optional<DialId> dial() const { return dial_; }
    quic::PathId path() const { return path_; }
    TimePoint started() const { return started_; }
    Duration handshake_took() const { return handshake_took_; }
    bool is_up() const { return handler_ != nullptr; }
    bool refused() const { return refused_; }
    std::uint64_t tag() const { return keys_.tag; }

    /// Gives the link its session. From here on events flow.
    void bring_up(LinkHandler& handler, Profile profile, TimePoint now);
    /// Before bring_up: at the dialer, a table knows the paths to the peer from here on.
    void begin_paths(Profile profile, TimePoint now);
    /// No event reaches the session from here on.
    void silence() { handler_ = nullptr; }
    void derive_keys();

    /// The paths to the peer, at the dialer; null at the other end.
    PathTable* paths() { return paths_ ? &*paths_ : nullptr; }
    const PathTable* paths() const { return paths_ ? &*paths_ : nullptr; }
    /// At the other end: where the peer may be told that it should move.
    WayBack& way_back() { return way_back_; }
    const WayBack& way_back() const { return way_back_; }
    /// Sent from here on along this path.
    void set_path(quic::PathId path);

    TimePoint next_wakeup(TimePoint now) const;
    /// Before the link is up there is nothing to prove, and QUIC's own deadline holds.
    Liveness::Verdict on_timer(TimePoint now) {
        return liveness_ ? liveness_->on_timer(now) : Liveness::Verdict::alive;
    }
    /// Where the engine has put this link into its order of wake-ups.
    std::optional<TimePoint> scheduled() const { return scheduled_; }
    void set_scheduled(TimePoint when) { scheduled_ = when; }
    TimePoint last_heard() const { return liveness_ ? liveness_->last_heard() : started_; }
    /// Nothing has come for longer than it should, by the path in use or by any.
    bool is_doubtful(TimePoint now) const { return unanswered() > 0 || (paths_ && paths_->is_doubtful(now)); }
    /// When it was asked around last why nothing comes.
    TimePoint inquired_at() const { return inquired_at_; }
    void on_inquired(TimePoint now) { inquired_at_ = now; }
    /// Whether the flight recorder has it: strangers leave no trace there.
    bool is_recorded() const { return is_recorded_; }
    void set_recorded() { is_recorded_ = true; }
    int unanswered() const { return liveness_ ? liveness_->unanswered() : 0; }
    Duration rtt() const { return paths_ ? paths_->round_trip() : rtt_; }

    /// The next question, along the path in use.
    Bytes ask(TimePoint now);
    /// The same along any path of the table.
    Bytes ask(PathTable::Index path, TimePoint now);
    Bytes leave_request();
    struct Heard {
        bool is_genuine = false;      ///< Neither forged nor replayed; such ones are ignored.
        std::optional<Bytes> answer;  ///< To be sent where it came from.
    };
    Heard on_heartbeat(ByteView datagram, const Path& from, TimePoint now);
    /// Somebody says that the peer does not know this link: the peer itself is asked, by a packet of QUIC.
    void on_unknown(TimePoint now);

    // LinkPort
    const DeviceId& peer() const override { return *connection_->peer(); }
    Result<StreamId> open_stream(Direction direction) override;
    void write(StreamId stream, Slice octets) override { connection_->write(stream, std::move(octets)); }
    void finish(StreamId stream) override { connection_->finish(stream); }
    void reset(StreamId stream, std::uint64_t code) override { connection_->reset(stream, code); }
    void stop_sending(StreamId stream, std::uint64_t code) override {
        connection_->stop_sending(stream, code);
    }
    std::size_t unsent(StreamId stream) const override { return connection_->unsent(stream); }
    void consume(StreamId stream, std::size_t octets) override { connection_->consume(stream, octets); }
    void let_in() override;
    bool send_datagram(Slice payload) override { return connection_->send_datagram(std::move(payload)); }
    std::size_t max_datagram() const override { return connection_->stats().max_datagram; }
    void close(std::uint64_t code, std::string_view reason) override { connection_->close(code, reason); }
    Bytes export_key(std::string_view label, std::size_t size) const override {
        return connection_->export_key(label, {}, size);
    }

    // quic::Handler
    bool on_admit(const DeviceId& peer) override;
    void on_established() override { engine_.established(*this); }
    void on_stream_data(quic::StreamId stream, ByteView data, bool fin) override;
    void on_stream_reset(quic::StreamId stream, std::uint64_t code) override;
    void on_stop_sending(quic::StreamId stream, std::uint64_t code) override;
    void on_stream_closed(quic::StreamId stream) override;
    void on_stream_writable(quic::StreamId stream) override;
    void on_streams_available(quic::Direction direction) override;
    void on_datagram(ByteView payload) override;
    void on_heard() override;
    void on_path_changed(quic::PathId path) override;
    void on_closed(const quic::CloseInfo& info) override { engine_.closed(*this, info); }

private:
    LinkEngine& engine_;
    const LinkSerial serial_;
    std::optional<DialId> dial_;
    quic::PathId path_;
    TimePoint started_;
    Duration handshake_took_{};
    bool refused_ = false;
    bool is_recorded_ = false;
    quic::Connection* connection_ = nullptr;
    LinkHandler* handler_ = nullptr;

    std::optional<Liveness> liveness_;
    std::optional<TimePoint> scheduled_;
    HeartbeatKeys keys_;
    std::uint64_t sent_counter_ = 0;
    ReplayWindow heard_;
    std::optional<PathTable> paths_;
    WayBack way_back_;
    std::uint64_t last_question_ = 0;
    TimePoint last_asked_{};
    TimePoint not_doubted_before_{};
    TimePoint inquired_at_ = KnownPath::kLongAgo;
    Duration rtt_{};
};

}  // namespace muster::link
