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
