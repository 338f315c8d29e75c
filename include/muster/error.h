#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <boost/system/system_error.hpp>

namespace muster {

/// Every way in which Muster can fail. The names are stable and appear in JSON (`"code": "no_coordinator"`);
/// numbers may change between versions. Each one is described in docs/ERRORS.md.
enum class Errc {
    // finding
    no_coordinator = 1,  ///< nobody announced the group before the deadline
    no_interface,        ///< no interface can carry packets: all are down or without carrier
    unreachable,         ///< the coordinator was found, but no candidate answered
    no_address,  ///< the interface that was named has no own address (yet) by which an answer could come back
    no_route,    ///< nothing leads to the address over the interface that was named
    // joining
    refused,           ///< the coordinator's application or its allow list said no; the reason says why
    untrusted,         ///< the peer's key is not the one that is pinned for its name
    version_mismatch,  ///< the two ends share no protocol version
    handshake_failed,  ///< TLS or QUIC refused; the text names the alert
    name_in_use,       ///< another live member has this device id or name
    full,              ///< the coordinator has as many members as it allows
    // living
    lost,           ///< the peer fell silent for longer than the liveness bound
    link_down,      ///< the local interface under the link went away
    closed,         ///< this end or the other closed the session; see the close reason
    too_slow,       ///< the peer left its queue full for longer than the patience
    unknown_peer,   ///< no member has this id
    not_connected,  ///< the session is not up yet or has ended
    // data
    too_large,          ///< the message, name or context is longer than its limit
    queue_full,         ///< a bounded queue is full and the operation does not wait
    cancelled,          ///< the operation was cancelled by this end
    cancelled_by_peer,  ///< the other end cancelled; the reason says why
    declined,           ///< the receiver did not want the file or stream
    already_exists,     ///< a file of this name is there already; Muster never overwrites
    bad_name,           ///< a name is empty, too long, or has control characters or path separators
    checksum_mismatch,  ///< what arrived is not what was sent
    source_changed,     ///< the file changed while it was being sent
    storage,            ///< the disk refused: full, read-only, permission
    // everything else
    protocol_violation,  ///< the peer sent something that the protocol forbids
    bad_input,           ///< an argument or a configuration value is wrong; the text says which
    timed_out,           ///< a deadline passed
    system,              ///< the operating system refused; the text has the call and its reason
    unsupported,         ///< this build, kernel or peer cannot do it
};

const boost::system::error_category& error_category() noexcept;
boost::system::error_code make_error_code(Errc code) noexcept;

/// Returns the stable lower-case name of a code, as used in JSON.
std::string_view to_string(Errc code) noexcept;

/// Which kind of thing has failed between two devices, judged from evidence. The names are stable and appear in
/// JSON (`"fault": "link_dead"`). Each one is described in docs/ERRORS.md.
enum class Fault : std::uint8_t {
    none,    ///< no path has failed, or nothing was judged
    silent,  ///< no answer, and nothing tells the peer from the way to it; the evidence says what was tried
    peer_dead,  ///< the peer's program or device is gone: its device or its successor says so, or it is alone silent
    link_dead,    ///< an interface under the path is switched off, without carrier or removed, at either end
    path_moved,   ///< an address or a route under the path has gone or changed, at either end
    radio_stuck,  ///< the interface is up and sends, and nothing at all comes in from anybody
    blocked_by_policy,  ///< a packet filter, a route or a preference forbids it, and says so
};

/// Returns the stable lower-case name of a class, as used in JSON.
std::string_view to_string(Fault fault) noexcept;

/// What a person can do about it, in a sentence; empty for none.
std::string_view cure_of(Fault fault) noexcept;

/// One thing that was tried or seen on the way to a failure.
struct Evidence {
    std::string phase;    ///< what was being done: "discover", "probe", "handshake", "join", ...
    std::string subject;  ///< on what: "wlan0", "[fe80::1%eth0]:4711", "report.pdf"
    std::string finding;  ///< what came of it: "no answer within 1000 ms"

    bool operator==(const Evidence&) const = default;
};

/// What failed, where, why, and what to do about it. A value: copy, compare, keep it.
class Error {
public:
    Error() = default;  ///< For containers that need one; never returned.
    Error(Errc code, std::string message) : code_(code), message_(std::move(message)) {}

    Errc code() const noexcept { return code_; }
    /// One sentence without a full stop: what failed, on what.
    const std::string& message() const noexcept { return message_; }
    /// What to do about it; empty if nothing sensible can be said.
    const std::string& cure() const noexcept { return cure_; }
    const std::vector<Evidence>& evidence() const noexcept { return evidence_; }
    /// Which kind of thing failed, if a path was judged; none otherwise.
    Fault fault() const noexcept { return fault_; }

    /// Puts the attempt that failed in front: "joining 'stage' via wlan0: <message>".
    Error& during(std::string_view attempt) &;
    Error&& during(std::string_view attempt) && { return std::move(during(attempt)); }
    Error& cure(std::string text) & {
        cure_ = std::move(text);
        return *this;
    }
    Error&& cure(std::string text) && { return std::move(cure(std::move(text))); }
    Error& fault(Fault kind) & {
        fault_ = kind;
        return *this;
    }
    Error&& fault(Fault kind) && { return std::move(fault(kind)); }
    /// Adds what was tried. Keeps the first 64; a longer list says how many were left out.
    Error& saw(Evidence evidence) &;
    Error&& saw(Evidence evidence) && { return std::move(saw(std::move(evidence))); }

    /// Several lines for a person: the message, what was tried, the cure.
    std::string explain() const;
    /// One JSON object, stable: {"code","message","evidence":[{"phase","subject","finding"}],"cure"}, and "fault"
    /// unless it is none.
    std::string to_json() const;

    bool operator==(const Error&) const = default;

private:
    Errc code_ = Errc::system;
    Fault fault_ = Fault::none;
    std::string message_;
    std::string cure_;
    std::vector<Evidence> evidence_;
};

/// A value or the Error that explains why there is none. `value()` throws boost::system::system_error if
/// there is none.
template <class T = void>
using Result = boost::system::result<T, Error>;

/// Called by Result::value() when there is no value.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& location);

}  // namespace muster

template <>
struct boost::system::is_error_code_enum<muster::Errc> : std::true_type {};
