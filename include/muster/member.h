#pragma once

#include <optional>
#include <string>
#include <vector>

#include "muster/identity.h"
#include "muster/path_preferences.h"
#include "muster/profile.h"
#include "muster/session.h"

namespace muster {

/// How to join a group.
struct JoinOptions {
    JoinOptions() {}  // NOLINT(modernize-use-equals-default): not an aggregate (g++ 12.2)

    std::string group = "muster";
    std::string name;  ///< For people; empty: the host name.
    InfoMap info;      ///< Told to everyone in the session.
    /// For the coordinator's decision only: a token, a wish. It goes to whoever answers first, unless `coordinator`
    /// says who that must be, or a pin does: no secret that is worth more than the group.
    Bytes context;
    std::optional<Identity> identity;  ///< Empty: Identity::load().
    /// Only this coordinator will do. Empty: the one pinned for the group if there is one, else whoever
    /// answers first, who is pinned from then on (trust on first use).
    std::optional<DeviceId> coordinator;
    bool pin = true;  ///< Remember the coordinator's key for the group; needs a stored identity.
    /// Known addresses, as parse_endpoint() reads them, tried besides discovery.
    std::vector<std::string> at;
    bool discover = true;  ///< Look for the group by mDNS.
    /// Until an encrypted link stands. Without `discover` the join fails sooner if it is known sooner: at once
    /// if another device than the wanted one answers, after a second if no interface can carry packets to `at`.
    Duration patience = std::chrono::seconds{10};
    /// How long the session outlives its link (PeerInterrupted). Meanwhile this end looks for the coordinator again:
    /// over every interface, at all addresses that it knows and those that discovery finds. The shorter of both ends'
    /// graces counts. 0: a lost link ends the session.
    Duration grace = std::chrono::seconds{30};
    Profile profile = Profile::balanced;
    PathPreferences paths;  ///< Which interfaces to use; Session::set_path_preferences() changes it later.
    /// Lets the kernel use new IPv6 addresses at once, while it still asks whether another device has them (RFC 4429),
    /// instead of 1 to 2 s after an interface has come up. That is a setting of each interface (optimistic_dad,
    /// use_optimistic) and for all programs; it needs CAP_NET_ADMIN, and is put back at the end of the session.
    /// Explanation::tried says what was done, or why not.
    bool fast_ipv6 = false;
    SessionLimits limits;
    /// A file that keeps the session, so that it outlives this process: another one of the same device with the same
    /// journal goes on with it, if it joins before the coordinator's grace for this member is over
    /// (Member::is_restored). What was sent and not acknowledged is sent, messages that the application had not dealt
    /// with come again (Message::redelivered), and nothing is lost or comes twice unmarked. Byte streams and files are
    /// reset. If the coordinator does not know the session any more the device joins anew, and what was saved is lost;
    /// a log line says so. Each message waits for a write. Empty: no journal. The usual place:
    /// Identity::member_journal_file(). Name, info and limits of a session that goes on are the old ones. A file of one
    /// process at a time, of mode 0600, with all that is on its way in the clear. It needs `coordinator`, or `pin` and a
    /// stored identity: else whoever answers first would make the device forget its session.
    std::string journal;
};

/// A device that has joined.
class Member : public Session {
public:
    using Session::Session;
    using Handler = boost::asio::any_completion_handler<void(Result<Member>)>;

    /// Who was joined.
    const PeerInfo& coordinator() const;
    /// Start to the first answer of the coordinator, to the encrypted link, to the membership.
    Duration found_after() const;
    Duration connected_after() const;
    Duration joined_after() const;
    /// It goes on with the session of an earlier process (JoinOptions::journal).
    bool is_restored() const;
};

namespace detail {
void start_join(boost::asio::any_io_executor executor, JoinOptions options, Member::Handler handler);
}

/// Finds the coordinator of a group, connects over the first path that works, and asks to join.
/// Errors: no_coordinator, no_interface, unreachable, refused, untrusted, name_in_use, full,
/// version_mismatch, handshake_failed, timed_out, lost, closed (by the coordinator meanwhile), protocol_violation,
/// bad_name, bad_input (also the journal of another device or group), too_large, storage, system, cancelled,
/// already_exists (another process has the journal; or no address is known, and another program keeps the port of
/// mDNS for itself); each with what was tried. Reads the pins, and the device key unless JoinOptions::identity has it,
/// in the calling thread, and there opens, checks and reads the journal, for which it waits up to 1 s if another
/// process has it.
/// Cancellation: terminal; nothing stays behind.
template <class Token = boost::asio::use_awaitable_t<>>
auto join(boost::asio::any_io_executor executor, JoinOptions options = {}, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(Result<Member>)>(
        [](auto handler, boost::asio::any_io_executor where, JoinOptions how) {
            detail::start_join(std::move(where), std::move(how), std::move(handler));
        },
        token, std::move(executor), std::move(options));
}

}  // namespace muster
