#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/random.h"
#include "discovery/link_table.h"
#include "names/dns_message.h"

namespace muster::discovery {

/// One-shot queries (RFC 6762 sections 5.1 and 6.7) that back up the first multicast question for a unique
/// name. Why: a continuous question may not be repeated within a second (5.2), and a record may not be
/// multicast twice within a second (6), so a lost first packet or answer costs a second. A one-shot query
/// from an ephemeral port is outside both rules: its answer comes by unicast, which Wi-Fi also acknowledges.
/// Last-known addresses are asked at once (5.5).
class OneShots {
public:
    struct Query {
        bool multicast = false;
        LinkId link;  ///< for multicast
        Endpoint to;  ///< for unicast
        Bytes packet;
    };

    explicit OneShots(Randomness& random) : random_(random) {}

    /// With FirstStep::group the group is asked at once too: where the first question may not ask for unicast
    /// answers.
    enum class FirstStep : std::uint8_t { hints_only, group };
    void ask(const names::Question& question, const std::vector<Endpoint>& hints, FirstStep first,
             TimePoint now);
    void stop(const names::Question& question);
    /// True if this is an answer to something that we asked lately.
    bool expects(const names::Message& response) const;

    TimePoint next_wakeup() const;
    std::vector<Query> on_timer(const LinkTable& links, TimePoint now);

private:
    struct Plan {
        names::Question question;
        std::vector<Endpoint> hints;
        FirstStep first = FirstStep::hints_only;
        std::size_t step = 0;
        TimePoint begun{};
        TimePoint next{};
        std::uint16_t id = 0;
    };
    static Bytes packet_of(const Plan& plan);

    Randomness& random_;
    std::vector<Plan> plans_;
};

}  // namespace muster::discovery
