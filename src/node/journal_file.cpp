#include "node/journal_file.h"

#include <cstdio>
#include <fstream>
#include <optional>
#include <set>

#include "base/crypto.h"
#include "base/log.h"
#include "base/writer.h"
#include "node/sqlite.h"
#include "os/files.h"

namespace muster::node {

namespace {

using session::JournalBatch;
using session::JournalEntry;
using session::JournalKey;
using session::JournalPart;

constexpr char kSchema[] =
    "CREATE TABLE IF NOT EXISTS owner (device BLOB NOT NULL, name TEXT NOT NULL, port INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS entry (session INTEGER, part INTEGER, lane INTEGER, place INTEGER,"
    " number INTEGER NOT NULL, value BLOB NOT NULL, checksum INTEGER NOT NULL,"
    " PRIMARY KEY (session, part, lane, place)) WITHOUT ROWID;";

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
        if (auto made = os::write_file(path, "", os::IfPresent::keep); !made) return made.error();
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
    Result<void> prepare();
    bool apply(const JournalBatch::Change& change);

    std::string path_;
    Sha256 hash_;
    Database database_;
    std::optional<Statement> put_, erase_below_, erase_session_;
};

Result<void> JournalFile::File::prepare() {
    if (auto made = database_.run(kSchema); !made) return made;
    const auto make = [this](std::optional<Statement>& place, const char* sql) -> Result<void> {
        auto made = database_.prepare(sql);
        if (!made) return made.error();
        place.emplace(std::move(*made));
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
    auto known = database_.prepare("SELECT device, name, port FROM owner");
    if (!known) return known.error();
    if (known->next()) {
        Owner told;
        if (known->octets(0).size() != told.device.bytes.size())
            return Error{Errc::bad_input, "the owner's id has another length"};
        std::ranges::copy(known->octets(0), std::as_writable_bytes(std::span{told.device.bytes}).begin());
        told.group = as_text(known->octets(1));
        port = static_cast<std::uint16_t>(known->number(2));
        return told;
    }
    auto insert = database_.prepare("INSERT INTO owner VALUES (?, ?, 0)");
    if (!insert) return insert.error();
    const ByteView id = std::as_bytes(std::span{owner.device.bytes});
    if (!insert->bind(id).bind(std::string_view{owner.group}).run()) return database_.error("claim");
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
    if (damaged.contains(0)) return Error{Errc::bad_input, "what it says of the coordinator is damaged"};
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
    Contents contents;
    const auto load = [&]() -> Result<std::shared_ptr<File>> {
        contents = {};
        auto file = File::open(path);
        if (!file) return file;
        auto known = (*file)->claim(owner, contents.port);
        if (!known) return known.error();
        if (known->device != owner.device || known->group != owner.group)
            return Error{Errc::refused, "it belongs to the group '" + known->group + "' of device " +
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
                    path + ".damaged; its sessions are lost";
        if (std::rename(path.c_str(), (path + ".damaged").c_str()) == 0) {
            std::rename((path + "-wal").c_str(), (path + ".damaged-wal").c_str());
            file = load();
        }
    }
    if (!file && file.error().code() == Errc::refused)
        return Error{Errc::bad_input, "the journal " + path + " cannot be used: " + file.error().message()}
            .cure("give each coordinator a journal of its own, or remove the file");
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

JournalFile::~JournalFile() = default;

void JournalFile::remove() { file_->remove(); }

Result<void> JournalFile::note_port(std::uint16_t port) { return file_->note_port(port); }

void JournalFile::start(boost::asio::any_io_executor strand, Listener listener) {
    strand_ = std::move(strand);
    listener_ = std::make_shared<Listener>(std::move(listener));
}

void JournalFile::write(JournalBatch batch) {
    const auto outcome = std::make_shared<Result<void>>();
    threads_->work()->submit(
        [file = file_, outcome, batch = std::move(batch)] {
            *outcome = file->apply(batch);
            if (!*outcome) file->remove();
        },
        strand_,
        [listener = std::weak_ptr{listener_}, path = file_->path(), outcome] {
            const auto told = listener.lock();
            if (!told) return;
            if (*outcome) return told->on_written();
            told->on_failed(Error{outcome->error()}.during("writing the journal " + path));
        });
}

}  // namespace muster::node
