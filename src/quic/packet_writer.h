#pragma once

#include <span>

#include "quic/connection_impl.h"

namespace muster::quic {

/// Fills packets of one connection: datagrams and streams take turns in opening a packet, streams take turns
/// among themselves by packets, and small pieces share one.
class PacketWriter {
public:
    PacketWriter(ConnectionImpl& connection, TimePoint now);

    /// Writes one packet; returns its size, 0 if there is nothing (more) to send now, or an ngtcp2 error.
    ngtcp2_ssize next(ngtcp2_path* path, ngtcp2_pkt_info* info, std::span<std::uint8_t> out);

private:
    // The packet has room left and nothing is wrong: go on filling it. No ngtcp2 error has this number.
    static constexpr ngtcp2_ssize kMore = -1;

    ngtcp2_ssize add_datagrams();
    void pop_datagram();
    ngtcp2_ssize add_streams();
    ngtcp2_ssize add_stream(Stream& stream);
    void note_sent(Stream& stream, std::size_t octets, bool fin);
    ngtcp2_ssize conclude(Stream& stream, ngtcp2_ssize rv);
    bool has_other_work() const;

    ConnectionImpl& c_;
    ngtcp2_conn* conn_;
    ngtcp2_tstamp now_;
    ngtcp2_path* path_ = nullptr;
    ngtcp2_pkt_info* info_ = nullptr;
    std::span<std::uint8_t> out_;
};

}  // namespace muster::quic
