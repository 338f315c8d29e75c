#include "link/verdict.h"

#include <string_view>

namespace muster::link {
namespace {

using Report = PathFindings::Report;
using Route = PathFindings::Route;

std::string_view text_of(SendRefusal refusal) {
    switch (refusal) {
        case SendRefusal::none: return "";
        case SendRefusal::filtered: return "the kernel refuses to send: operation not permitted";
        case SendRefusal::no_route: return "the kernel has no route there";
        case SendRefusal::no_interface: return "the kernel says that the interface is gone";
        case SendRefusal::no_source: return "the kernel does not send from the own address any more";
    }
    return "";
}

std::string_view text_of(Report report) {
    switch (report) {
        case Report::none: return "";
        case Report::no_port: return "nobody listens on the port";
        case Report::prohibited: return "administratively prohibited";
        case Report::no_host: return "host unreachable";
        case Report::no_network: return "network unreachable";
    }
    return "";
}

std::string count(unsigned number, std::string_view what) {
    return std::to_string(number) + " " + std::string{what} + (number == 1 ? "" : "s");
}

/// The next hop is known not to answer for its link-layer address, or could not be asked.
bool is_hop_silent(const PathFindings& found) { return !found.hop_answers && !found.device_answers; }

Fault by_refusal(SendRefusal refusal, Route route) {
    if (route == Route::forbidden) return Fault::blocked_by_policy;
    switch (refusal) {
        case SendRefusal::none: return route == Route::gone ? Fault::path_moved : Fault::none;
        case SendRefusal::filtered: return Fault::blocked_by_policy;
        case SendRefusal::no_interface: return Fault::link_dead;
        case SendRefusal::no_route:
        case SendRefusal::no_source: return Fault::path_moved;
    }
    return Fault::none;
}

Fault by_report(const PathFindings& found) {
    switch (found.report) {
        case Report::none: return Fault::none;
        // Only its own device knows about a port; a router that says so is a firewall.
        case Report::no_port: return found.by_peer ? Fault::peer_dead : Fault::blocked_by_policy;
        case Report::prohibited: return Fault::blocked_by_policy;
        case Report::no_host: return Fault::peer_dead;
        case Report::no_network: return Fault::path_moved;
    }
    return Fault::none;
}

/// Who else is silent, and who is not.
Fault by_company(const Symptoms& seen) {
    if (!seen.findings) return seen.links_heard > 0 && seen.silent_ways > 1 ? Fault::peer_dead : Fault::none;
    const PathFindings& found = *seen.findings;
    const bool hears_others = seen.links_heard > 0 || found.others_answered > 0;
    const bool is_alone = hears_others && found.is_on_link && is_hop_silent(found);
    if (is_alone) return Fault::peer_dead;
    const unsigned silent_others = seen.links_silent + found.others_asked;
    const bool hears_nothing = !hears_others && is_hop_silent(found) && found.received == 0;
    if (hears_nothing && silent_others > 0) return Fault::radio_stuck;
    // One way may break; that several do at the same moment is what their common end would cause.
    return seen.silent_ways > 1 ? Fault::peer_dead : Fault::none;
}

void tell_findings(const Symptoms& seen, std::vector<Evidence>& evidence) {
    const PathFindings& found = *seen.findings;
    const auto add = [&](std::string phase, std::string subject, std::string what) {
        evidence.push_back({std::move(phase), std::move(subject), std::move(what)});
    };
    if (found.report != Report::none)
        add("icmp", seen.path, found.reporter.to_string() + " says: " + std::string{text_of(found.report)});
    if (found.route == Route::gone) add("route", seen.path, "the kernel's route there is gone");
    if (found.route == Route::forbidden) add("route", seen.path, "the kernel's route there forbids it");
    const std::string hop = found.is_on_link ? "the peer's device" : "the router on the way";
    if (found.device_answers) add("device", seen.path, "the peer's device answers, but not on this port");
    if (found.was_probed)
        add("neighbour", seen.interface,
            hop + (found.hop_answers ? " answers for its link-layer address"
                                     : " does not answer for its link-layer address"));
    if (found.others_asked > 0)
        add("neighbour", seen.interface,
            std::to_string(found.others_answered) + " of " + count(found.others_asked, "other neighbour") +
                " answered");
    if (found.received)
        add("interface", seen.interface,
            *found.received == 0
                ? "nothing at all was received while it was asked"
                : count(static_cast<unsigned>(*found.received), "packet") + " received while it was asked");
}

std::vector<Evidence> evidence_of(const Symptoms& seen) {
    std::vector<Evidence> evidence;
    if (!seen.obstacle.is_empty()) evidence.push_back({"link", seen.path, seen.obstacle.why});
    if (seen.is_forgotten)
        evidence.push_back({"link", seen.path, "the peer's device knows the link no longer"});
    if (seen.told != Fault::none)
        evidence.push_back(
            {"peer", seen.path, "the peer says of its own end: " + std::string{to_string(seen.told)}});
    if (seen.refusal != SendRefusal::none)
        evidence.push_back({"send", seen.path, std::string{text_of(seen.refusal)}});
    if (seen.findings) tell_findings(seen, evidence);
    if (seen.links_heard + seen.links_silent > 0)
        evidence.push_back({"peers", seen.interface,
                            count(seen.links_heard, "other peer") + " heard meanwhile, " +
                                count(seen.links_silent, "other") + " silent too"});
    if (seen.peer_lives) evidence.push_back({"path", seen.path, "the peer is heard by another path"});
    if (seen.silent_ways > 1)
        evidence.push_back(
            {"paths", "", "all ways fell silent together, over " + count(seen.silent_ways, "interface")});
    return evidence;
}

/// What looks like the end of a peer that is known to live: its end of this path is gone, or another device has its
/// address there.
Fault far_end(const PathFindings& found) {
    return found.report == Report::no_port ? Fault::path_moved : Fault::link_dead;
}

Fault fault_of(const Symptoms& seen) {
    if (!seen.obstacle.is_empty()) return seen.obstacle.fault;
    if (seen.is_forgotten) return Fault::peer_dead;
    if (seen.told != Fault::none) return seen.told;
    const PathFindings found = seen.findings.value_or(PathFindings{});
    const SendRefusal refusal = seen.refusal != SendRefusal::none ? seen.refusal : found.refusal;
    for (const Fault fault : {by_refusal(refusal, found.route), by_report(found), by_company(seen)})
        if (fault != Fault::none)
            return seen.peer_lives && fault == Fault::peer_dead ? far_end(found) : fault;
    return Fault::silent;
}

}  // namespace

Verdict judge(const Symptoms& symptoms) {
    return {.fault = fault_of(symptoms), .evidence = evidence_of(symptoms)};
}

Error with_verdict(Error error, const Verdict& verdict) {
    error.fault(verdict.fault);
    for (const Evidence& each : verdict.evidence) error.saw(each);
    if (error.cure().empty() || verdict.is_certain()) error.cure(std::string{cure_of(verdict.fault)});
    return error;
}

}  // namespace muster::link
