#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "discovery/discovery.h"

#include "muster/endpoint.h"
#include "muster/ids.h"
#include "muster/time.h"

namespace muster::node {

/// Somebody is said to hold the name that we want. What mDNS says is a hint: anybody on the network can forge it.
struct NameClaim {
    Endpoint at;                 ///< Where its holder should answer.
    std::optional<DeviceId> id;  ///< Whose key it says it has.
    std::string name;            ///< What it calls itself: clean, may be empty.

    std::string to_string() const;  ///< For people.
};

/// `group`: whose name it is. What the holder's packet says, with cleaned text.
NameClaim claim_of(const discovery::NameHolder& holder, std::string_view group);

/// What has become of a claim, and what to do about it.
struct NameVerdict {
    enum class Kind {
        taken,        ///< Another coordinator has proved its key, and nobody knows us yet: end.
        contested,    ///< Another coordinator has proved its key, and we are in use: tell, and go on.
        unproven,     ///< Nobody proved anything: go on.
        probe_again,  ///< The pause is over: try to get the name back.
    };
    Kind kind = Kind::unproven;
    NameClaim claim{};
    DeviceId proven{};  ///< Whose key was proved: `taken` and `contested`.
};

/// Judges claims to a group's name: asks the claimed holder for its key before it believes anything, and tries
/// to get the name back with growing pauses. An engine; the asking is done by whoever owns it.
class NameDispute {
public:
    /// The name was ours for a moment: members may have found us by it.
    void on_announced() { was_announced_ = true; }
    /// True: ask the holder now, and tell what came of it by on_answer. False: that is being done.
    bool on_claim(NameClaim claim);
    /// `proven`: who has proved its key there. `in_use`: members have joined.
    void on_answer(const std::optional<DeviceId>& proven, bool in_use, TimePoint now);

    const NameClaim& claim() const { return claim_; }
    TimePoint next_wakeup() const { return again_; }
    void on_timer(TimePoint now);
    std::optional<NameVerdict> take_verdict() { return std::exchange(verdict_, std::nullopt); }

private:
    bool was_announced_ = false;
    bool is_asking_ = false;
    NameClaim claim_;
    std::optional<DeviceId> rival_;  // has been told
    Duration pause_{};
    TimePoint again_ = kNever;
    TimePoint last_{};  // answer
    std::optional<NameVerdict> verdict_;
};

}  // namespace muster::node
