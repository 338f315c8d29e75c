#include "files/file_name.h"

#include "base/text.h"

namespace muster::files {
namespace {

Error bad_name(const char* why) { return Error{Errc::bad_name, std::string("the file name ") + why}; }

}  // namespace

Result<void> check_file_name(std::string_view name, HiddenNames hidden) {
    if (name.empty()) return bad_name("is empty");
    if (name.size() > kMaxFileName) return bad_name("is longer than 255 octets");
    if (name == "." || name == "..") return bad_name("means a directory");
    if (name.starts_with(".muster-")) return bad_name("is reserved for unfinished transfers");
    for (std::string_view rest = name; !rest.empty();) {
        const Character next = take_character(rest);
        if (!next.code) return bad_name("is not valid UTF-8");
        if (*next.code == U'/' || *next.code == U'\\') return bad_name("has a path separator");
        if (!is_plain(*next.code))
            return bad_name("has control characters or marks of the reading direction");
    }
    if (name.front() == '.' && hidden == HiddenNames::refuse) return bad_name("begins with a dot");
    return {};
}

std::string_view base_name(std::string_view path) {
    while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
    const auto slash = path.rfind('/');
    return slash == std::string_view::npos || path.size() == 1 ? path : path.substr(slash + 1);
}

std::string numbered_name(std::string_view name, unsigned number) {
    const auto dot = name.rfind('.');
    // A dot in front begins a hidden name, and what follows the 20th octet from the end is no extension.
    const bool has_extension = dot != std::string_view::npos && dot > 0 && name.size() - dot <= 20;
    const std::string_view extension = has_extension ? name.substr(dot) : std::string_view{};
    const std::string suffix = " (" + std::to_string(number) + ")" + std::string(extension);
    const std::string_view stem = name.substr(0, name.size() - extension.size());
    return std::string(shortened(stem, kMaxFileName - suffix.size())) + suffix;
}

}  // namespace muster::files
