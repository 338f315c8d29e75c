#include "node/http_url.h"

#include <gtest/gtest.h>

namespace muster::node {
namespace {

TEST(HttpUrl, HasItsParts) {
    EXPECT_EQ(*parse_http_url("http://example.net"), (HttpUrl{"example.net", 80, "/", "example.net"}));
    EXPECT_EQ(*parse_http_url("http://example.net:8080/a/b?c=d"),
              (HttpUrl{"example.net", 8080, "/a/b?c=d", "example.net:8080"}));
    EXPECT_EQ(*parse_http_url("http://192.0.2.1?now"), (HttpUrl{"192.0.2.1", 80, "/?now", "192.0.2.1"}));
    EXPECT_EQ(*parse_http_url("http://[2001:db8::1]/"), (HttpUrl{"2001:db8::1", 80, "/", "[2001:db8::1]"}));
    EXPECT_EQ(*parse_http_url("http://[2001:db8::1]:81/"),
              (HttpUrl{"2001:db8::1", 81, "/", "[2001:db8::1]:81"}));
}

TEST(HttpUrl, RefusesWhatIsNone) {
    for (const std::string& text : {std::string{},
                                    std::string{"example.net"},
                                    std::string{"ftp://example.net"},
                                    std::string{"https://example.net/"},
                                    std::string{"http://"},
                                    std::string{"http:///path"},
                                    std::string{"http://:80/"},
                                    std::string{"http://a:0/"},
                                    std::string{"http://a:65536/"},
                                    std::string{"http://a:/"},
                                    std::string{"http://a:1x/"},
                                    std::string{"http://[::1/"},
                                    std::string{"http://[::1]x/"},
                                    std::string{"http://[192.0.2.1]/"},
                                    std::string{"http://[]/"},
                                    std::string{"http://2001:db8::1/"},
                                    std::string{"http://user@a/"},
                                    std::string{"http://a/#b"},
                                    std::string{"http://a/ b"},
                                    std::string{"http://a/\r\nHost: b"},
                                    std::string{"http://\xc3\xa4/"},
                                    "http://" + std::string(254, 'a') + "/",
                                    "http://a/" + std::string(2048, 'a')}) {
        const auto url = parse_http_url(text);
        ASSERT_FALSE(url.has_value()) << text;
        EXPECT_EQ(url.error().code(), Errc::bad_input) << text;
        EXPECT_FALSE(url.error().cure().empty()) << text;
    }
}

}  // namespace
}  // namespace muster::node
