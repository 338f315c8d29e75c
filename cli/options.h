#pragma once

#include <optional>
#include <string>
#include <vector>

#include "inbox.h"

#include "muster/error.h"
#include "muster/ids.h"
#include "muster/path_preferences.h"
#include "muster/profile.h"
#include "muster/session_types.h"
#include "muster/time.h"

namespace CLI {
class App;
}

namespace muster {
class Identity;
}

namespace muster::cli {

// Options that several commands have. What they take is checked while the command line is read, so that a
// mistake is a usage error and nothing has begun yet.

void add_group(CLI::App& app, std::string& group);
void add_name(CLI::App& app, std::string& name);
void add_info(CLI::App& app, InfoMap& info);
void add_profile(CLI::App& app, Profile& profile);
/// May be given several times, or with commas.
void add_devices(CLI::App& app, const std::string& flag, std::vector<DeviceId>& devices,
                 const std::string& help);
void add_seconds(CLI::App& app, const std::string& flag, std::optional<Duration>& duration,
                 const std::string& help);
/// --grace: how long a session outlives its link.
void add_grace(CLI::App& app, Duration& grace);
void add_text(CLI::App& app, const std::string& flag, const std::string& label, std::string& text,
              const std::string& help);
void add_flag(CLI::App& app, const std::string& flag, bool& value, const std::string& help);
/// --accept-files, and how many of them.
void add_inbox(CLI::App& app, InboxOptions& inbox);
/// A directory that exists.
void add_directory(CLI::App& app, const std::string& flag, std::string& path, const std::string& help);
/// "192.0.2.1:4711", "[fe80::1%eth0]:4711"; may be given several times.
void add_addresses(CLI::App& app, const std::string& flag, std::vector<std::string>& addresses,
                   const std::string& help);
/// The argument TYPE: "_http._tcp".
void add_service_type(CLI::App& app, std::string& type, const std::string& help);
/// Interfaces by name, pattern or kind; may be given several times.
void add_selectors(CLI::App& app, const std::string& flag, std::vector<std::string>& selectors,
                   const std::string& help);
/// --require, --prohibit, --prefer, --metered: interfaces by name, pattern or kind; each may be given several times.
void add_paths(CLI::App& app, PathPreferences& paths);
/// --pid: which of the running processes.
void add_pid(CLI::App& app, std::optional<std::uint32_t>& pid);
/// --fast-ipv6.
void add_fast_ipv6(CLI::App& app, bool& wanted);
void add_interfaces(CLI::App& app, std::vector<std::string>& interfaces);

/// Whether sessions outlive this program, and where they are kept.
struct JournalChoice {
    bool is_durable = false;
    std::string file;

    bool is_wanted() const { return is_durable || !file.empty(); }
    /// The file; empty if none is wanted. `usual`: of the device, for this group.
    Result<std::string> path(const Identity& identity, const std::string& group,
                             Result<std::string> (Identity::*usual)(const std::string&) const) const;
};
/// --durable, --journal.
void add_journal(CLI::App& app, JournalChoice& journal, const std::string& what);

}  // namespace muster::cli
