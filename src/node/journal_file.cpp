#include "node/journal_file.h"

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

#include "base/crypto.h"
#include "base/duration_text.h"
#include "base/log.h"
#include "base/writer.h"
#include "node/sqlite.h"
#include "os/files.h"
#include "os/timer.h"

namespace muster::node {

namespace {

using session::JournalBatch;
using session::JournalEntry;
using session::JournalKey;
using session::JournalPart;

// Also of what stands in the entries.
constexpr std::uint64_t kFormat = 1;

constexpr char kSchema[] =
    "CREATE TABLE IF NOT EXISTS owner (device BLOB NOT NULL, name TEXT NOT NULL, role INTEGER NOT NULL,"
    " port INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS entry (session INTEGER, part INTEGER, lane INTEGER, place INTEGER,"
    " number INTEGER NOT NULL, value BLOB NOT NULL, checksum INTEGER NOT NULL,"
    " PRIMARY KEY (session, part, lane, place)) WITHOUT ROWID;"
    "PRAGMA user_version = 1;";

// So late no timer is that only had to wait for its turn.
constexpr Duration kStopped = std::chrono::seconds{1};

/// SQLite checks the log, not the pages of the file.
std::uint64_t checksum_of(const JournalEntry& entry, Sha256& hash) {
    Bytes facts;
    Writer{facts}
        .write(std::uint64_t{entry.key.session})
        .write(static_cast<std::uint64_t>(entry.key.part))
        .write(entry.key.lane)
        .write(entry.key.offset)
        .write(entry.number);
    hash.update(facts);
    hash.update(entry.value.view());
    const Sha256Digest digest = hash.finish();
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < 8; ++i) sum = sum << 8 | digest[i];
    return sum;
}

std::string aside(const std::string& path) { return path + ".damaged"; }

/// Error storage.
Result<void> move_aside(const std::string& path) {
    if (std::rename(path.c_str(), aside(path).c_str()) != 0)
        return Error{Errc::storage, "the damaged journal " + path + " could not be renamed"};
    (void)std::rename((path + "-wal").c_str(), (aside(path) + "-wal").c_str());  // there may be none
    return {};
}

bool is_empty(const std::string& path) {
    std::error_code unknown;
    return std::filesystem::file_size(path, unknown) == 0;
}

/// A file of somebody else's is not to be put aside.
bool is_database(const std::string& path) {
    std::string start(16, ' ');
    std::ifstream(path, std::ios::binary).read(start.data(), 16);
    return start == std::string_view{"SQLite format 3\0", 16};
}

}  // namespace

/// The open file, with what is run often. One thread at a time.
class JournalFile::File {
public:
    static Result<std::shared_ptr<File>> open(const std::string& path) {
        const auto made = os::write_file(path, "", os::IfPresent::keep);
        if (!made) return made.error();
        if (!*made && !is_database(path) && !is_empty(path))
            return Error{Errc::bad_input, path + " is no journal"};
        if (auto ours = os::make_file_private(path); !ours) return ours.error();
        auto database = Database::open(path);
        if (!database) return database.error();
        auto file = std::make_shared<File>(path, std::move(*database));
        if (auto ready = file->prepare(); !ready) return ready.error();
        return file;
    }
    File(std::string path, Database database) : path_(std::move(path)), database_(std::move(database)) {}

    /// The device and group in the file; makes these its owner if it has none.
    Result<Owner> claim(const Owner& owner, std::uint16_t& port);
    Result<void> note_port(std::uint16_t port);
    Result<void> read(Contents& contents);
    Result<void> apply(const JournalBatch& batch);
    /// The database first: without it the log is nothing.
    void remove() {
        for (const char* const part : {"", "-wal", "-shm"})
            if (const auto gone = os::remove_file(path_ + part); !gone)
                log_line(LogLevel::error,
                         "a journal that is not true any more is left: " + gone.error().explain());
    }
    const std::string& path() const { return path_; }

private:
    Result<std::uint64_t> read_format();
    Result<void> prepare();
    bool apply(const JournalBatch::Change& change);

    std::string path_;
    Sha256 hash_;
    Database database_;
    std::unique_ptr<Statement> put_, erase_below_, erase_session_;
};

/// What is known on the strand.
/// Who is told, and waits. A write that was given up removes the file when it is done.
struct JournalFile::Desk : std::enable_shared_from_this<Desk> {
    enum class Write : std::uint8_t { under_way, done, given_up };
    using WriteState = std::shared_ptr<std::atomic<Write>>;  // owners: the call, and who waits

    Desk(const boost::asio::any_io_executor& where, Listener who, Duration how_long, std::string of)
        : strand(where), listener(std::move(who)), patience(how_long), path(std::move(of)), timer(where) {}

    void wait_for(const WriteState& write);
    void fail(Error why) {
        has_failed = true;
        listener.on_failed(why.during("writing the journal " + path));
    }

    boost::asio::any_io_executor strand;
    Listener listener;
    Duration patience;
    std::string path;
    os::Timer timer;  // of the write under way
    bool has_failed = false;
};

Result<std::uint64_t> JournalFile::File::read_format() {
    auto version = database_.prepare("PRAGMA user_version");
    if (!version) return version.error();
    const std::uint64_t format = version->next() ? version->number(0) : 0;
    if (!version->ok()) return database_.error("read the version");
    return format;
}

Result<void> JournalFile::File::prepare() {
    const auto format = read_format();
    if (!format) return format.error();
    if (*format != 0 && *format != kFormat)
        return Error{Errc::refused, "it was made by another version of this program: format " +
                                        std::to_string(*format) + ", not " + std::to_string(kFormat)};
    if (*format == 0)
        if (auto made = database_.run(kSchema); !made) return made;
    const auto make = [this](std::unique_ptr<Statement>& place, const char* sql) -> Result<void> {
        auto made = database_.prepare(sql);
        if (!made) return made.error();
        place = std::make_unique<Statement>(std::move(*made));
        return {};
    };
    Result<void> made = make(put_, "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)");
    if (made)
        made =
            make(erase_below_, "DELETE FROM entry WHERE session = ? AND part = ? AND lane = ? AND place < ?");
    if (made) made = make(erase_session_, "DELETE FROM entry WHERE session = ?");
    return made;
}

Result<JournalFile::Owner> JournalFile::File::claim(const Owner& owner, std::uint16_t& port) {
    auto known = database_.prepare("SELECT device, name, role, port FROM owner");
    if (!known) return known.error();
    if (known->next()) {
        Owner told;
        if (known->octets(0).size() != told.device.bytes.size())
            return Error{Errc::bad_input, "the owner's id has another length"};
        std::ranges::copy(known->octets(0), std::as_writable_bytes(std::span{told.device.bytes}).begin());
        told.group = as_text(known->octets(1));
        told.role = static_cast<Role>(known->number(2));
        port = static_cast<std::uint16_t>(known->number(3));
        return told;
    }
    auto insert = database_.prepare("INSERT INTO owner VALUES (?, ?, ?, 0)");
    if (!insert) return insert.error();
    const ByteView id = std::as_bytes(std::span{owner.device.bytes});
    const bool done = insert->bind(id)
                          .bind(std::string_view{owner.group})
                          .bind(static_cast<std::uint64_t>(owner.role))
                          .run();
    if (!done) return database_.error("claim");
    return owner;
}

Result<void> JournalFile::File::note_port(std::uint16_t port) {
    auto update = database_.prepare("UPDATE owner SET port = ?");
    if (!update) return update.error();
    if (!update->bind(std::uint64_t{port}).run()) return database_.error("note the port");
    return {};
}

Result<void> JournalFile::File::read(Contents& contents) {
    auto all = database_.prepare(
        "SELECT session, part, lane, place, number, value, checksum FROM entry ORDER BY session, part, lane, "
        "place");
    if (!all) return all.error();
    std::set<std::uint32_t> damaged;
    while (all->next()) {
        JournalEntry entry;
        entry.key.session = static_cast<std::uint32_t>(all->number(0));
        entry.key.part = static_cast<JournalPart>(all->number(1));
        entry.key.lane = all->number(2);
        entry.key.offset = all->number(3);
        entry.number = all->number(4);
        entry.value = Slice::copy_of(all->octets(5));
        if (checksum_of(entry, hash_) != all->number(6)) damaged.insert(entry.key.session);
        contents.sessions.entries.push_back(std::move(entry));
    }
    if (!all->ok()) return database_.error("read");
    if (damaged.contains(0)) return Error{Errc::bad_input, "what it says of this device is damaged"};
    std::erase_if(contents.sessions.entries,
                  [&damaged](const JournalEntry& entry) { return damaged.contains(entry.key.session); });
    contents.sessions.damaged.assign(damaged.begin(), damaged.end());
    return {};
}

bool JournalFile::File::apply(const JournalBatch::Change& change) {
    const auto& [key, number, value] = change.entry;
    const std::uint64_t session = key.session, part = static_cast<std::uint64_t>(key.part);
    switch (change.kind) {
        case JournalBatch::Kind::put:
            return put_->bind(session)
                .bind(part)
                .bind(key.lane)
                .bind(key.offset)
                .bind(number)
                .bind(value.view())
                .bind(checksum_of(change.entry, hash_))
                .run();
        case JournalBatch::Kind::erase_below:
            return erase_below_->bind(session).bind(part).bind(key.lane).bind(key.offset).run();
        case JournalBatch::Kind::erase_session: return erase_session_->bind(session).run();
    }
    return false;
}

Result<void> JournalFile::File::apply(const JournalBatch& batch) {
    if (auto begun = database_.run("BEGIN IMMEDIATE"); !begun) return begun;
    for (const JournalBatch::Change& change : batch.changes())
        if (!apply(change)) return database_.error("write");
    return database_.run("COMMIT");
}

Result<std::unique_ptr<JournalFile>> JournalFile::open(const std::string& path, const Owner& owner) {
    if (path.empty()) return std::unique_ptr<JournalFile>{};
    Contents contents;
    const auto load = [&]() -> Result<std::shared_ptr<File>> {
        contents = {};
        auto file = File::open(path);
        if (!file) return file;
        auto known = (*file)->claim(owner, contents.port);
        if (!known) return known.error();
        if (*known != owner)
            return Error{Errc::refused, std::string{"it belongs to a "} +
                                            (known->role == Role::member ? "member" : "coordinator") +
                                            " of the group '" + known->group + "', device " +
                                            known->device.to_string()};
        if (auto read = (*file)->read(contents); !read) return read.error();
        return file;
    };
    auto file = load();
    std::string put_aside;
    if (!file && file.error().code() == Errc::bad_input && !is_database(path))
        return Error{Errc::bad_input, path + " is no journal, and is left alone"}.cure(
            "give the journal a file of its own");
    if (!file && file.error().code() == Errc::bad_input) {
        put_aside = "the journal " + path + " was damaged (" + file.error().message() + ") and is now " +
                    aside(path) + "; its sessions are lost";
        if (move_aside(path)) file = load();
    }
    if (!file && file.error().code() == Errc::refused)
        return Error{Errc::bad_input, "the journal " + path + " cannot be used: " + file.error().message()}
            .cure("give each coordinator and each member a journal of its own, or remove the file");
    if (!file && file.error().code() == Errc::already_exists)
        return Error{Errc::already_exists, "another process uses the journal " + path}.cure(
            "end that process, or give this one another journal");
    if (!file) return Error{file.error()}.during("opening the journal " + path);
    if (!put_aside.empty()) contents.damage = std::move(put_aside);
    auto threads = FileThreads::start();
    if (!threads) return threads.error();
    return std::unique_ptr<JournalFile>{
        new JournalFile{std::move(*file), std::move(contents), std::move(*threads)}};
}

JournalFile::JournalFile(std::shared_ptr<File> file, Contents contents, std::shared_ptr<FileThreads> threads)
    : file_(std::move(file)), contents_(std::move(contents)), threads_(std::move(threads)) {}

// Closing writes what the log of writes still holds, and syncs: not here.
JournalFile::~JournalFile() {
    threads_->work()->submit([file = std::move(file_)] {});
}

void JournalFile::put_aside() {
    if (const auto moved = move_aside(file_->path()); !moved)
        log_line(LogLevel::error, moved.error().explain());
}

Result<void> JournalFile::note_port(std::uint16_t port) { return file_->note_port(port); }

void JournalFile::start(const boost::asio::any_io_executor& strand, Listener listener, Duration patience) {
    desk_ = std::make_shared<Desk>(strand, std::move(listener), patience, file_->path());
}

void JournalFile::write(JournalBatch batch) {
    using Write = Desk::Write;
    const auto outcome = std::make_shared<Result<void>>();
    const auto state = std::make_shared<std::atomic<Write>>(Write::under_way);
    threads_->work()->submit(
        [file = file_, outcome, state, batch = std::move(batch)] {
            *outcome = file->apply(batch);
            const bool is_too_late = state->exchange(Write::done) == Write::given_up;
            if (!*outcome || is_too_late) file->remove();
        },
        desk_->strand,
        [desk = std::weak_ptr{desk_}, outcome] {
            const auto told = desk.lock();
            if (!told || told->has_failed) return;
            told->timer.cancel();
            if (*outcome) return told->listener.on_written();
            told->fail(outcome->error());
        });
    desk_->wait_for(state);
}

void JournalFile::Desk::wait_for(const WriteState& write) {
    timer.expires_after(patience);
    timer.async_wait([self = weak_from_this(), write](boost::system::error_code cancelled) {
        const auto desk = self.lock();
        if (cancelled || !desk || desk->has_failed) return;
        // The process stood still, and the disk with it, or the machine slept: no time has passed for them.
        const bool was_stopped = SteadyClock::now() - desk->timer.expiry() > kStopped;
        if (was_stopped) return desk->wait_for(write);
        if (write->exchange(Write::given_up) == Write::done) return;  // the answer is on its way
        desk->fail({Errc::timed_out, "the disk has not written for " + in_milliseconds(desk->patience)});
    });
}

}  // namespace muster::node
