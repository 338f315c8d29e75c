#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/file_storage.h"
#include "node/event_queue.h"
#include "node/file_threads.h"
#include "node/stream_sink.h"
#include "session/stream_port.h"

#include "muster/session.h"

namespace muster::detail {

class TransferNode;

/// The application's side of a session's byte streams, and of the files that travel over them: who stands at the end
/// of which stream. All calls on the strand unless said otherwise.
class StreamBoard final : public session::StreamListener, public std::enable_shared_from_this<StreamBoard> {
public:
    struct Wiring {
        boost::asio::any_io_executor strand;
        DeviceId self;
        std::function<session::StreamPort&()> port;  ///< The engine; not asked for after the end.
        std::function<void()> poke;                  ///< Asks the session's driver to flush. Any time.
        std::function<Result<std::shared_ptr<node::FileWork>>()> files;  ///< Where calls that may block run.
    };

    /// `events` hears of streams and files that peers open, until the end.
    StreamBoard(Wiring wiring, node::EventQueue& events);
    ~StreamBoard() override;

    void open(const DeviceId& to, std::string name, Session::StreamHandler handler);
    /// Any thread.
    std::shared_ptr<TransferNode> send_file(const DeviceId& to, std::string path, SendFileOptions options);
    /// The session is over: tells everyone so. From then on neither port nor events are touched.
    void end(const Departure& how);
    /// The session went without an end.
    void abandon();
    /// The link to a peer is gone, or that over which all peers are reached (none): what runs with them waits.
    void on_interrupted(const std::optional<DeviceId>& peer);
    void on_resumed(const std::optional<DeviceId>& peer);
    /// A peer is gone for good: it sends nothing over another stream.
    void on_left(const DeviceId& peer, const Departure& how);
    /// Forgets the streams that are over.
    void sweep();

    void on_stream_opened(StreamHandle stream, const DeviceId& from, ByteView header) override;
    void on_stream_data(StreamHandle stream, ByteView data, bool fin) override;
    void on_stream_reset(StreamHandle stream, std::uint64_t code, std::string_view reason) override;
    void on_stream_ended(StreamHandle stream, const Departure& how) override;
    void on_stream_writable(StreamHandle stream) override;
    void on_stream_delivered(StreamHandle) override {}

private:
    struct Stream {
        std::shared_ptr<node::StreamSink> sink;
        DeviceId peer;
        std::shared_ptr<TransferNode> file;  // the sink, if it is one
        bool is_ours = false;                // opened by this end
        StreamHandle first{};                // the one that the application was told of
        int renewals = 0;                    // streams that a file has lost
    };
    using Whose = std::optional<DeviceId>;  // none: everybody's

    void add(StreamHandle handle, Stream stream);
    std::vector<std::shared_ptr<node::StreamSink>> sinks_of(const Whose& peer) const;
    void begin_file(const std::shared_ptr<TransferNode>& node, const DeviceId& to);
    void add_file(StreamHandle stream, const DeviceId& from);
    void carry_on(StreamHandle stream, Error why);
    void go_on_sending(Stream stream);
    void go_on_receiving(StreamHandle stream, const DeviceId& from, ByteView id);
    void end_one(StreamHandle stream, Error why);
    void end_all(const Error& why);
    std::function<void()> poker();

    Wiring wiring_;
    node::EventQueue& events_;
    std::shared_ptr<FileStorage> storage_;  // owners: the board and its transfers
    std::unordered_map<StreamHandle, Stream> sinks_;
    std::vector<Stream> awaiting_;  // files that a peer may go on to send over another stream
    std::vector<Whose> interrupted_;
    bool has_ended_ = false;
    bool sweep_ = false;  // somebody may be done
};

}  // namespace muster::detail
