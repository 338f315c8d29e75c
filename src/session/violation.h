#pragma once

#include <cstddef>
#include <string_view>

namespace muster::session {

/// How the peer broke the protocol, or that it did not. Whoever gets one looks at it: what goes unlooked at is hostile
/// input that was let in.
class [[nodiscard]] Violation {
public:
    Violation() = default;  ///< All is well.
    /// `what`: completes "the peer sent". A literal: it is not copied.
    template <std::size_t kSize>
    Violation(const char (&what)[kSize]) : what_(what, kSize - 1) {  // NOLINT(google-explicit-constructor)
        static_assert(kSize > 1, "a violation has a text; Violation{} is none");
    }

    explicit operator bool() const { return !what_.empty(); }
    std::string_view what() const { return what_; }

private:
    std::string_view what_;
};

}  // namespace muster::session
