// The paths of links that stand: which of them work, and when a link goes to another one or is lost.
#include "base/duration_text.h"
#include "link/candidates.h"
#include "link/link_engine.h"
#include "link/quic_link.h"

namespace muster::link {

void LinkEngine::on_interfaces(std::span<const Interface> interfaces, TimePoint now) {
    now_ = now;
    std::map<InterfaceIndex, std::string> names;
    for (const Interface& each : interfaces) names.emplace(each.index, each.name);
    // What is gone now has its name still while it is told.
    interface_names_.insert(names.begin(), names.end());
    std::vector<LinkSerial> all;
    all.reserve(links_.size());
    for (const auto& [serial, link] : links_) all.push_back(serial);
    for (const LinkSerial serial : all) {
        const auto found = links_.find(serial);
        if (found == links_.end() || !found->second->is_up()) continue;
        QuicLink& link = *found->second;
        const auto why = dead_end(link, interfaces);
        record_paths(link);
        if (why) {
            Symptoms seen = symptoms_of(link, link.last_heard());
            seen.obstacle = *why;
            end(link, with_verdict({Errc::link_down, why->why}, judge(seen)));
        } else if (advance(link)) {
            reschedule(link);
        }
    }
    interface_names_ = std::move(names);
}

std::optional<Obstacle> LinkEngine::dead_end(QuicLink& link, std::span<const Interface> interfaces) {
    if (PathTable* table = link.paths()) {
        table->on_interfaces(interfaces);
        const bool is_over = !table->obstacle().is_empty() && !table->has_hope();
        return is_over ? std::optional{table->obstacle()} : std::nullopt;
    }
    const Path current = path(link);
    auto why = obstacle(current, interfaces);
    if (!why) link.way_back().end();
    return !why || link.way_back().begin(current, *why, interfaces, now_) ? std::nullopt : why;
}

void LinkEngine::offer_paths(LinkPort& port, std::span<const OfferedPath> paths, TimePoint now) {
    now_ = now;
    auto& link = static_cast<QuicLink&>(port);
    if (!link.paths()) return;
    link.paths()->offer(paths, now);
    if (advance(link)) reschedule(link);
}

bool LinkEngine::advance(QuicLink& link) {
    if (!link.is_up()) return false;
    for (const Path& along : link.way_back().due(now_)) {
        const Bytes request = link.leave_request();
        medium_.send(along, request, request.size(), 0);
    }
    PathTable* table = link.paths();
    if (!table) return true;
    while (const auto due = table->next_question(now_)) {
        const Path along = table->path(*due);
        const Bytes question = link.ask(*due, now_);
        medium_.send(along, question, question.size(), 0);
    }
    record_paths(link);
    look_into(link);
    const auto way = table->next_move(now_);
    return !way || move(link, *way);
}

bool LinkEngine::move(QuicLink& link, const Move& to) {
    PathChange change{.from = link.paths()->current(), .to = to.to, .why = to.why, .fault = to.fault};
    const quic::PathId id = path_id(to.to);
    if (!link.connection().migrate(id, now_)) {
        const Duration refused = link.paths()->on_refused(now_);
        if (!to.is_urgent || refused < liveness_bound(options_.profile)) return true;
        // A fresh link can go there, and the session goes on over it.
        link.connection().close(kLostCode, "its path failed");
        end(link, Error{Errc::link_down, to.why}
                      .fault(to.fault)
                      .cure(std::string{cure_of(to.fault)})
                      .saw({"link", change.from.to_string(),
                            to.why + "; QUIC could not move to " + to.to.to_string()}));
        return false;
    }
    if (to.fault == Fault::silent) change.fault = judge_left_path(link, change.from).fault;
    link.set_path(id);
    link.paths()->on_moved(to.to, now_);
    record_move(link, change);
    events_.on_path_changed(link, change);
    return advance(link);
}

void LinkEngine::path_changed(QuicLink& link, quic::PathId path) {
    const Path* to = find_path(path);
    if (!to) return;
    PathChange change{
        .from = this->path(link), .to = *to, .why = "the peer moved", .fault = Fault::path_moved};
    if (link.way_back().is_asking()) change.fault = link.way_back().why().fault;
    link.set_path(path);
    link.way_back().end();
    if (PathTable* table = link.paths()) {
        table->on_moved(change.to, now_);
        change.why = "the way to the new path was not confirmed";
        change.fault = Fault::silent;
    } else {
        link.way_back().note(change.from);
    }
    if (!link.is_up()) return;
    record_move(link, change);
    events_.on_path_changed(link, change);
}

std::vector<PathFacts> LinkEngine::paths(const LinkPort& port) const {
    const auto& link = static_cast<const QuicLink&>(port);
    if (link.paths()) return link.paths()->facts(now_);
    return {{.path = path(link),
             .is_current = true,
             .is_ready = true,
             .round_trip = rtt(link),
             .finding = "in use"}};
}

/// No path has shown in time that the peer can be reached.
void LinkEngine::lose(QuicLink& link) {
    record_paths(link);
    const std::string silence = "nothing heard for " + in_milliseconds(now_ - link.last_heard());
    Symptoms seen = symptoms_of(link, link.last_heard());
    const Verdict verdict = judge(seen);
    Error why =
        seen.obstacle.is_empty() ? Error{Errc::lost, silence} : Error{Errc::link_down, seen.obstacle.why};
    why = with_verdict(std::move(why), verdict);
    why.saw(
        {"liveness", seen.path, silence + ", " + std::to_string(link.unanswered()) + " probes unanswered"});
    for (const PathFacts& other : paths(link))
        if (!other.is_current) why.saw({"path", other.path.to_string(), other.finding});
    if (!verdict.is_certain()) keep_open(link, path(link), std::move(seen), link.last_heard());
    // The other way may still work: then the peer learns why.
    link.connection().close(kLostCode, why.message());
    end(link, std::move(why));
}

}  // namespace muster::link
