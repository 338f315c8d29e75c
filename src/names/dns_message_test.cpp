#include "names/dns_message.h"

#include <gtest/gtest.h>

#include "base/writer.h"

namespace muster::names {
namespace {

DnsName name(std::string_view text) { return *DnsName::parse(text); }

Record record(std::string_view owner, DnsType type, RecordData data, std::uint32_t ttl = 120) {
    Record out;
    out.name = name(owner);
    out.type = type;
    out.ttl = ttl;
    out.data = std::move(data);
    return out;
}

Bytes octets(std::initializer_list<int> values) {
    Bytes out;
    for (const int value : values) out.push_back(static_cast<std::byte>(value));
    return out;
}

Bytes header(int questions, int answers) {
    return octets({0, 0, 0x84, 0, 0, questions, 0, answers, 0, 0, 0, 0});
}

std::vector<Record> every_kind() {
    std::vector<Record> out;
    out.push_back(record("_http._tcp.local", DnsType::ptr, name("My\\.Web._http._tcp.local")));
    out.push_back(record("My\\.Web._http._tcp.local", DnsType::srv, SrvData{1, 2, 8080, name("host.local")}));
    out.push_back(record("My\\.Web._http._tcp.local", DnsType::txt, octets({3, 'a', '=', 'b'})));
    out.push_back(record("host.local", DnsType::a, *IpAddress::parse("192.0.2.1")));
    out.push_back(record("host.local", DnsType::aaaa, *IpAddress::parse("fe80::1")));
    out.push_back(record("host.local", DnsType::nsec,
                         NsecData{name("host.local"), {DnsType::a, DnsType::aaaa, DnsType{258}}}));
    out.push_back(record("odd.local", DnsType{65280}, octets({1, 2, 3})));
    out.back().cache_flush = true;
    return out;
}

TEST(DnsMessage, ReadsBackEveryKindOfRecordThatItWrites) {
    Header head;
    head.id = 7;
    head.response = head.authoritative = true;
    MessageWriter writer{head, 1440};
    const Question question{name("_http._tcp.local"), DnsType::ptr, kClassInternet, true};
    ASSERT_TRUE(writer.add(question));
    for (const auto& each : every_kind()) ASSERT_TRUE(writer.add(Section::answer, each));
    Edns edns;
    edns.udp_size = 1440;
    edns.dnssec_ok = true;
    edns.options = octets({0, 4, 0, 0});
    ASSERT_TRUE(writer.add(edns));
    const auto message = parse_message(writer.finish());
    ASSERT_TRUE(message);
    EXPECT_EQ(message->header, head);
    EXPECT_EQ(message->questions, std::vector{question});
    EXPECT_EQ(message->answers, every_kind());
    EXPECT_EQ(message->edns, edns);
}

TEST(DnsMessage, CompressesNamesAlsoInsideSrvUnlessAskedNotTo) {
    const auto size = [](Compression compression) {
        MessageWriter writer{Header{}, 1440, compression};
        for (const auto& each : every_kind()) EXPECT_TRUE(writer.add(Section::answer, each));
        return writer.finish().size();
    };
    EXPECT_GT(size(Compression::classical_only), size(Compression::all));
}

TEST(DnsMessage, LeavesTheMessageAsItWasWhenARecordDoesNotFit) {
    MessageWriter writer{Header{}, 80};
    const auto small = record("a.local", DnsType::a, *IpAddress::parse("192.0.2.1"));
    ASSERT_TRUE(writer.add(Section::answer, small));
    EXPECT_FALSE(writer.add(Section::answer, record("b.other.example", DnsType::txt, Bytes(60))));
    const auto next = record("c.other.example", DnsType::a, *IpAddress::parse("192.0.2.2"));
    ASSERT_TRUE(writer.add(Section::answer, next));  // must not point at names that were taken back
    const auto message = parse_message(writer.finish());
    ASSERT_TRUE(message);
    EXPECT_EQ(message->answers, (std::vector{small, next}));
}

TEST(DnsMessage, NeverWritesMoreThanItsLimitOr65535Octets) {
    MessageWriter writer{Header{}, 1U << 20};
    EXPECT_FALSE(writer.add(Section::answer, record("a.local", DnsType::txt, Bytes(70000))));
    EXPECT_TRUE(writer.empty());
}

TEST(DnsMessage, RefusesNamesThatLoopOrPointForward) {
    auto self = header(1, 0);
    for (const int octet : {0xc0, 12, 0, 12, 0, 1}) self.push_back(static_cast<std::byte>(octet));
    EXPECT_FALSE(parse_message(self));
    auto pair = header(2, 0);  // the second name points into the first, which points at the second
    for (const int octet : {1, 0x61, 0xc0, 20, 0, 12, 0, 1, 1, 0x62, 0xc0, 12, 0, 12, 0, 1})
        pair.push_back(static_cast<std::byte>(octet));
    EXPECT_FALSE(parse_message(pair));
    auto into_header = header(1, 0);
    for (const int octet : {0xc0, 2, 0, 12, 0, 1}) into_header.push_back(static_cast<std::byte>(octet));
    EXPECT_FALSE(parse_message(into_header));
}

TEST(DnsMessage, RefusesAnyTruncationAndAnyOctetTooMany) {
    MessageWriter writer{Header{}, 1440};
    for (const auto& each : every_kind()) ASSERT_TRUE(writer.add(Section::answer, each));
    auto whole = writer.finish();
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(parse_message(ByteView{whole}.first(size))) << size;
    whole.push_back(std::byte{0});
    EXPECT_FALSE(parse_message(whole));
}

TEST(DnsMessage, RefusesDataThatDoesNotFillItsLength) {
    auto address = header(0, 1);  // an A record of five octets
    for (const int octet : {0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 5, 1, 2, 3, 4, 5})
        address.push_back(static_cast<std::byte>(octet));
    EXPECT_FALSE(parse_message(address));
    auto pointer = header(0, 1);  // a PTR whose name ends before its data does
    for (const int octet : {0, 0, 12, 0, 1, 0, 0, 0, 9, 0, 2, 0, 0})
        pointer.push_back(static_cast<std::byte>(octet));
    EXPECT_FALSE(parse_message(pointer));
}

TEST(DnsMessage, ReadsCountsThatLieWithoutReservingMemory) {
    const auto liar = octets({0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
    EXPECT_FALSE(parse_message(liar));
}

TEST(DnsMessage, ReadsSixtyFourKilobytesOfQuestionsInBoundedTime) {
    Bytes flood = octets({0, 0, 0, 0, 0x33, 0x2e, 0, 0, 0, 0, 0, 0});  // 13102 questions for the root
    for (int i = 0; i < 13102; ++i)
        for (const int octet : {0, 0, 12, 0, 1}) flood.push_back(static_cast<std::byte>(octet));
    const auto message = parse_message(flood);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->questions.size(), 13102U);
}

TEST(DnsMessage, ComparesRecordDataWithoutCompressionAsProbesNeed) {
    const SrvData srv{0, 0, 80, name("a.b")};
    EXPECT_EQ(uncompressed_data(srv), octets({0, 0, 0, 0, 0, 80, 1, 'a', 1, 'b', 0}));
}

}  // namespace
}  // namespace muster::names
