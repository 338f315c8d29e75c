#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "muster/identity.h"
#include "muster/path_preferences.h"
#include "muster/profile.h"
#include "muster/session.h"

namespace muster {

/// The answer to a join request.
struct Admission {
    static Admission accept() { return {}; }
    static Admission refuse(std::string why) { return Admission{false, std::move(why)}; }

    bool accepted = true;
    std::string reason;
};

/// How to host a group.
struct HostOptions {
    HostOptions() {}  // NOLINT(modernize-use-equals-default): not an aggregate (g++ 12.2)

    std::string group = "muster";      ///< What members look for; check_name() says what is allowed.
    std::string name;                  ///< For people; empty: the host name.
    InfoMap info;                      ///< Told to every member.
    std::optional<Identity> identity;  ///< Empty: Identity::load().
    TrustPolicy trust;                 ///< Who may join: everyone, or listed devices only.
    /// Decides about devices that the trust policy lets through. Called on the session's strand. A device
    /// about which it throws is refused. Empty: accept.
    std::function<Admission(const JoinRequest&)> admit;
    /// Instead of `admit`: JoinRequest comes as an event, answered by Coordinator::accept
    /// or refuse within 25 s.
    bool ask = false;
    Profile profile = Profile::balanced;
    std::uint16_t port = 0;  ///< UDP; 0: any; with a journal, that of the last process if it is free.
    PathPreferences paths;   ///< Which interfaces to use; Session::set_path_preferences() changes it later.
    /// Lets the kernel use new IPv6 addresses at once, while it still asks whether another device has them (RFC 4429),
    /// instead of 1 to 2 s after an interface has come up. That is a setting of each interface (optimistic_dad,
    /// use_optimistic) and for all programs; it needs CAP_NET_ADMIN, and is put back at the end of the session.
    /// Explanation::tried says what was done, or why not.
    bool fast_ipv6 = false;
    bool advertise = true;  ///< Announce by mDNS; without it members need the address.
    /// How long a member's session outlives its link, waiting for the member to come back (PeerInterrupted). The
    /// shorter of both ends' graces counts. 0: a lost link ends the session.
    Duration grace = std::chrono::seconds{30};
    SessionLimits limits;
    /// A file that keeps the sessions, so that they outlive this process: another one with the same journal,
    /// identity and group goes on with them, also after SIGKILL, as if their links had been interrupted
    /// (PeerJoined with is_restored, and PeerInterrupted, for each; PeerResumed as the members come back within
    /// their grace). What was accepted from members, or by `send`, arrives once and in order. A message that the
    /// application had, and after which it had not asked for the next event, comes again with
    /// Message::redelivered. Empty: none.
    /// - It is made, of mode 0600, if it is not there; its directory must be. It holds secrets of the sessions.
    /// - Every send and every message waits until the file has it. If the disk fails, or does not write for 5 s: JournalFailed.
    /// - Byte streams end, with code lost, and files to or from this device; files between members go on. Unread messages of members that have left are gone.
    /// - close(), abort() and the destructor end the sessions, also for the next process.
    /// - After a loss of power the last changes may be missing; sessions that do not fit any more are lost.
    /// - What is damaged is lost, and the log says so. Limits and grace of restored sessions are the old ones.
    std::string journal;
};

/// The device that the others join.
class Coordinator : public Session {
public:
    using Session::Session;
    using Handler = boost::asio::any_completion_handler<void(Result<Coordinator>)>;

    /// The UDP port that members reach.
    std::uint16_t port() const;
    /// The group is announced by mDNS. False: it was not to be (HostOptions::advertise), or mDNS could not start, and
    /// the log says why; members need the address then.
    bool is_advertised() const;
    /// Answers a JoinRequest event by its ticket. Ignored if the device has gone.
    void accept(std::uint64_t ticket);
    void refuse(std::uint64_t ticket, std::string reason);
    /// Removes one member: it sees closed{code, reason}, the others see it leave.
    void remove(const DeviceId& member, CloseCode code, std::string reason);
};

namespace detail {
void start_host(boost::asio::any_io_executor executor, HostOptions options, Coordinator::Handler handler);
}

/// Starts hosting: opens the sockets, announces the group. Completes as soon as members can join, which takes
/// no network round trip. If another coordinator holds the group on this network (mDNS says so, and it has proved
/// its key), nobody has joined yet, and the group has not been announced, the session ends with name_in_use;
/// later than that the event GroupContested tells it. Reads or makes the device key in the calling thread, unless
/// HostOptions::identity has it, and there opens, checks and reads the journal, for which it waits up to 1 s if another
/// process has it. Errors: bad_name, bad_input (also the journal of another device or group), too_large, storage
/// (identity, journal), already_exists (port taken; journal in use), no_interface (HostOptions::paths allows none),
/// system. Cancellation: none, it completes at once.
template <class Token = boost::asio::use_awaitable_t<>>
auto host(boost::asio::any_io_executor executor, HostOptions options = {}, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(Result<Coordinator>)>(
        [](auto handler, boost::asio::any_io_executor where, HostOptions how) {
            detail::start_host(std::move(where), std::move(how), std::move(handler));
        },
        token, std::move(executor), std::move(options));
}

}  // namespace muster
