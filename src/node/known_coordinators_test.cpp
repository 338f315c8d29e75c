#include "node/known_coordinators.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace muster::node {
namespace {

const DeviceId kAnna = *DeviceId::parse("abcdefghijklmnopqrstuvwxyz234567");
const DeviceId kBert = *DeviceId::parse("bbcdefghijklmnopqrstuvwxyz234567");

class KnownCoordinatorsTest : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "muster-pins-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    std::filesystem::path only_file() const {
        std::filesystem::directory_iterator each{directory_ + "/groups"};
        return each->path();
    }
    static void write(const std::filesystem::path& path, const std::string& text) {
        std::ofstream{path} << text;
    }

    std::string directory_;
};

TEST_F(KnownCoordinatorsTest, FindsWhatItRemembers) {
    const KnownCoordinators known{directory_};
    EXPECT_FALSE(*known.find("stage"));
    const Endpoint where{*IpAddress::parse("fe80::1"), 4711, InterfaceIndex{3}};
    ASSERT_TRUE(known.remember("stage", {.id = kAnna, .endpoints = {where}}));
    const auto found = known.find("stage");
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*found)->id, kAnna);
    EXPECT_EQ((*found)->endpoints, std::vector{where});
    EXPECT_FALSE(*known.find("Stage"));
}

TEST_F(KnownCoordinatorsTest, ListsPinsByGroupAndForgetsOne) {
    const KnownCoordinators known{directory_};
    EXPECT_TRUE(known.pins()->empty());
    ASSERT_TRUE(known.remember("stage", {.id = kAnna, .endpoints = {}}));
    ASSERT_TRUE(known.remember("hall", {.id = kBert, .endpoints = {}}));
    EXPECT_EQ(*known.pins(), (std::vector<Pin>{{"hall", kBert}, {"stage", kAnna}}));
    EXPECT_TRUE(*known.forget("hall"));
    EXPECT_FALSE(*known.forget("hall"));
    EXPECT_EQ(*known.pins(), (std::vector<Pin>{{"stage", kAnna}}));
}

// Otherwise whoever can damage a file can make a device trust anyone.
TEST_F(KnownCoordinatorsTest, ADamagedPinIsAnErrorUntilItIsForgotten) {
    const KnownCoordinators known{directory_};
    ASSERT_TRUE(known.remember("stage", {.id = kAnna, .endpoints = {}}));
    const auto path = only_file();
    const std::string other = R"({"group":"hall","id":")" + kAnna.to_string() + R"("})";
    for (const std::string& text :
         {std::string{}, std::string{"{"}, std::string{"[]"}, std::string{R"({"group":"stage","id":"x"})"},
          std::string{R"({"group":7})"}, other}) {
        write(path, text);
        for (const Errc code : {known.find("stage").error().code(), known.pins().error().code()})
            EXPECT_EQ(code, Errc::bad_input) << text;
        EXPECT_NE(known.pins().error().message().find(path.string()), std::string::npos) << text;
    }
    EXPECT_TRUE(*known.forget("stage"));
    EXPECT_FALSE(*known.find("stage"));
}

TEST_F(KnownCoordinatorsTest, APinOfWhichAPartIsMissingIsDamaged) {
    const KnownCoordinators known{directory_};
    ASSERT_TRUE(known.remember("stage", {.id = kAnna, .endpoints = {*Endpoint::parse("192.0.2.1:4711")}}));
    std::ifstream file{only_file()};
    const std::string whole{std::istreambuf_iterator<char>{file}, {}};
    for (std::size_t size = 0; size + 2 < whole.size(); ++size) {  // the newline at its end is no loss
        write(only_file(), whole.substr(0, size));
        ASSERT_EQ(known.find("stage").error().code(), Errc::bad_input) << size;
    }
    write(only_file(), std::string(64 << 20, ' '));
    EXPECT_EQ(known.find("stage").error().code(), Errc::too_large) << "not read into memory";
}

TEST_F(KnownCoordinatorsTest, DamagedHintsDoNotHarmThePin) {
    const KnownCoordinators known{directory_};
    ASSERT_TRUE(known.remember("stage", {.id = kAnna, .endpoints = {}}));
    std::string many = "[";
    for (int i = 0; i < 100; ++i) many += "\"192.0.2.1:4711\",";
    for (const std::string& list : {std::string{"7"}, std::string{R"(["nonsense", 7, null])"}, many + "7]"}) {
        write(only_file(),
              R"({"group":"stage","id":")" + kAnna.to_string() + R"(","endpoints":)" + list + "}");
        const auto found = known.find("stage");
        ASSERT_TRUE(found && *found) << list;
        EXPECT_EQ((*found)->id, kAnna);
        EXPECT_LE((*found)->endpoints.size(), 8u);
    }
}

// Not by permissions, which root does not feel.
TEST_F(KnownCoordinatorsTest, APlaceThatCannotBeReadOrWrittenIsNotAFirstMeeting) {
    const KnownCoordinators known{directory_};
    ASSERT_TRUE(known.remember("stage", {.id = kAnna, .endpoints = {}}));
    const auto pin = only_file();
    std::filesystem::remove(pin);
    std::filesystem::create_directories(pin / "in it");
    EXPECT_EQ(known.find("stage").error().code(), Errc::storage);
    EXPECT_EQ(known.remember("stage", {.id = kAnna, .endpoints = {}}).error().code(), Errc::storage);
    EXPECT_EQ(known.forget("stage").error().code(), Errc::storage);

    std::filesystem::remove_all(directory_ + "/groups");
    write(directory_ + "/groups", "in the way");
    EXPECT_EQ(known.find("stage").error().code(), Errc::storage);
    EXPECT_EQ(known.remember("stage", {.id = kAnna, .endpoints = {}}).error().code(), Errc::storage);
}

TEST_F(KnownCoordinatorsTest, WhatAProcessLeftUnfinishedIsNoPin) {
    const KnownCoordinators known{directory_};
    ASSERT_TRUE(known.remember("stage", {.id = kAnna, .endpoints = {}}));
    write(only_file().string() + ".0123456789abcdef.tmp", "{");
    EXPECT_EQ(known.pins()->size(), 1u);
}

TEST(KnownCoordinators, WithoutADirectoryNobodyIsRemembered) {
    const KnownCoordinators known{""};
    EXPECT_TRUE(known.remember("stage", {.id = kAnna, .endpoints = {}}));
    EXPECT_FALSE(*known.find("stage"));
    EXPECT_TRUE(known.pins()->empty());
    EXPECT_FALSE(*known.forget("stage"));
    EXPECT_TRUE(Identity::ephemeral().pins()->empty());
}

}  // namespace
}  // namespace muster::node
