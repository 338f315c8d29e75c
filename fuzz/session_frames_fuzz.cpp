// Every frame and every record of the session protocol, from hostile octets, whole and in pieces.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/text.h"
#include "session/frame.h"
#include "session/message_lane.h"

using namespace muster;
using namespace muster::session;

namespace {

void expect(bool condition) {
    if (!condition) std::abort();
}

/// What was parsed can be written, and reads the same again.
template <class Frame>
void check(ByteView body) {
    const auto frame = Frame::parse(body);
    if (!frame) return;
    Bytes again;
    Writer writer{again};
    frame->write(writer);
    const auto second = Frame::parse(again);
    if (!second) std::abort();
    if constexpr (requires { *frame == *second; }) expect(*frame == *second);
}

void check_all(ByteView body) {
    check<Hello>(body);
    check<Join>(body);
    check<Welcome>(body);
    check<Refused>(body);
    check<Ack>(body);
    check<Resume>(body);
    check<Resumed>(body);
    check<Goodbye>(body);
    check<RosterUpdate>(body);
    check<UndeliveredNotice>(body);
    check<StreamReset>(body);
    check<AddressList>(body);
}

struct Found {
    std::vector<std::string> what;
    bool operator==(const Found&) const = default;
};

/// Cuts the octets into frames, fed in pieces of `piece` octets.
Found frames_of(ByteView data, std::size_t piece) {
    FrameSplitter splitter;
    Found found;
    while (!data.empty()) {
        ByteView part = data.first(std::min(piece, data.size()));
        data = data.subspan(part.size());
        while (true) {
            const auto outcome = splitter.next(part);
            if (outcome == FrameSplitter::Outcome::too_large) {
                found.what.emplace_back("too large");
                return found;
            }
            if (outcome == FrameSplitter::Outcome::need_more) break;
            expect(splitter.body().size() <= kMaxFrameSize);
            found.what.push_back(std::to_string(static_cast<std::uint64_t>(splitter.type())) +
                                 std::string(as_text(splitter.body())));
        }
    }
    return found;
}

class Records final : public RecordSink {
public:
    bool on_begin(const Address&, std::size_t size) override { return size <= 5000; }
    void on_message(const Address& address, std::uint64_t cookie, ByteView payload) override {
        expect(payload.size() <= 4096 && address.ids.size() <= 4);
        found.what.push_back(std::to_string(cookie) + "/" + std::to_string(address.ids.size()) +
                             std::string(as_text(payload)));
    }
    Found found;
};

Found records_of(ByteView data, std::size_t piece, LaneId lane) {
    MessageParser parser{lane};
    Records records;
    auto outcome = MessageParser::Outcome::ok;
    while (!data.empty() && outcome == MessageParser::Outcome::ok) {
        const ByteView part = data.first(std::min(piece, data.size()));
        data = data.subspan(part.size());
        outcome = parser.feed(part, records, {4096, 4});
    }
    records.found.what.push_back("outcome " + std::to_string(static_cast<int>(outcome)));
    return records.found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView octets = std::as_bytes(std::span{data, size});
    check_all(octets);
    const std::string clean = cleaned(as_text(octets), 100);
    expect(clean.size() <= 100 && is_plain_text(clean));
    const Found whole = frames_of(octets, size + 1);
    for (const std::size_t piece : {1u, 3u, 17u}) expect(frames_of(octets, piece) == whole);
    for (const LaneId lane : {lane_id(LaneKind::ordered, 0), lane_id(LaneKind::unordered, 1)}) {
        const Found records = records_of(octets, size + 1, lane);
        for (const std::size_t piece : {1u, 3u, 17u}) expect(records_of(octets, piece, lane) == records);
    }
    return 0;
}
