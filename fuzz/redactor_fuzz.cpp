// What the redactor must leave in no text: an address or a MAC that stands there as a word of its own.
#include <cstdint>
#include <set>

#include "base/check.h"
#include "base/redactor.h"

namespace {

using namespace muster;

bool is_any(char c, std::string_view set) { return set.find(c) != set.npos; }

std::size_t count_left_out(std::string_view text) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find(" characters left out]", at)) != text.npos; ++at) ++count;
    return count;
}

/// Without labels ("proxy:", "reason:") and what ends a sentence.
std::string_view without_decoration(std::string_view word) {
    while (!word.empty() && is_any(word.front(), ":.") && !word.starts_with("::")) word.remove_prefix(1);
    while (!word.empty() && is_any(word.back(), ":.")) word.remove_suffix(1);
    const std::size_t colon = word.find(':');
    const std::string_view label = word.substr(0, colon);
    const bool is_label = colon != word.npos && label.find_first_of("ghijklmnopqrstuvwxyz") != label.npos;
    return is_label ? without_decoration(word.substr(colon + 1)) : word;
}

/// All words, with and without decoration, and without a port.
std::set<std::string, std::less<>> words_of(std::string_view text) {
    constexpr std::string_view kOfWords = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:.-";
    std::set<std::string, std::less<>> found;
    for (char last = ' '; !text.empty();) {
        const std::string_view whole = text.substr(0, text.find_first_not_of(kOfWords));
        // "[2001:db8::1]::5" is no address, nor two; "2a00::[41 characters left out]" was another one, and
        // "81.2.69.142.[2001:db8::1]" was none.
        const bool is_part =
            (last == ']' && whole.starts_with("::")) ||
            ((whole.ends_with("::") || whole.ends_with(".")) && text.substr(whole.size()).starts_with("["));
        last = text[std::max<std::size_t>(1, whole.size()) - 1];
        text.remove_prefix(std::max<std::size_t>(1, whole.size()));
        if (is_part) continue;
        const std::string_view plain = without_decoration(whole);
        found.emplace(whole);
        found.emplace(plain);
        if (plain.find('.') < plain.find(':')) found.emplace(plain.substr(0, plain.find(':')));
    }
    return found;
}

bool is_public_address(std::string_view word) {
    const auto address = IpAddress::parse(word);
    if (!address || Redactor{}.address(*address) == *address) return false;
    return !address->to_string().starts_with("fe80::1:0:");  // its own
}

bool is_public_mac(std::string_view word) {
    constexpr std::string_view kForm = "xx:xx:xx:xx:xx:xx", kHex = "0123456789abcdefABCDEF";
    if (word.size() != kForm.size() || !is_any(word[2], ":-")) return false;
    if (word.find_first_not_of("0:-") == word.npos)
        return false;  // nobody's; with "::" behind it, the address "::"
    for (std::size_t i = 0; i < word.size(); ++i)
        if (kForm[i] == 'x' ? !is_any(word[i], kHex) : word[i] != word[2]) return false;
    return !word.starts_with("02:00:00:00:") && !word.starts_with("02-00-00-00-");  // its own
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const std::string redacted = Redactor{}.text(text);
    // Again, more may look like a key, beside a longer word; and three colons can be read in several ways.
    const std::string again = Redactor{}.text(redacted);
    MUSTER_CHECK(again == redacted || text.find(":::") != text.npos ||
                 count_left_out(again) > count_left_out(redacted));
    const auto left = words_of(redacted);
    for (const std::string& word : words_of(text))
        if (is_public_address(word) || is_public_mac(word)) MUSTER_CHECK(!left.contains(word));
    (void)Redactor{Redactor::Addresses::keep}.text(text);
    return 0;
}
