#pragma once

#include <string>
#include <string_view>

#include "muster/error.h"

namespace muster::files {

/// The longest file name that Linux file systems store (NAME_MAX), in octets.
inline constexpr std::size_t kMaxFileName = 255;

enum class HiddenNames { refuse, allow };

/// Checks that `name` is a single file name that is safe to create in a directory: 1 to 255 octets of valid
/// UTF-8 of plain characters (muster/text.h) without '/' and '\', and not "." or "..". Names that
/// begin with a dot would hide the file or configure a program, so they are refused unless allowed; those of
/// Muster's part files always are.
/// Refuses rather than repairs, so that both ends mean the same file. Errors: bad_name; the text says why.
Result<void> check_file_name(std::string_view name, HiddenNames hidden = HiddenNames::refuse);

/// The last component of a path; what a file is offered as unless told otherwise.
std::string_view base_name(std::string_view path);

/// "report (2).pdf" for ("report.pdf", 2); the stem is shortened so that the result fits kMaxFileName.
std::string numbered_name(std::string_view name, unsigned number);

}  // namespace muster::files
