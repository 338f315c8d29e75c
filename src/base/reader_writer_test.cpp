#include <gtest/gtest.h>

#include "base/reader.h"
#include "base/writer.h"

namespace muster {
namespace {

Bytes octets(std::initializer_list<int> values) {
    Bytes out;
    for (const int value : values) out.push_back(static_cast<std::byte>(value));
    return out;
}

TEST(Writer, WritesIntegersBigEndian) {
    Bytes out;
    Writer{out}.write(std::uint8_t{1}).write(std::uint16_t{0x0203}).write(std::uint32_t{0x04050607});
    Writer{out}.write(std::uint64_t{0x08090a0b0c0d0e0f});
    EXPECT_EQ(out, octets({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}));
}

TEST(Reader, ReadsBackWhatTheWriterWrote) {
    Bytes out;
    const std::array<std::uint8_t, 3> fixed{7, 8, 9};
    Writer{out}.write(std::uint32_t{0xdeadbeef}).write(fixed).write_text("name").write_sized(octets({1, 2}));
    Reader in{out};
    std::uint32_t number{};
    std::array<std::uint8_t, 3> copy{};
    std::string text;
    ByteView sized;
    ASSERT_TRUE(in.read(number) && in.read(copy) && in.read_text(text, 4) && in.read_sized(sized, 2));
    EXPECT_EQ(number, 0xdeadbeef);
    EXPECT_EQ(copy, fixed);
    EXPECT_EQ(text, "name");
    EXPECT_EQ(to_bytes(sized), octets({1, 2}));
    EXPECT_TRUE(in.empty());
}

TEST(Reader, TakesNothingWhenAReadFails) {
    const Bytes three = octets({1, 2, 3});
    Reader in{three};
    std::uint32_t number = 42;
    std::array<std::uint8_t, 4> fixed{};
    ByteView view;
    EXPECT_FALSE(in.read(number));
    EXPECT_FALSE(in.read(fixed));
    EXPECT_FALSE(in.read(view, 4));
    EXPECT_EQ(number, 42u);
    EXPECT_EQ(in.remaining(), 3u);
}

TEST(Reader, TruncationAtEveryOctetIsRefused) {
    Bytes whole;
    Writer{whole}.write(std::uint16_t{5}).write_varint(70'000).write_text("hello");
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        Reader in{ByteView{whole}.first(size)};
        std::uint16_t number{};
        std::uint64_t varint{};
        std::string text;
        const bool parsed = in.read(number) && in.read_varint(varint) && in.read_text(text, 5);
        EXPECT_EQ(parsed, size == whole.size()) << size << " octets";
    }
}

struct VarintCase {
    std::uint64_t value;
    std::size_t size;
};

class Varint : public testing::TestWithParam<VarintCase> {};

TEST_P(Varint, KeepsItsValueInTheFewestOctets) {
    Bytes out;
    Writer{out}.write_varint(GetParam().value);
    EXPECT_EQ(out.size(), GetParam().size);
    EXPECT_EQ(varint_size(GetParam().value), GetParam().size);
    Reader in{out};
    std::uint64_t value{};
    ASSERT_TRUE(in.read_varint(value));
    EXPECT_EQ(value, GetParam().value);
    EXPECT_TRUE(in.empty());
}

INSTANTIATE_TEST_SUITE_P(Limits, Varint,
                         testing::Values(VarintCase{0, 1}, VarintCase{63, 1}, VarintCase{64, 2},
                                         VarintCase{16'383, 2}, VarintCase{16'384, 4},
                                         VarintCase{(1u << 30) - 1, 4}, VarintCase{1u << 30, 8},
                                         VarintCase{kVarintMax, 8}));

// RFC 9000 appendix A.1.
TEST(Reader, ReadsTheVarintsOfRfc9000) {
    const auto read = [](const Bytes& coded) {
        Reader in{coded};
        std::uint64_t value{};
        EXPECT_TRUE(in.read_varint(value) && in.empty());
        return value;
    };
    EXPECT_EQ(read(octets({0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c})), 151'288'809'941'952'652u);
    EXPECT_EQ(read(octets({0x9d, 0x7f, 0x3e, 0x7d})), 494'878'333u);
    EXPECT_EQ(read(octets({0x7b, 0xbd})), 15'293u);
    EXPECT_EQ(read(octets({0x25})), 37u);
    EXPECT_EQ(read(octets({0x40, 0x25})), 37u) << "longer than needed is legal";
}

TEST(Reader, RefusesAVarintThatIsCutOff) {
    for (const int first : {0x40, 0x80, 0xc0}) {
        const Bytes cut = octets({first});
        Reader in{cut};
        std::uint64_t value{};
        EXPECT_FALSE(in.read_varint(value)) << first;
        EXPECT_EQ(in.remaining(), 1u);
    }
    Reader nothing{ByteView{}};
    std::uint64_t value{};
    EXPECT_FALSE(nothing.read_varint(value));
}

TEST(Reader, RefusesSizedOctetsAboveTheLimit) {
    Bytes out;
    Writer{out}.write_text("five!");
    std::string text;
    Reader strict{out};
    EXPECT_FALSE(strict.read_text(text, 4));
    EXPECT_EQ(strict.remaining(), out.size()) << "a refused read must leave the size in place";
    Reader exact{out};
    EXPECT_TRUE(exact.read_text(text, 5));
}

TEST(Reader, RefusesASizeLargerThanWhatIsLeft) {
    Bytes lie;
    Writer{lie}.write_varint(kVarintMax).write(std::uint8_t{1});
    Reader in{lie};
    ByteView view;
    EXPECT_FALSE(in.read_sized(view, SIZE_MAX));
    EXPECT_EQ(in.remaining(), lie.size());
}

TEST(WriterDeathTest, EndsTheProcessOnAVarintThatCannotBe) {
    Bytes out;
    EXPECT_DEATH(Writer{out}.write_varint(kVarintMax + 1), "broken expectation: value <= kVarintMax");
}

}  // namespace
}  // namespace muster
