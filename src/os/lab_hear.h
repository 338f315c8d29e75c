#pragma once

// What lab tests of sockets share: reading all that comes.

#include <algorithm>
#include <vector>

#include <poll.h>

#include "os/datagram.h"

namespace muster::os {

// Milliseconds. What must come is there at once, or the machine is very busy.
constexpr int kPatience = 2000;
// What a veth carries is there when sendmsg returns; this long is waited for what must not come.
constexpr int kAtOnce = 20;

inline IpAddress ip(const char* text) { return *IpAddress::parse(text); }

struct Heard {
    Bytes octets;
    Endpoint remote;
    IpAddress local;
    std::uint8_t hop_limit;
};

/// Reads all that comes until `count` have come or nothing comes for `patience` ms.
template <class Socket>
std::vector<Heard> hear(Socket& socket, std::size_t count, int patience = kPatience) {
    std::vector<Heard> heard;
    std::vector<ReceivedDatagram> batch(16);
    while (heard.size() < count) {
        pollfd wait{socket.native_handle(), POLLIN, 0};
        if (::poll(&wait, 1, patience) != 1) break;
        for (const auto& received : std::span{batch}.first(socket.receive(batch))) {
            for (auto rest = received.octets; !rest.empty();) {
                const auto size = std::min(rest.size(), received.segment);
                heard.push_back(
                    {to_bytes(rest.first(size)), received.remote, received.local, received.hop_limit});
                rest = rest.subspan(size);
            }
        }
    }
    return heard;
}

}  // namespace muster::os
