#include "base/crypto.h"

#include <numeric>

#include <gtest/gtest.h>

#include "base/random.h"

namespace muster {
namespace {

Bytes from_hex(std::string_view text) {
    Bytes out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        out.push_back(static_cast<std::byte>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
    return out;
}

std::string hex_of(const Sha256Digest& digest) { return hex(std::as_bytes(std::span{digest})); }

// FIPS 180-2 appendix B.
TEST(Sha256, HashesTheStandardsExamples) {
    EXPECT_EQ(hex_of(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(hex_of(sha256(as_bytes("abc"))),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, HashesPiecesLikeTheWholeAndStartsAfresh) {
    const std::string text(1000, 'x');
    Sha256 pieces;
    for (std::size_t i = 0; i < text.size(); i += 37) pieces.update(as_bytes(text.substr(i, 37)));
    EXPECT_EQ(pieces.finish(), sha256(as_bytes(text)));
    pieces.update(as_bytes("abc"));
    EXPECT_EQ(pieces.finish(), sha256(as_bytes("abc")));
}

struct HmacCase {
    Bytes key, data;
    std::string digest;
};

class Hmac : public testing::TestWithParam<HmacCase> {};

TEST_P(Hmac, AgreesWithRfc4231) {
    const std::string digest = hex_of(hmac_sha256(GetParam().key, GetParam().data));
    EXPECT_EQ(digest.substr(0, GetParam().digest.size()), GetParam().digest);
}

Bytes counting_up_to(std::size_t last) {
    Bytes out;
    for (std::size_t i = 1; i <= last; ++i) out.push_back(static_cast<std::byte>(i));
    return out;
}

INSTANTIATE_TEST_SUITE_P(
    Rfc4231, Hmac,
    testing::Values(
        HmacCase{Bytes(20, std::byte{0x0b}), to_bytes("Hi There"),
                 "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        HmacCase{to_bytes("Jefe"), to_bytes("what do ya want for nothing?"),
                 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        HmacCase{Bytes(20, std::byte{0xaa}), Bytes(50, std::byte{0xdd}),
                 "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        HmacCase{counting_up_to(25), Bytes(50, std::byte{0xcd}),
                 "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        HmacCase{Bytes(20, std::byte{0x0c}), to_bytes("Test With Truncation"),
                 "a3b6167473100ee06e0c796c2955552b"},
        HmacCase{Bytes(131, std::byte{0xaa}),
                 to_bytes("Test Using Larger Than Block-Size Key - Hash Key First"),
                 "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        HmacCase{
            Bytes(131, std::byte{0xaa}),
            to_bytes("This is a test using a larger than block-size key and a larger than block-size data. "
                     "The key needs to be hashed before being used by the HMAC algorithm."),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"}));

TEST(HmacSha256, AcceptsAnEmptyKeyAndNoOctets) {
    EXPECT_EQ(hex_of(hmac_sha256({}, {})),
              "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

// RFC 4648 section 10, lower-case and without padding.
TEST(Base32, AgreesWithRfc4648BothWays) {
    const std::pair<std::string, std::string> vectors[] = {
        {"", ""},
        {"f", "my"},
        {"fo", "mzxq"},
        {"foo", "mzxw6"},
        {"foob", "mzxw6yq"},
        {"fooba", "mzxw6ytb"},
        {"foobar", "mzxw6ytboi"},
    };
    for (const auto& [text, coded] : vectors) {
        EXPECT_EQ(base32(as_bytes(text)), coded);
        const auto back = parse_base32(coded);
        ASSERT_TRUE(back) << coded;
        EXPECT_EQ(as_text(*back), text);
    }
    EXPECT_EQ(parse_base32("MZXW6"), parse_base32("mzxw6"));
}

TEST(Base32, RefusesWhatNoEncoderWrites) {
    EXPECT_FALSE(parse_base32("my======")) << "padding";
    EXPECT_FALSE(parse_base32("m1")) << "1 is no digit";
    EXPECT_FALSE(parse_base32("m")) << "one digit holds no octet";
    EXPECT_FALSE(parse_base32("mz")) << "left-over bits must be zero, or one id has two texts";
    EXPECT_FALSE(parse_base32("mzx")) << "three digits are no whole number of octets";
}

TEST(ConstantTimeEquality, TellsEqualFromUnequal) {
    EXPECT_TRUE(equal_in_constant_time(as_bytes("secret"), as_bytes("secret")));
    EXPECT_FALSE(equal_in_constant_time(as_bytes("secret"), as_bytes("secreT")));
    EXPECT_FALSE(equal_in_constant_time(as_bytes("secret"), as_bytes("secre")));
    EXPECT_TRUE(equal_in_constant_time({}, {}));
}

TEST(Wipe, LeavesZeros) {
    Bytes secret = to_bytes("secret");
    wipe(secret);
    EXPECT_EQ(secret, Bytes(6));
}

TEST(Wipe, TakesNothing) {
    wipe({});  // a moved-from key: an error only for UBSan
}

// RFC 8032 section 7.1, test 1.
TEST(DeviceKey, DerivesThePublicKeyOfRfc8032) {
    const auto key =
        DeviceKey::from_seed(from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
            .value();
    const std::string prefix = "302a300506032b6570032100";  // DER SubjectPublicKeyInfo of Ed25519 (RFC 8410)
    EXPECT_EQ(hex(key.spki_der()),
              prefix + "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    EXPECT_EQ(key.id(), device_id_of(key.spki_der()));
}

TEST(DeviceKey, SurvivesTheWayThroughPem) {
    const DeviceKey key = DeviceKey::generate();
    const std::string pem = key.to_pem();
    EXPECT_EQ(pem.substr(0, 27), "-----BEGIN PRIVATE KEY-----");
    const auto back = DeviceKey::from_pem(pem);
    ASSERT_TRUE(back) << back.error().explain();
    EXPECT_EQ(back->id(), key.id());
    EXPECT_EQ(to_bytes(back->pkcs8_der()), to_bytes(key.pkcs8_der()));
}

// RFC 8410 section 10.3: the second has attributes and the public key behind the private one.
TEST(DeviceKey, ReadsTheKeysOfRfc8410) {
    const std::string plain =
        "-----BEGIN PRIVATE KEY-----\n"
        "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
        "-----END PRIVATE KEY-----\n";
    const std::string with_more =
        "-----BEGIN PRIVATE KEY-----\n"
        "MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
        "oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\n"
        "Z9w7lshQhqowtrbLDFw4rXAxZuE=\n"
        "-----END PRIVATE KEY-----\n";
    for (const auto& pem : {plain, with_more}) {
        const auto key = DeviceKey::from_pem(pem);
        ASSERT_TRUE(key) << key.error().explain();
        EXPECT_EQ(key->spki_der()[12], std::byte{0x19});
        EXPECT_EQ(hex(key->spki_der().subspan(40)), "703166e1");
        EXPECT_EQ(key->to_pem(), plain);
    }
}

TEST(DeviceKey, RefusesOrReadsEveryDamagedFile) {
    const std::string pem = DeviceKey::generate().to_pem();
    for (std::size_t at = 0; at < pem.size(); ++at) {
        std::string damaged = pem;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x15);
        (void)DeviceKey::from_pem(damaged);
        if (at + 1 < pem.size()) EXPECT_FALSE(DeviceKey::from_pem(pem.substr(0, at))) << at;
    }
}

TEST(DeviceKey, IsAnotherOneEachTime) { EXPECT_NE(DeviceKey::generate().id(), DeviceKey::generate().id()); }

TEST(DeviceKey, CopiesStayWholeWhenTheOriginalIsWiped) {
    auto original = std::make_unique<DeviceKey>(DeviceKey::generate());
    const DeviceKey copy = *original;
    const DeviceKey taken = std::move(*original);
    original.reset();
    EXPECT_EQ(DeviceKey::from_pem(copy.to_pem()).value().id(), copy.id());
    EXPECT_EQ(DeviceKey::from_pem(taken.to_pem()).value().id(), copy.id());
}

TEST(DeviceKey, RefusesSeedsOfOtherSizes) {
    for (const std::size_t size : {0u, 31u, 33u, 64u}) {
        const auto key = DeviceKey::from_seed(Bytes(size));
        ASSERT_FALSE(key) << size;
        EXPECT_EQ(key.error().code(), Errc::bad_input);
    }
}

TEST(DeviceKey, RefusesWhatIsNotAnEd25519Key) {
    const std::string pem = DeviceKey::generate().to_pem();
    const std::string x25519 =  // openssl genpkey -algorithm x25519
        "-----BEGIN PRIVATE KEY-----\n"
        "MC4CAQAwBQYDK2VuBCIEIABARDchPG/3FBN1SGyPbdR0VJeQPq2JudqBQECnYKtB\n"
        "-----END PRIVATE KEY-----\n";
    std::string version_is_text = pem;  // an octet string in place of the integer
    version_is_text[pem.find("MC4CAQAw") + 3] = 'E';
    const std::string refused[] = {"", "nonsense", pem.substr(0, pem.size() / 2), x25519, version_is_text};
    for (const auto& text : refused) {
        const auto key = DeviceKey::from_pem(text);
        ASSERT_FALSE(key) << text;
        EXPECT_EQ(key.error().code(), Errc::bad_input);
    }
}

TEST(DeviceId, IsTheFirstTwentyOctetsOfTheKeysHash) {
    const Bytes spki = to_bytes("any octets");
    const auto digest = sha256(spki);
    const DeviceId id = device_id_of(spki);
    EXPECT_TRUE(std::equal(id.bytes.begin(), id.bytes.end(), digest.begin()));
}

TEST(DeviceId, SurvivesTheWayThroughText) {
    const DeviceId id = DeviceKey::generate().id();
    const std::string text = id.to_string();
    EXPECT_EQ(text.size(), 32u);
    EXPECT_EQ(id.short_string(), text.substr(0, 8));
    EXPECT_EQ(DeviceId::parse(text), id);
    EXPECT_EQ(DeviceId::parse(text.substr(1)), std::nullopt);
    EXPECT_EQ(DeviceId::parse(text + "a"), std::nullopt);
    EXPECT_EQ(DeviceId::parse(std::string(32, '1')), std::nullopt);
}

TEST(SeededRandomness, RepeatsItselfBySeed) {
    SeededRandomness first{7}, second{7}, other{8};
    EXPECT_EQ(first.next(), second.next());
    EXPECT_NE(first.next(), other.next());
}

TEST(Uniform, StaysInItsBoundsAndReachesThem) {
    SeededRandomness random{1};
    bool low = false, high = false;
    for (int i = 0; i < 1000; ++i) {
        const auto value = uniform(random, Duration{3}, Duration{5});
        ASSERT_TRUE(value >= Duration{3} && value <= Duration{5});
        low |= value == Duration{3};
        high |= value == Duration{5};
    }
    EXPECT_TRUE(low && high);
    EXPECT_EQ(uniform(random, 0), 0u);
}

}  // namespace
}  // namespace muster
