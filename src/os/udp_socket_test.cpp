#include "os/udp_socket.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>

namespace muster::os {
namespace {

using testing::AllOf;
using testing::Each;
using testing::Field;

// A datagram on loopback arrives before sendmsg returns, or at the latest when this many milliseconds passed.
constexpr int kPatience = 2000;

InterfaceIndex loopback() { return InterfaceIndex{if_nametoindex("lo")}; }

class UdpSocketTest : public testing::TestWithParam<IpFamily> {
protected:
    static IpAddress local() { return *IpAddress::parse(GetParam() == IpFamily::v6 ? "::1" : "127.0.0.1"); }

    static std::unique_ptr<UdpSocket> open(bool segmentation = true) {
        UdpOptions options;
        options.family = GetParam();
        options.segmentation = segmentation;
        auto socket = UdpSocket::open(options);
        EXPECT_TRUE(socket.has_value()) << (socket ? "" : socket.error().explain());
        return socket ? std::move(*socket) : nullptr;
    }

    static Endpoint endpoint(const UdpSocket& socket) { return {local(), socket.port(), loopback()}; }

    /// Reads until `octets` have come or nothing more comes; copies, for the views live only
    /// until the next read.
    static std::vector<Bytes> read_datagrams(UdpSocket& socket, std::size_t octets) {
        std::vector<Bytes> datagrams;
        std::size_t seen = 0;
        std::vector<ReceivedDatagram> batch(UdpSocket::kSlots);
        while (seen < octets) {
            pollfd wait{socket.native_handle(), POLLIN, 0};
            if (::poll(&wait, 1, kPatience) != 1) break;
            const auto count = socket.receive(batch);
            for (const auto& received : std::span{batch}.first(count)) {
                for (auto rest = received.octets; !rest.empty();) {
                    const auto size = std::min(rest.size(), received.segment);
                    datagrams.push_back(to_bytes(rest.first(size)));
                    rest = rest.subspan(size);
                }
                seen += received.octets.size();
            }
        }
        return datagrams;
    }
};

Bytes pattern(std::size_t size) {
    Bytes octets(size);
    for (std::size_t i = 0; i < size; ++i) octets[i] = static_cast<std::byte>(i * 7 + i / 251);
    return octets;
}

Bytes joined(const std::vector<Bytes>& datagrams) {
    Bytes all;
    for (const auto& datagram : datagrams) all.insert(all.end(), datagram.begin(), datagram.end());
    return all;
}

TEST_P(UdpSocketTest, TellsSenderInterfaceLocalAddressAndEcnOfADatagram) {
    const auto sender = open();
    const auto receiver = open();
    const auto outcome = sender->send({.remote = endpoint(*receiver),
                                       .local = local(),
                                       .octets = as_bytes("hello"),
                                       .segment = 0,
                                       .ecn = 2});
    ASSERT_EQ(outcome, (SendOutcome{SendStatus::sent, 0, 5}));

    pollfd wait{receiver->native_handle(), POLLIN, 0};
    ASSERT_EQ(::poll(&wait, 1, kPatience), 1);
    std::vector<ReceivedDatagram> batch(UdpSocket::kSlots);
    ASSERT_EQ(receiver->receive(batch), 1u);
    EXPECT_EQ(as_text(batch[0].octets), "hello");
    EXPECT_EQ(batch[0].segment, 5u);
    EXPECT_EQ(batch[0].remote, endpoint(*sender));
    EXPECT_EQ(batch[0].local, local());
    EXPECT_EQ(batch[0].ecn, 2);
}

TEST_P(UdpSocketTest, ReceivesNothingWithoutWaiting) {
    const auto socket = open();
    std::vector<ReceivedDatagram> batch(UdpSocket::kSlots);
    EXPECT_EQ(socket->receive(batch), 0u);
}

TEST_P(UdpSocketTest, DeliversABatchAsTheSameDatagramsWithAndWithoutSegmentation) {
    const auto octets = pattern(10 * 1200 + 77);
    for (const bool segmentation : {true, false}) {
        const auto sender = open(segmentation);
        const auto receiver = open(segmentation);
        EXPECT_EQ(sender->segmentation(), segmentation);
        const auto outcome = sender->send(
            {.remote = endpoint(*receiver), .local = {}, .octets = octets, .segment = 1200, .ecn = 0});
        EXPECT_EQ(outcome, (SendOutcome{SendStatus::sent, 0, octets.size()}));
        const auto datagrams = read_datagrams(*receiver, octets.size());
        EXPECT_EQ(datagrams.size(), 11u);
        EXPECT_EQ(datagrams.back().size(), 77u);
        EXPECT_EQ(joined(datagrams), octets);
        EXPECT_EQ(sender->counters().datagrams_sent, 11u);
        EXPECT_EQ(receiver->counters().datagrams_received, 11u);
        EXPECT_EQ(sender->counters().send_calls, 1u);
    }
}

TEST_P(UdpSocketTest, ABatchThatTheKernelRefusesIsSentAgainAtOnceInPieces) {
    const auto octets = pattern(10 * 1200 + 77);
    const auto sender = open();
    const auto receiver = open();
    // Linux refuses to cut batches of a socket that leaves checksums out: EINVAL, as from a faulty driver.
    const int on = 1;
    const bool v6 = GetParam() == IpFamily::v6;
    ASSERT_EQ(::setsockopt(receiver->native_handle(), SOL_UDP, UDP_NO_CHECK6_RX, &on, sizeof on), 0);
    ASSERT_EQ(::setsockopt(sender->native_handle(), v6 ? SOL_UDP : SOL_SOCKET,
                           v6 ? UDP_NO_CHECK6_TX : SO_NO_CHECK, &on, sizeof on),
              0);
    const SendRequest request{endpoint(*receiver), {}, octets, 1200, 1};
    EXPECT_EQ(sender->send(request), (SendOutcome{SendStatus::sent, 0, octets.size()}));
    EXPECT_EQ(joined(read_datagrams(*receiver, octets.size())), octets);
    EXPECT_FALSE(sender->segmentation());
    EXPECT_EQ(sender->counters().gso_fallbacks, 1u);
    EXPECT_EQ(sender->counters().ecn_fallbacks, 0u) << "the mark was not at fault";
    const auto calls = sender->counters().send_calls;
    EXPECT_EQ(sender->send(request).status, SendStatus::sent);
    EXPECT_EQ(sender->counters().send_calls, calls + 1) << "from now on in pieces, with one call";
    EXPECT_EQ(joined(read_datagrams(*receiver, octets.size())), octets);
}

TEST_P(UdpSocketTest, CutsABatchLargerThanTheKernelTakes) {
    const auto octets = pattern(200 * 1200 + 1);  // more than 64 segments, more than 64 KiB
    const auto sender = open();
    const auto receiver = open();
    const auto outcome = sender->send(
        {.remote = endpoint(*receiver), .local = {}, .octets = octets, .segment = 1200, .ecn = 0});
    EXPECT_EQ(outcome, (SendOutcome{SendStatus::sent, 0, octets.size()}));
    EXPECT_EQ(joined(read_datagrams(*receiver, octets.size())), octets);
    EXPECT_TRUE(sender->segmentation());
}

TEST_P(UdpSocketTest, SendsManyToDifferentRemotesWithOneCall) {
    const auto sender = open();
    const auto first = open();
    const auto second = open();
    const auto octets = pattern(30);
    std::vector<SendRequest> requests;
    requests.reserve(20);
    for (int i = 0; i < 20; ++i)
        requests.push_back({endpoint(i % 2 == 0 ? *first : *second), {}, octets, 0, 0});
    std::vector<SendOutcome> outcomes(requests.size());
    sender->send_many(requests, outcomes);
    EXPECT_THAT(outcomes, Each(SendOutcome{SendStatus::sent, 0, 30}));
    EXPECT_EQ(sender->counters().send_calls, 1u);
    EXPECT_EQ(read_datagrams(*first, 300).size(), 10u);
    EXPECT_EQ(read_datagrams(*second, 300).size(), 10u);
}

TEST_P(UdpSocketTest, OneBadRemoteDoesNotHinderTheOthers) {
    const auto sender = open();
    const auto receiver = open();
    const auto octets = pattern(30);
    const Endpoint nowhere{local(), 9, InterfaceIndex{0x7ffffff0}};
    const Endpoint other_family{
        GetParam() == IpFamily::v6 ? *IpAddress::parse("127.0.0.1") : *IpAddress::parse("::1"), 9,
        loopback()};
    const std::vector<SendRequest> requests{{endpoint(*receiver), {}, octets, 0, 0},
                                            {nowhere, {}, octets, 0, 0},
                                            {other_family, {}, octets, 0, 0},
                                            {endpoint(*receiver), {}, octets, 0, 0}};
    std::vector<SendOutcome> outcomes(requests.size());
    sender->send_many(requests, outcomes);
    EXPECT_EQ(outcomes[0].status, SendStatus::sent);
    EXPECT_EQ(outcomes[1].status, SendStatus::path_suspect) << outcomes[1].error;
    EXPECT_EQ(outcomes[2], (SendOutcome{SendStatus::dropped, EAFNOSUPPORT, 30}));
    EXPECT_EQ(outcomes[3].status, SendStatus::sent);
    EXPECT_EQ(read_datagrams(*receiver, 60).size(), 2u);
}

TEST_P(UdpSocketTest, ASourceAddressThatIsNotOursMakesThePathSuspect) {
    const auto socket = open();
    const auto foreign = *IpAddress::parse(GetParam() == IpFamily::v6 ? "2001:db8::77" : "203.0.113.77");
    const auto octets = pattern(3000);
    const auto single = socket->send({endpoint(*socket), foreign, octets, 0, 0});
    EXPECT_EQ(single.status, SendStatus::path_suspect) << single.error;
    const auto batch = socket->send({endpoint(*socket), foreign, octets, 1000, 0});
    EXPECT_EQ(batch.status, SendStatus::path_suspect) << batch.error;
    EXPECT_EQ(batch.octets, octets.size());
    EXPECT_TRUE(socket->segmentation()) << "the address was at fault, not the batch";
    EXPECT_EQ(socket->counters().ecn_fallbacks, 0u);
}

TEST_P(UdpSocketTest, ADatagramAboveTheLargestPossibleIsTooBig) {
    const auto socket = open();
    const auto octets = pattern(65'530);
    const auto outcome = socket->send({endpoint(*socket), {}, octets, 0, 0});
    EXPECT_EQ(outcome, (SendOutcome{SendStatus::too_big, EMSGSIZE, octets.size()}));
}

TEST_P(UdpSocketTest, ATakenPortSaysSo) {
    const auto first = open();
    UdpOptions options;
    options.family = GetParam();
    options.port = first->port();
    const auto second = UdpSocket::open(options);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code(), Errc::already_exists);
    EXPECT_THAT(second.error().message(), testing::HasSubstr(std::to_string(first->port())));
}

TEST_P(UdpSocketTest, AFullReceiverNeverDisturbsTheSender) {
    UdpOptions small;
    small.family = GetParam();
    small.receive_buffer = 4096;
    const auto opened = UdpSocket::open(small);
    ASSERT_TRUE(opened.has_value());
    const auto& receiver = *opened;
    const auto sender = open();
    const auto octets = pattern(1000);
    for (int i = 0; i < 500; ++i)
        ASSERT_NE(sender->send({endpoint(*receiver), {}, octets, 0, 0}).status, SendStatus::path_suspect);
}

TEST_P(UdpSocketTest, AClosedPortOnTheOtherSideIsNoError) {
    const auto sender = open();
    Endpoint gone;
    {
        const auto receiver = open();
        gone = endpoint(*receiver);
    }
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(sender->send({gone, {}, as_bytes("x"), 0, 0}).status, SendStatus::sent);
    std::vector<ReceivedDatagram> batch(UdpSocket::kSlots);
    EXPECT_EQ(sender->receive(batch), 0u);
}

INSTANTIATE_TEST_SUITE_P(BothFamilies, UdpSocketTest, testing::Values(IpFamily::v4, IpFamily::v6),
                         [](const auto& info) { return info.param == IpFamily::v4 ? "v4" : "v6"; });

TEST(ClassifySendError, FollowsTheTableOfWhatErrnosMean) {
    using enum SendStatus;
    EXPECT_EQ(classify_send_error(0), sent);
    EXPECT_TRUE(is_writable_news(EAGAIN));
    EXPECT_FALSE(is_writable_news(ENOBUFS) || is_writable_news(ENOMEM));
    for (const int error : {EAGAIN, ENOBUFS, ENOMEM})
        EXPECT_EQ(classify_send_error(error), would_block) << error;
    for (const int error :
         {ENETUNREACH, ENETDOWN, EADDRNOTAVAIL, EHOSTUNREACH, ENODEV, EPIPE, EINVAL, EIO, 12345})
        EXPECT_EQ(classify_send_error(error), path_suspect) << error;
    EXPECT_EQ(classify_send_error(EMSGSIZE), too_big);
    for (const int error : {EPERM, ECONNREFUSED}) EXPECT_EQ(classify_send_error(error), dropped) << error;
}

}  // namespace
}  // namespace muster::os
