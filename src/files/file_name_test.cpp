#include "files/file_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::files {
namespace {

struct Refused {
    std::string name;
    const char* why;
};

TEST(FileName, RefusesWhatCouldLeaveTheDirectoryOrDeceive) {
    const Refused table[] = {
        {"", "empty"},
        {".", "directory"},
        {"..", "directory"},
        {"/", "separator"},
        {"/etc/passwd", "separator"},
        {"../x", "separator"},
        {"a/../b", "separator"},
        {"a/", "separator"},
        {"..\\x", "separator"},
        {"C:\\x", "separator"},
        {std::string("a\0b", 3), "control"},
        {"a\nb", "control"},
        {"a\x1b[2Jb", "control"},
        {"a\x7f", "control"},
        {"a\xc2\x85", "control"},
        {"a\xe2\x80\xa8"
         "b",
         "control"},
        {"gpj.\xe2\x80\xae"
         "exe",
         "direction"},
        {"\xe2\x81\xa6x", "direction"},
        {"\xe2\x80\x8fx", "direction"},
        {"\xff\xfe", "UTF-8"},
        {"\xc0\xaf", "UTF-8"},          // overlong '/'
        {"\xe0\x80\xaf", "UTF-8"},      // overlong '/'
        {"\xf0\x80\x80\xaf", "UTF-8"},  // overlong '/'
        {"\xed\xa0\x80", "UTF-8"},      // surrogate
        {"\xf4\x90\x80\x80", "UTF-8"},  // above U+10FFFF
        {"a\xc3", "UTF-8"},             // cut short
        {"\x80", "UTF-8"},
        {std::string(256, 'a'), "255"},
        {".bashrc", "dot"},
        {".muster-x.part", "reserved"},
    };
    for (const auto& [name, why] : table) {
        const auto result = check_file_name(name);
        ASSERT_FALSE(result) << name;
        EXPECT_EQ(result.error().code(), Errc::bad_name);
        EXPECT_THAT(result.error().message(), ::testing::HasSubstr(why)) << name;
    }
}

TEST(FileName, TakesWhatPeopleCallTheirFiles) {
    for (const std::string& name :
         {std::string("a"), std::string(255, 'a'), std::string("report (final).pdf"), std::string("-rf"),
          std::string("..."), std::string("a..b"), std::string("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80.txt")})
        EXPECT_TRUE(check_file_name(name, HiddenNames::allow)) << name;
    EXPECT_TRUE(check_file_name(".bashrc", HiddenNames::allow));
    EXPECT_FALSE(check_file_name(".muster-x.part", HiddenNames::allow));
}

TEST(FileName, BaseNameIsTheLastPart) {
    EXPECT_EQ(base_name("/tmp/a.txt"), "a.txt");
    EXPECT_EQ(base_name("a.txt"), "a.txt");
    EXPECT_EQ(base_name("dir/sub//"), "sub");
    EXPECT_EQ(base_name("/"), "/");
}

TEST(FileName, NumberStandsBeforeTheExtension) {
    EXPECT_EQ(numbered_name("a.txt", 2), "a (2).txt");
    EXPECT_EQ(numbered_name("a", 3), "a (3)");
    EXPECT_EQ(numbered_name(".bashrc", 2), ".bashrc (2)");
    EXPECT_EQ(numbered_name("v1.this is no extension at all", 2), "v1.this is no extension at all (2)");
}

TEST(FileName, NumberedNameNeverGrowsTooLongNorCutsACharacter) {
    std::string name;
    for (int i = 0; i < 83; ++i) name += "\xe2\x82\xac";
    name += ".txt";  // 253 octets
    const std::string numbered = numbered_name(name, 999);
    EXPECT_LE(numbered.size(), kMaxFileName);
    EXPECT_TRUE(check_file_name(numbered)) << numbered;
    EXPECT_TRUE(numbered.ends_with(" (999).txt"));
}

}  // namespace
}  // namespace muster::files
