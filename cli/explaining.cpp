#include "explaining.h"

#include "peers.h"

namespace muster::cli {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMostExplained = 20;  // peers at once

}  // namespace

asio::awaitable<Result<std::vector<Explanation>>> explain_peers(Session& session, std::string who) {
    const Roster roster = session.roster();
    const auto found = find_peers(roster, session.id(), who);
    if (!found) co_return found.error();
    const PeerInfo* self = roster.find(session.id());
    const bool is_coordinator = self && self->is_coordinator;
    std::vector<Explanation> told;
    for (const PeerInfo& peer : found->peers) {
        if (told.size() == kMostExplained) break;
        if (found->peers.size() > 1) {
            // An explanation reads the whole timeline. Who of ten thousand is not connected costs no such thing, and who
            // never is to this end, a member to another, costs nothing.
            if (!is_coordinator && !peer.is_coordinator) continue;
            const auto path = co_await session.path_to(peer.id);
            if (!path) continue;
        }
        told.push_back(co_await session.explain(peer.id));
    }
    co_return told;
}

}  // namespace muster::cli
