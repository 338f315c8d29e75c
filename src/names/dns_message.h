#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "names/dns_name.h"

#include "muster/bytes.h"
#include "muster/endpoint.h"

namespace muster::names {

/// Types of resource records that Muster gives a meaning; any other number is kept as opaque octets.
enum class DnsType : std::uint16_t {
    a = 1,
    ns = 2,
    cname = 5,
    soa = 6,
    ptr = 12,
    txt = 16,
    aaaa = 28,
    srv = 33,
    opt = 41,
    nsec = 47,
    svcb = 64,
    https = 65,
    any = 255,
};

inline constexpr std::uint16_t kClassInternet = 1;
inline constexpr std::uint16_t kClassAny = 255;

struct SrvData {
    std::uint16_t priority = 0;
    std::uint16_t weight = 0;
    std::uint16_t port = 0;
    DnsName target;
    bool operator==(const SrvData&) const = default;
};

struct NsecData {
    DnsName next;
    std::vector<DnsType> types;  ///< ascending
    bool operator==(const NsecData&) const = default;
};

/// What a record says: an address (A, AAAA), a name (PTR, CNAME, NS), or the octets of TXT and
/// of every other type.
using RecordData = std::variant<Bytes, IpAddress, DnsName, SrvData, NsecData>;

struct Question {
    DnsName name;
    DnsType type = DnsType::a;
    std::uint16_t record_class = kClassInternet;
    bool unicast_response = false;  ///< the QU bit (RFC 6762 section 5.4)

    bool operator==(const Question&) const = default;
};

struct Record {
    DnsName name;
    DnsType type = DnsType::a;
    std::uint16_t record_class = kClassInternet;
    bool cache_flush = false;  ///< RFC 6762 section 10.2
    std::uint32_t ttl = 0;     ///< seconds
    RecordData data;

    /// Same name, type, class and data; the TTL and the cache-flush bit do not matter.
    bool same_as(const Record& other) const;
    bool operator==(const Record&) const = default;
};

/// The EDNS(0) pseudo-record (RFC 6891); it is not among the additional records.
struct Edns {
    std::uint16_t udp_size = 1232;
    std::uint8_t extended_rcode = 0;
    std::uint8_t version = 0;
    bool dnssec_ok = false;
    Bytes options;
    bool operator==(const Edns&) const = default;
};

struct Header {
    std::uint16_t id = 0;
    bool response = false;
    std::uint8_t opcode = 0;
    bool authoritative = false;
    bool truncated = false;
    bool recursion_desired = false;
    bool recursion_available = false;
    std::uint8_t rcode = 0;
    bool operator==(const Header&) const = default;
};

struct Message {
    Header header;
    std::vector<Question> questions;
    std::vector<Record> answers;
    std::vector<Record> authorities;
    std::vector<Record> additionals;
    std::optional<Edns> edns;
    bool operator==(const Message&) const = default;
};

/// Reads a whole message. nullopt if anything in it is broken: counts, lengths, names that loop or point
/// forward, data that does not fit its type, octets left over. Time and memory are linear in the size, which
/// cannot exceed 65535 octets.
std::optional<Message> parse_message(ByteView octets);

/// The data of a record without compression: what RFC 6762 section 8.2 compares.
Bytes uncompressed_data(const RecordData& data);

enum class Section : std::uint8_t { answer, authority, additional };

enum class Compression {
    all,             ///< RFC 6762 section 18.14: also the names inside SRV and NSEC
    classical_only,  ///< only where RFC 1035 resolvers expect it: for one-shot answers and unicast DNS
};

/// Composes one message within a size limit. What does not fit is not added, and the message stays as it was.
class MessageWriter {
public:
    MessageWriter(const Header& header, std::size_t limit, Compression compression = Compression::all);

    bool add(const Question& question);
    /// Sections must be filled in their order. `ttl` replaces the record's own.
    bool add(Section section, const Record& record, std::uint32_t ttl);
    bool add(Section section, const Record& record) { return add(section, record, record.ttl); }
    bool add(const Edns& edns);

    void set_truncated() { header_.truncated = true; }
    std::size_t size() const { return out_.size(); }
    bool empty() const { return questions_ == 0 && counts_[0] == 0 && counts_[1] == 0 && counts_[2] == 0; }
    /// The octets; the writer is used up.
    Bytes finish();

private:
    void put_name(const DnsName& name, bool compress);
    void put_data(const RecordData& data);
    void put16(std::uint16_t value);
    bool keep_or_undo(std::size_t start);

    Header header_;
    std::size_t limit_;
    Compression compression_;
    Bytes out_;
    std::uint16_t questions_ = 0;
    std::uint16_t counts_[3] = {0, 0, 0};
    std::unordered_map<std::string, std::uint16_t> suffixes_;  // wire form of a name's end -> where it stands
    std::vector<std::string> fresh_;                           // suffixes of the item being added, for undo
};

}  // namespace muster::names
