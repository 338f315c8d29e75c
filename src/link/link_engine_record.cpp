// What the flight recorder is told of dials, links and paths.
#include "link/link_engine.h"
#include "link/quic_link.h"

namespace muster::link {

void LinkEngine::record(const std::optional<DeviceId>& peer, Seen what) {
    if (options_.recorder) options_.recorder->record(peer, std::move(what), now_);
}

seen::Way LinkEngine::way_of(const Path& path) const {
    return {.remote = path.remote, .interface = interface_of(path), .local = path.local};
}

void LinkEngine::record_dial(const Dial& dial, seen::DialEnded::Outcome outcome, const Error& why) {
    if (!options_.recorder) return;
    seen::DialEnded ended{.outcome = outcome, .took = now_ - dial.began, .why = why};
    // The evidence of a failure says what became of each candidate.
    if (outcome != seen::DialEnded::Outcome::failed) ended.candidates = dial.race.evidence(now_);
    record(dial.expected, std::move(ended));
}

/// Whoever shakes hands has not been let in yet: anybody may, as often as he likes.
void LinkEngine::record_link_up(QuicLink& link) {
    if (link.is_recorded()) return;
    link.set_recorded();
    record(link.peer(), seen::LinkUp{.way = way_of(path(link)),
                                     .is_dialed = link.dial().has_value(),
                                     .took = link.handshake_took()});
}

void LinkEngine::record_link_end(const QuicLink& link, const LinkEnd& how) {
    if (!link.is_recorded() || !options_.recorder) return;
    seen::LinkEnded ended{.way = way_of(path(link)), .silence = now_ - link.last_heard()};
    if (const auto* closed = std::get_if<LinkClosed>(&how))
        ended.reason = closed->reason;
    else
        ended.lost = std::get<Error>(how);
    record(link.peer(), std::move(ended));
}

void LinkEngine::record_paths(QuicLink& link) {
    if (!options_.recorder || !link.paths()) return;
    while (const auto news = link.paths()->take_news(now_)) {
        seen::Way way = way_of(news->path);
        if (news->is_proven)
            record(link.peer(), seen::PathProven{std::move(way), news->round_trip});
        else
            record(link.peer(), seen::PathLost{.way = std::move(way),
                                               .fault = news->fault,
                                               .why = news->why,
                                               .silence = news->silence,
                                               .in_use = news->is_current});
    }
}

void LinkEngine::record_move(const QuicLink& link, const PathChange& change) {
    if (!link.is_recorded()) return;
    record(
        link.peer(),
        seen::PathMoved{
            .from = way_of(change.from), .to = way_of(change.to), .why = change.why, .fault = change.fault});
}

}  // namespace muster::link
