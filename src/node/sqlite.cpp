#include "node/sqlite.h"

#include <filesystem>

#include <sqlite3.h>

namespace muster::node {

namespace {

// Another process that is just ending may still have it.
constexpr int kLockPatienceMs = 1000;

Errc code_of(int result) {
    switch (result & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return Errc::already_exists;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB: return Errc::bad_input;
        default: return Errc::storage;
    }
}

}  // namespace

void Database::Close::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

Result<Database> Database::open(const std::string& path) {
    // SQLite's own flag against links refuses them in the directories too, and home may be behind one.
    std::error_code failed;
    const std::filesystem::path whole{path};
    const auto directory =
        std::filesystem::canonical(whole.has_parent_path() ? whole.parent_path() : ".", failed);
    if (failed) return Error{Errc::storage, "open: " + failed.message()};
    sqlite3* handle = nullptr;
    const int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE;
    const int opened = sqlite3_open_v2((directory / whole.filename()).c_str(), &handle, flags, nullptr);
    Database made{handle};
    if (opened != SQLITE_OK) {
        if (handle == nullptr) return Error{Errc::system, "no memory for a database"};
        return made.error("open");
    }
    sqlite3_busy_timeout(handle, kLockPatienceMs);
    // NORMAL: what is committed outlives the process, and after a loss of power the file is whole, if older.
    const auto ready = made.run(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
        "BEGIN EXCLUSIVE; COMMIT;");
    if (!ready) return ready.error();
    auto check = made.prepare("PRAGMA quick_check(1)");
    if (!check) return check.error();
    if (!check->next()) return made.error("check");
    if (as_text(check->octets(0)) != "ok") return Error{Errc::bad_input, "the database is damaged"};
    return made;
}

Result<void> Database::run(const char* sql) {
    if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error("run");
    return {};
}

Result<Statement> Database::prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    const unsigned persistent = SQLITE_PREPARE_PERSISTENT;
    if (sqlite3_prepare_v3(handle_.get(), sql, -1, persistent, &statement, nullptr) != SQLITE_OK)
        return error("prepare");
    return Statement{statement};
}

Error Database::error(std::string_view phase) const {
    const int result = sqlite3_extended_errcode(handle_.get());
    return Error{code_of(result), std::string{phase} + ": " + sqlite3_errmsg(handle_.get())};
}

void Statement::Finalize::operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }

// Errors of binding (no memory, no such parameter) show when the statement runs.
Statement& Statement::bind(std::uint64_t number) {
    ok_ &= sqlite3_bind_int64(handle_.get(), ++bound_, static_cast<sqlite3_int64>(number)) == SQLITE_OK;
    return *this;
}

Statement& Statement::bind(ByteView octets) {
    static constexpr std::byte kNothing{};  // a null pointer would be NULL, not an empty blob
    const void* const data = octets.empty() ? &kNothing : octets.data();
    ok_ &= sqlite3_bind_blob64(handle_.get(), ++bound_, data, octets.size(), SQLITE_STATIC) == SQLITE_OK;
    return *this;
}

Statement& Statement::bind(std::string_view text) {
    ok_ &= sqlite3_bind_text64(handle_.get(), ++bound_, text.data(), text.size(), SQLITE_STATIC,
                               SQLITE_UTF8) == SQLITE_OK;
    return *this;
}

bool Statement::run() {
    const bool done = sqlite3_step(handle_.get()) == SQLITE_DONE && ok_;
    sqlite3_reset(handle_.get());
    sqlite3_clear_bindings(handle_.get());
    bound_ = 0;
    ok_ = true;
    return done;
}

bool Statement::next() {
    const int result = sqlite3_step(handle_.get());
    ok_ &= result == SQLITE_ROW || result == SQLITE_DONE;
    return result == SQLITE_ROW;
}

std::uint64_t Statement::number(int column) const {
    return static_cast<std::uint64_t>(sqlite3_column_int64(handle_.get(), column));
}

ByteView Statement::octets(int column) const {
    const void* const data = sqlite3_column_blob(handle_.get(), column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column));
    return {static_cast<const std::byte*>(data), data == nullptr ? 0 : size};
}

}  // namespace muster::node
