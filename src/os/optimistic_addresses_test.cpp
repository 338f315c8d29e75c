#include "os/optimistic_addresses.h"

#include <array>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::os {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// The settings of two interfaces as files of its own.
class OptimisticAddressesTest : public testing::Test {
protected:
    OptimisticAddressesTest() {
        std::string pattern = testing::TempDir() + "muster-settings-XXXXXX";
        settings = mkdtemp(pattern.data());
        for (const char* name : {"lan0", "lan1"}) {
            std::filesystem::create_directory(settings + "/" + name);
            for (const char* setting : {"optimistic_dad", "use_optimistic"}) write(name, setting, "0\n");
        }
    }
    ~OptimisticAddressesTest() override { std::filesystem::remove_all(settings); }

    void write(const std::string& name, const std::string& setting, const std::string& value) const {
        std::ofstream{settings + "/" + name + "/" + setting} << value;
    }
    /// Both settings of an interface, in order.
    std::string values(const std::string& name) const {
        std::string all;
        for (const char* setting : {"optimistic_dad", "use_optimistic"})
            all += static_cast<char>(std::ifstream{settings + "/" + name + "/" + setting}.get());
        return all;
    }
    static Interface interface(unsigned index, std::string name) {
        Interface made;
        made.index = InterfaceIndex{index};
        made.name = std::move(name);
        return made;
    }

    std::string settings;
    const Interface lan0 = interface(2, "lan0"), lan1 = interface(3, "lan1");
};

TEST_F(OptimisticAddressesTest, PreparesWhatIsThereAndWhatComesAndPutsItBack) {
    {
        OptimisticAddresses optimistic{settings};
        optimistic.follow(std::array{lan0});
        EXPECT_EQ(values("lan0"), "11");
        EXPECT_EQ(values("lan1"), "00");
        optimistic.follow(std::array{lan0, lan1});
        EXPECT_EQ(values("lan1"), "11");
        ASSERT_THAT(optimistic.findings(), SizeIs(2));
        EXPECT_EQ(optimistic.findings()[0].subject, "lan0");
        EXPECT_THAT(optimistic.findings()[0].finding, HasSubstr("used at once"));
    }
    EXPECT_EQ(values("lan0"), "00");
    EXPECT_EQ(values("lan1"), "00");
}

TEST_F(OptimisticAddressesTest, LeavesAloneWhatIsNotItsOwn) {
    write("lan0", "optimistic_dad", "1\n");
    Interface prohibited = lan1;
    prohibited.prohibited = true;
    {
        OptimisticAddresses optimistic{settings};
        optimistic.follow(std::array{lan0, prohibited});
        EXPECT_EQ(values("lan0"), "11");
        EXPECT_EQ(values("lan1"), "00");
        EXPECT_THAT(optimistic.findings(), SizeIs(1));
    }
    EXPECT_EQ(values("lan0"), "10") << "somebody else had switched it on";
}

TEST_F(OptimisticAddressesTest, DoesNotUndoWhatOthersHaveChangedSince) {
    {
        OptimisticAddresses optimistic{settings};
        optimistic.follow(std::array{lan0});
        write("lan0", "use_optimistic", "2\n");
    }
    EXPECT_EQ(values("lan0"), "02");
}

TEST_F(OptimisticAddressesTest, SaysWhyNot) {
    OptimisticAddresses optimistic{settings};
    std::filesystem::remove(settings + "/lan0/optimistic_dad");
    std::filesystem::remove(settings + "/lan1/use_optimistic");
    std::filesystem::create_directory(settings + "/lan1/use_optimistic");
    optimistic.follow(std::array{lan0, lan1});
    ASSERT_THAT(optimistic.findings(), SizeIs(2));
    EXPECT_THAT(optimistic.findings()[0].finding, HasSubstr("no optimistic duplicate address detection"));
    EXPECT_THAT(optimistic.findings()[1].finding, HasSubstr("cannot be changed"));
}

TEST_F(OptimisticAddressesTest, AnInterfaceThatCameAgainIsPreparedAgain) {
    OptimisticAddresses optimistic{settings};
    optimistic.follow(std::array{lan0});
    optimistic.follow({});
    EXPECT_THAT(optimistic.findings(), IsEmpty());
    write("lan0", "optimistic_dad", "0\n");
    optimistic.follow(std::array{interface(7, "lan0")});
    EXPECT_EQ(values("lan0"), "11");
}

}  // namespace
}  // namespace muster::os
