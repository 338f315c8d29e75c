#pragma once

#include <vector>

#include "discovery/mdns_types.h"
#include "names/dns_message.h"

namespace muster::discovery {

/// Questions with what is known already; what does not fit goes into further packets, announced by the TC bit
/// (RFC 6762 section 7.2).
std::vector<Bytes> query_packets(const std::vector<names::Question>& questions,
                                 const std::vector<names::Record>& known, std::size_t limit);

/// A probe: the questions (any type) and what we propose (section 8.1). Every name stands with its proposal.
struct ProbeItem {
    names::Question question;
    std::vector<names::Record> proposed;
};
std::vector<Bytes> probe_packets(const std::vector<ProbeItem>& probes, std::size_t limit);

/// Answers, in as few packets as possible; additional records ride along, and those without room
/// become answers of the next packet rather than questions of everybody who got the first. `sent`
/// gets what is in them.
std::vector<Bytes> response_packets(const std::vector<names::Record>& answers,
                                    const std::vector<names::Record>& additionals, std::size_t limit,
                                    std::vector<names::Record>& sent);

/// The one packet that answers a one-shot query (section 6.7): its id and questions repeated, short lives, no
/// cache-flush bits.
Bytes one_shot_response(std::uint16_t id, const std::vector<names::Question>& questions,
                        const std::vector<names::Record>& answers,
                        const std::vector<names::Record>& additionals, std::size_t limit);

}  // namespace muster::discovery
