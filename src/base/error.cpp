#include "muster/error.h"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "base/text.h"

namespace muster {
namespace {

constexpr std::size_t kMaxEvidence = 64;  // one race over 16 interfaces x 4 candidates; more helps nobody

class Category final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "muster"; }
    std::string message(int code) const override { return std::string(to_string(static_cast<Errc>(code))); }
};

}  // namespace

const boost::system::error_category& error_category() noexcept {
    static const Category category;
    return category;
}

boost::system::error_code make_error_code(Errc code) noexcept {
    return {static_cast<int>(code), error_category()};
}

std::string_view to_string(Errc code) noexcept {
    using enum Errc;
    switch (code) {
        case no_coordinator: return "no_coordinator";
        case no_interface: return "no_interface";
        case unreachable: return "unreachable";
        case no_address: return "no_address";
        case no_route: return "no_route";
        case refused: return "refused";
        case untrusted: return "untrusted";
        case version_mismatch: return "version_mismatch";
        case handshake_failed: return "handshake_failed";
        case name_in_use: return "name_in_use";
        case full: return "full";
        case lost: return "lost";
        case link_down: return "link_down";
        case closed: return "closed";
        case too_slow: return "too_slow";
        case unknown_peer: return "unknown_peer";
        case not_connected: return "not_connected";
        case too_large: return "too_large";
        case queue_full: return "queue_full";
        case cancelled: return "cancelled";
        case cancelled_by_peer: return "cancelled_by_peer";
        case declined: return "declined";
        case already_exists: return "already_exists";
        case bad_name: return "bad_name";
        case checksum_mismatch: return "checksum_mismatch";
        case source_changed: return "source_changed";
        case storage: return "storage";
        case protocol_violation: return "protocol_violation";
        case bad_input: return "bad_input";
        case timed_out: return "timed_out";
        case system: return "system";
        case unsupported: return "unsupported";
    }
    return "unknown";
}

std::string_view to_string(Fault fault) noexcept {
    using enum Fault;
    switch (fault) {
        case none: return "none";
        case silent: return "silent";
        case peer_dead: return "peer_dead";
        case link_dead: return "link_dead";
        case path_moved: return "path_moved";
        case radio_stuck: return "radio_stuck";
        case blocked_by_policy: return "blocked_by_policy";
    }
    return "none";
}

std::string_view cure_of(Fault fault) noexcept {
    using enum Fault;
    switch (fault) {
        case none: return "";
        case silent:
            return "look whether the other device is on and its program runs, and whether a firewall or a "
                   "switch between the two drops UDP; the evidence says what still answers";
        case peer_dead:
            return "start the program at the other device again, or switch the device on; the session goes "
                   "on if it comes back within the grace";
        case link_dead:
            return "plug the cable in, join the Wi-Fi again, or switch the interface on with `ip link set "
                   "dev NAME up`; a second interface would have taken over";
        case path_moved:
            return "nothing, if the device got another address or network: it is looked for there; "
                   "otherwise restore the address or the route";
        case radio_stuck:
            return "switch the interface off and on again, or join the Wi-Fi again: it says that it is up, "
                   "but receives nothing; if it comes back often, switch off its power saving";
        case blocked_by_policy:
            return "allow UDP to the other device: look at the packet filter (`nft list ruleset`), at the "
                   "routes (`ip route get ADDRESS`), and at what was asked of Muster itself to prohibit";
    }
    return "";
}

Error& Error::during(std::string_view attempt) & {
    message_ = std::string(attempt) + ": " + message_;
    return *this;
}

Error& Error::saw(Evidence evidence) & {
    if (evidence_.size() < kMaxEvidence) {
        evidence_.push_back(std::move(evidence));
        return *this;
    }
    if (evidence_.size() == kMaxEvidence)
        evidence_.push_back({"note", "", "more was tried than is listed here"});
    return *this;
}

std::string Error::explain() const {
    std::string text = message_;
    if (fault_ != Fault::none) text += " (" + std::string{to_string(fault_)} + ")";
    for (const auto& [phase, subject, finding] : evidence_) {
        text += "\n  " + phase;
        if (!subject.empty()) text += " " + subject;
        text += ": " + finding;
    }
    if (!cure_.empty()) text += "\n  What to do: " + cure_;
    return text;
}

std::string Error::to_json() const {
    boost::json::array seen;
    for (const auto& [phase, subject, finding] : evidence_)
        seen.push_back(boost::json::object{{"phase", to_valid_utf8(phase)},
                                           {"subject", to_valid_utf8(subject)},
                                           {"finding", to_valid_utf8(finding)}});
    boost::json::object object{{"code", std::string(to_string(code_))},
                               {"message", to_valid_utf8(message_)},
                               {"evidence", std::move(seen)},
                               {"cure", to_valid_utf8(cure_)}};
    if (fault_ != Fault::none) object["fault"] = to_string(fault_);
    return boost::json::serialize(object);
}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
    throw boost::system::system_error(make_error_code(error.code()), error.explain());
}

}  // namespace muster
