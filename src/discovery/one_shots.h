#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/random.h"
#include "discovery/link_table.h"
#include "names/dns_message.h"

namespace muster::discovery {

/// One-shot queries (RFC 6762 sections 5.1 and 6.7) that back up the first multicast question for what has
/// one owner. Why: a continuous question may not be repeated within a second (5.2), and a record may not be
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

    /// Repeats a question that the querier asks too, until it is stopped.
    void back_up(const names::Question& question, const std::vector<Endpoint>& hints, TimePoint now);
    /// Asks the group once whether somebody has what we are about to probe for: a holder answers within 10
    /// ms, while the first probe waits for up to 250 ms (section 8.1).
    void ask_first(const names::Question& question, TimePoint now);
    void stop(const names::Question& question);
    /// True if this is an answer to something that we asked lately.
    bool expects(const names::Message& response) const;

    TimePoint next_wakeup() const;
    /// With FirstStep::group a back-up begins at once: where the first question may not ask for unicast
    /// answers. That is known only when the sockets are open, so it is told here.
    enum class FirstStep : std::uint8_t { hints_only, group };
    std::vector<Query> on_timer(const LinkTable& links, FirstStep first, TimePoint now);

private:
    enum class Purpose : std::uint8_t { back_up, ask_first };
    struct Plan {
        Purpose purpose = Purpose::back_up;
        names::Question question;
        std::vector<Endpoint> hints;
        std::size_t step = 0;
        TimePoint begun{};
        TimePoint next{};
        std::uint16_t id = 0;
    };
    void add(Purpose purpose, const names::Question& question, const std::vector<Endpoint>& hints,
             TimePoint now);
    static bool asks_group(const Plan& plan, FirstStep first);
    static Bytes packet_of(const Plan& plan);

    Randomness& random_;
    std::vector<Plan> plans_;
};

}  // namespace muster::discovery
