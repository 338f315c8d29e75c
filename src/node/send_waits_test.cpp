#include "node/send_waits.h"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace muster::node {
namespace {

namespace asio = boost::asio;

DeviceId device(std::uint8_t number) {
    DeviceId id;
    id.bytes[0] = number;
    return id;
}

class SendWaitsTest : public testing::Test {
protected:
    /// Sends a text whose outcome is noted as "text" or "text: code".
    WaitId send(const std::string& text, const Recipients& to) {
        const WaitId id = fresh_wait();
        waits.send(to, to_bytes(text), {}, id, Session::DoneHandler{[this, text](Result<void> outcome) {
                       const std::string how =
                           outcome ? "" : ": " + std::string{to_string(outcome.error().code())};
                       told.push_back(text.substr(0, 8) + how);
                   }});
        return id;
    }
    void run() {
        io.restart();
        io.poll();
    }

    asio::io_context io;
    std::size_t room = 0;
    std::vector<std::string> sent, told;
    SendWaits waits{io.get_executor(),
                    [this](const Recipients&, const SendOptions&, ByteView payload) {
                        if (room == 0) return Result<void>{Error{Errc::queue_full, "full"}};
                        --room;
                        sent.emplace_back(as_text(payload));
                        return Result<void>{};
                    },
                    [this](const SendOptions&, WaitId, Session::DoneHandler handler) {
                        complete(io.get_executor(), std::move(handler), Result<void>{});
                    }};
    const Recipients ann = Recipients::one(device(1));
    const Recipients bob = Recipients::one(device(2));
};

using Texts = std::vector<std::string>;

TEST_F(SendWaitsTest, WhatFindsRoomIsSentAtOnceAndToldLater) {
    room = 1;
    send("one", ann);
    EXPECT_EQ(sent, Texts{"one"});
    EXPECT_TRUE(told.empty()) << "never from inside the call";
    run();
    EXPECT_EQ(told, Texts{"one"});
}

TEST_F(SendWaitsTest, WhatAddressesTheSamePeerNeverOvertakes) {
    send("one", ann);
    room = 2;
    EXPECT_TRUE(waits.must_wait(ann));
    EXPECT_FALSE(waits.must_wait(bob));
    EXPECT_TRUE(waits.must_wait(Recipients::everyone()));
    EXPECT_TRUE(waits.must_wait(Recipients::coordinator())) << "ann may be the coordinator";
    send("two", ann);
    send("other", bob);
    EXPECT_EQ(sent, Texts{"other"});
    waits.retry();
    EXPECT_EQ(sent, (Texts{"other", "one"}));
    room = 1;
    waits.retry();
    EXPECT_EQ(sent, (Texts{"other", "one", "two"}));
    run();
    EXPECT_EQ(told, sent);
}

TEST_F(SendWaitsTest, ACancelledSendIsNeverSentAndLetsTheNextGo) {
    const auto first = send("one", ann);
    send("two", ann);
    waits.cancel(first);
    room = 1;
    waits.retry();
    EXPECT_EQ(sent, Texts{"two"});
    waits.cancel(first);  // comes late: ends nothing
    run();
    EXPECT_EQ(told, (Texts{"one: cancelled", "two"}));
}

TEST_F(SendWaitsTest, TheEndIsToldToAllThatWait) {
    send("one", ann);
    send("two", bob);
    waits.fail_all(Error{Errc::lost, "gone"});
    room = 5;
    waits.retry();
    run();
    EXPECT_EQ(told, (Texts{"one: lost", "two: lost"}));
    EXPECT_TRUE(sent.empty());
}

TEST_F(SendWaitsTest, NeitherTooManyNorTooMuchWaits) {
    for (int i = 0; i < 1024; ++i) send("x", ann);
    run();
    EXPECT_TRUE(told.empty());
    send("more", ann);
    run();
    EXPECT_EQ(told, Texts{"more: queue_full"});

    waits.fail_all(Error{Errc::lost, "gone"});
    run();
    told.clear();
    const std::string large(40 << 20, 'x');
    send(large, ann);  // alone it may be of any size
    send(large, ann);
    run();
    EXPECT_EQ(told, Texts{"xxxxxxxx: queue_full"});
    room = 1;
    waits.retry();
    send(large, ann);
    run();
    EXPECT_EQ(told.size(), 2u) << "room again: the third waits";
}

}  // namespace
}  // namespace muster::node
