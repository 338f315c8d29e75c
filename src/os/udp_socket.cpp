#include "os/udp_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <netinet/udp.h>

#include "base/check.h"
#include "os/icmp_errors.h"
#include "os/socket_message.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

// The kernel's UDP_MAX_SEGMENTS was 64 until Linux 6.8; more is EINVAL there.
constexpr std::size_t kMaxSegments = 64;
// Largest UDP payload over IPv6 without jumbograms: 65535 less 8 (UDP) and 40 (IPv6, whose length field does
// not count it, but IPv4's does; the smaller of the two serves both).
constexpr std::size_t kMaxBatch = 65535 - 8 - 40;

Result<> forbid_fragments(int socket, IpFamily family) {
    if (family == IpFamily::v4)
        return set_option(socket, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, "IP_MTU_DISCOVER");
    auto done = set_option(socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE, "IPV6_MTU_DISCOVER");
    return done ? set_option(socket, IPPROTO_IPV6, IPV6_DONTFRAG, 1, "IPV6_DONTFRAG") : done;
}

Result<> receive_ecn(int socket, IpFamily family) {
    return family == IpFamily::v4 ? set_option(socket, IPPROTO_IP, IP_RECVTOS, 1, "IP_RECVTOS")
                                  : set_option(socket, IPPROTO_IPV6, IPV6_RECVTCLASS, 1, "IPV6_RECVTCLASS");
}

Result<> hear_icmp(int socket, IpFamily family) {
    return family == IpFamily::v4 ? set_option(socket, IPPROTO_IP, IP_RECVERR, 1, "IP_RECVERR")
                                  : set_option(socket, IPPROTO_IPV6, IPV6_RECVERR, 1, "IPV6_RECVERR");
}

/// Whether an ICMP error of an earlier datagram may be meant (icmp_err_convert in the kernel), and this one has not been
/// tried.
bool may_be_pending(int error) {
    switch (error) {
        case ECONNREFUSED:
        case EHOSTUNREACH:
        case ENETUNREACH:
        case EHOSTDOWN:
        case ENOPROTOOPT:
        case EOPNOTSUPP:
        case ENONET:
        case EPROTO:
        case EACCES:
        case EMSGSIZE: return true;
        default: return false;
    }
}

bool enable_segmentation(int socket) {
    const bool gso = set_option(socket, SOL_UDP, UDP_SEGMENT, 0, "UDP_SEGMENT").has_value();
    (void)set_option(socket, SOL_UDP, UDP_GRO, 1, "UDP_GRO");  // without it datagrams come one by one
    return gso;
}

bool is_batch(const SendRequest& request) {
    return request.segment != 0 && request.octets.size() > request.segment;
}

SendRequest part_of(const SendRequest& request, std::size_t offset, std::size_t size) {
    SendRequest part = request;
    part.octets = request.octets.subspan(offset, std::min(size, request.octets.size() - offset));
    return part;
}

SendOutcome outcome_of(int error, std::size_t octets) {
    if (error == 0) return {SendStatus::sent, 0, octets};
    const auto status = classify_send_error(error);
    return {status, error, status == SendStatus::would_block ? 0 : octets};
}

}  // namespace

SendStatus classify_send_error(int error) {
    switch (error) {
        case 0: return SendStatus::sent;
        case EAGAIN:
        case ENOMEM:
        case ENOBUFS: return SendStatus::would_block;
        case EMSGSIZE: return SendStatus::too_big;
        case EPERM:         // a packet filter, or its table of connections is full
        case EAFNOSUPPORT:  // not a remote for this socket
        case ECONNREFUSED:
            return SendStatus::dropped;            // an ICMP of an earlier datagram; anybody can forge it
        default: return SendStatus::path_suspect;  // ENETUNREACH, ENODEV, EINVAL (source gone) and kin
    }
}

bool is_writable_news(int error) { return error == EAGAIN; }

struct UdpSocket::ReceiveSlots {
    ReceiveBatch batch{kSlots, kSlotSize};
};

struct UdpSocket::SendSlots {
    std::array<OutgoingMessage, kSendSlots> messages;
    std::array<mmsghdr, kSendSlots> headers{};
};

Result<std::unique_ptr<UdpSocket>> UdpSocket::open(const UdpOptions& options) {
    auto opened = open_udp(options.family);
    if (!opened) return opened.error();
    FileDescriptor socket = std::move(*opened);
    if (auto done = forbid_fragments(socket.get(), options.family); !done) return done.error();
    // Without it nobody tells that a port is closed or a filter says no. The price: such an error is pending on the
    // socket, and the next call of any kind gets it once instead of being done; so each is tried again once.
    (void)hear_icmp(socket.get(), options.family);
    if (auto done = receive_ecn(socket.get(), options.family); !done) return done.error();
    enlarge_buffer(socket.get(), SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer);
    enlarge_buffer(socket.get(), SO_SNDBUFFORCE, SO_SNDBUF, options.send_buffer);
    const bool gso = options.segmentation && enable_segmentation(socket.get());
    const auto wildcard =
        options.family == IpFamily::v4 ? IpAddress{IpAddress::V4{}} : IpAddress{IpAddress::V6{}};
    const auto port = bind_udp(socket.get(), {wildcard, options.port, InterfaceIndex::none});
    if (!port) return port.error();
    return std::unique_ptr<UdpSocket>{new UdpSocket{std::move(socket), options, *port, gso}};
}

UdpSocket::UdpSocket(FileDescriptor socket, const UdpOptions& options, std::uint16_t port, bool gso)
    : socket_(std::move(socket)), options_(options), port_(port), gso_(gso) {}

UdpSocket::~UdpSocket() = default;

std::size_t UdpSocket::receive(std::span<ReceivedDatagram> out) {
    if (!receive_slots_) receive_slots_ = std::make_unique<ReceiveSlots>();
    const auto received = receive_slots_->batch.read(socket_.get(), out, counters_.discarded);
    has_reports_ |= receive_slots_->batch.has_failed() || received == 0;
    ++counters_.receive_calls;
    for (const auto& datagram : out.first(received)) {
        const auto segment = std::max<std::size_t>(datagram.segment, 1);
        counters_.datagrams_received +=
            std::max<std::size_t>(1, (datagram.octets.size() + segment - 1) / segment);
    }
    return received;
}

std::optional<IcmpReport> UdpSocket::take_report() {
    auto report = read_icmp(socket_.get());
    has_reports_ = report.has_value();
    return report;
}

SendOutcome UdpSocket::send(const SendRequest& request) {
    if (family_of(request.remote.address) != options_.family)
        return {SendStatus::dropped, EAFNOSUPPORT, request.octets.size()};
    return is_batch(request) ? send_batch(request) : send_datagram(request);
}

SendOutcome UdpSocket::send_datagram(const SendRequest& request) {
    const int error = transmit(request, 0);
    if (error == 0) ++counters_.datagrams_sent;
    return outcome_of(error, request.octets.size());
}

SendOutcome UdpSocket::send_batch(const SendRequest& request) {
    const auto segments = std::clamp<std::size_t>(kMaxBatch / request.segment, 1, kMaxSegments);
    const auto step = segments * request.segment;
    for (std::size_t offset = 0; offset < request.octets.size(); offset += step) {
        const auto part = part_of(request, offset, step);
        const int error = gso_ ? transmit(part, part.octets.size() > part.segment ? part.segment : 0) : EIO;
        if (error == 0) {
            counters_.datagrams_sent += (part.octets.size() + part.segment - 1) / part.segment;
            continue;
        }
        auto outcome = outcome_of(error, part.octets.size());
        if (error == EIO || error == EINVAL || error == EMSGSIZE) outcome = send_pieces(part);
        if (outcome.status == SendStatus::would_block)
            outcome.octets += offset;
        else
            outcome.octets = request.octets.size();
        if (outcome.status != SendStatus::sent) return outcome;
    }
    return {SendStatus::sent, 0, request.octets.size()};
}

SendOutcome UdpSocket::send_pieces(const SendRequest& request) {
    std::array<SendRequest, kMaxSegments> pieces;
    std::array<SendOutcome, kMaxSegments> outcomes;
    std::size_t count = 0;
    for (std::size_t offset = 0; offset < request.octets.size() && count < kMaxSegments; ++count) {
        pieces[count] = part_of(request, offset, request.segment);
        pieces[count].segment = 0;
        offset += pieces[count].octets.size();
    }
    transmit_run(std::span{pieces}.first(count), std::span{outcomes}.first(count));
    // Pieces that pass where the batch did not show that cutting is what fails here. If they fail as well
    // (too big, source address gone), nothing is wrong with GSO.
    if (gso_ && outcomes[0].status == SendStatus::sent) {
        gso_ = false;
        ++counters_.gso_fallbacks;
    }
    std::size_t dealt_with = 0;
    for (const auto& outcome : std::span{outcomes}.first(count)) {
        dealt_with += outcome.octets;
        if (outcome.status != SendStatus::sent) return {outcome.status, outcome.error, dealt_with};
    }
    return {SendStatus::sent, 0, dealt_with};
}

int UdpSocket::transmit(const SendRequest& request, std::size_t segment) {
    OutgoingMessage message;
    msghdr header{};
    const auto ecn = ecn_ ? request.ecn : std::uint8_t{0};
    message.build(request, segment, ecn, header);
    ++counters_.send_calls;
    int error = send_message(socket_.get(), header);
    if (may_be_pending(error)) {
        has_reports_ = true;
        ++counters_.send_calls;
        error = send_message(socket_.get(), header);
    }
    if (error != EINVAL || ecn == 0) return error;
    message.build(request, segment, 0, header);
    ++counters_.send_calls;
    const int unmarked = send_message(socket_.get(), header);
    if (unmarked == 0) {
        ecn_ = false;
        ++counters_.ecn_fallbacks;
    }
    return unmarked;
}

void UdpSocket::send_many(std::span<const SendRequest> requests, std::span<SendOutcome> outcomes) {
    MUSTER_CHECK(requests.size() == outcomes.size());
    std::size_t begin = 0;
    const auto fits = [this](const SendRequest& request) {
        return !is_batch(request) && family_of(request.remote.address) == options_.family;
    };
    while (begin < requests.size()) {
        std::size_t end = begin;
        while (end < requests.size() && end - begin < kSendSlots && fits(requests[end])) ++end;
        if (end == begin) {
            outcomes[begin] = send(requests[begin]);
            ++begin;
            continue;
        }
        transmit_run(requests.subspan(begin, end - begin), outcomes.subspan(begin, end - begin));
        begin = end;
    }
}

void UdpSocket::transmit_run(std::span<const SendRequest> requests, std::span<SendOutcome> outcomes) {
    if (!send_slots_) send_slots_ = std::make_unique<SendSlots>();
    auto& slots = *send_slots_;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        slots.messages[i].build(requests[i], 0, ecn_ ? requests[i].ecn : std::uint8_t{0},
                                slots.headers[i].msg_hdr);
    }
    std::size_t done = 0;
    while (done < requests.size()) {
        ++counters_.send_calls;
        const int sent = ::sendmmsg(socket_.get(), slots.headers.data() + done,
                                    static_cast<unsigned>(requests.size() - done), MSG_NOSIGNAL);
        for (int i = 0; i < sent; ++i, ++done)
            outcomes[done] = {SendStatus::sent, 0, requests[done].octets.size()};
        if (sent > 0) counters_.datagrams_sent += static_cast<std::uint64_t>(sent);
        if (sent > 0) continue;
        // The first of the rest failed: send_datagram knows the way around and what the errno means.
        outcomes[done] = send_datagram(requests[done]);
        const bool full = outcomes[done].status == SendStatus::would_block;
        ++done;
        if (!full) continue;
        for (; done < requests.size(); ++done) outcomes[done] = {SendStatus::would_block, EAGAIN, 0};
    }
}

}  // namespace muster::os
