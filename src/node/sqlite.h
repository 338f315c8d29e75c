#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "muster/bytes.h"
#include "muster/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace muster::node {

class Statement;

/// An SQLite database that this process has for itself. One thread at a time.
class Database {
public:
    /// Opens or makes the file, in WAL mode, with an exclusive lock that lasts until the end. Errors: already_exists
    /// (another process has it), bad_input (no database, or a damaged one), storage.
    static Result<Database> open(const std::string& path);

    /// Runs statements without parameters or results. Error storage.
    Result<void> run(const char* sql);
    Result<Statement> prepare(const char* sql);
    /// What went wrong last, during `phase`.
    Error error(std::string_view phase) const;

private:
    struct Close {
        void operator()(sqlite3* handle) const;
    };
    explicit Database(sqlite3* handle) : handle_(handle) {}

    std::unique_ptr<sqlite3, Close> handle_;
};

/// A statement to be run many times. Its database must outlive it.
class Statement {
public:
    /// For parameters from 1 on, in this order; octets are not copied and must live until the statement has run.
    Statement& bind(std::uint64_t number);
    Statement& bind(ByteView octets);
    Statement& bind(std::string_view text);
    /// Runs a statement without results, and makes it ready for the next time. False: see Database::error.
    bool run();
    /// The next row. False: there is none, or an error; then ok() tells.
    bool next();
    bool ok() const { return ok_; }
    std::uint64_t number(int column) const;
    ByteView octets(int column) const;  ///< until the next row

private:
    friend class Database;
    struct Finalize {
        void operator()(sqlite3_stmt* handle) const;
    };
    explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}

    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
    int bound_ = 0;
    bool ok_ = true;
};

}  // namespace muster::node
