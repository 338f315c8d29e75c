#include "names/dns_message.h"

#include <array>

#include "base/reader.h"

namespace muster::names {
namespace {

constexpr std::uint16_t kTopBit = 0x8000;  // QU in questions, cache-flush in records
constexpr std::uint8_t kPointer = 0xc0;    // RFC 1035 section 4.1.4
constexpr std::size_t kHeaderSize = 12;
constexpr std::size_t kMaxMessage = 65535;

// A cursor that sees the whole message, because names point backwards in it.
class Cursor {
public:
    explicit Cursor(ByteView message) : message_(message) {}

    bool at_end() const { return at_ == message_.size(); }
    std::size_t position() const { return at_; }

    template <class T>
    bool read(T& value) {
        Reader reader{message_.subspan(at_)};
        if (!reader.read(value)) return false;
        at_ += sizeof(T);
        return true;
    }

    bool read(ByteView& view, std::size_t size) {
        if (message_.size() - at_ < size) return false;
        view = message_.subspan(at_, size);
        at_ += size;
        return true;
    }

    // Each pointer must point before the place where the name or its last jump began: so it cannot loop.
    bool read_name(DnsName& name) {
        name = DnsName{};
        std::size_t at = at_;
        std::size_t lowest = at_;
        bool jumped = false;
        while (true) {
            if (at >= message_.size()) return false;
            const auto length = std::to_integer<std::uint8_t>(message_[at]);
            if (length == 0) {
                if (!jumped) at_ = at + 1;
                return true;
            }
            if ((length & kPointer) == kPointer) {
                if (at + 1 >= message_.size()) return false;
                const std::size_t target = static_cast<std::size_t>(length & 0x3f) << 8 |
                                           std::to_integer<std::size_t>(message_[at + 1]);
                if (target >= lowest || target < kHeaderSize) return false;
                if (!jumped) at_ = at + 2;
                jumped = true;
                at = lowest = target;
                continue;
            }
            if (length > DnsName::kMaxLabel || message_.size() - at - 1 < length) return false;
            if (!name.append(as_text(message_.subspan(at + 1, length)))) return false;
            at += 1 + static_cast<std::size_t>(length);
        }
    }

private:
    ByteView message_;
    std::size_t at_ = 0;
};

bool read_type_bitmap(Cursor& in, std::size_t end, std::vector<DnsType>& types) {
    int last_window = -1;
    while (in.position() < end) {
        std::uint8_t window = 0;
        std::uint8_t length = 0;
        ByteView bits;
        if (!in.read(window) || !in.read(length) || length == 0 || length > 32 || !in.read(bits, length))
            return false;
        if (window <= last_window) return false;
        last_window = window;
        for (unsigned i = 0; i < 8U * length; ++i)
            if ((std::to_integer<unsigned>(bits[i / 8]) >> (7 - i % 8)) & 1U)
                types.push_back(static_cast<DnsType>(window * 256U + i));
    }
    return in.position() == end;
}

template <class Octets>
bool read_address(Cursor& in, std::size_t length, RecordData& data) {
    Octets octets{};
    ByteView view;
    if (length != octets.size() || !in.read(view, length)) return false;
    std::memcpy(octets.data(), view.data(), length);
    data = IpAddress{octets};
    return true;
}

bool read_srv(Cursor& in, RecordData& data) {
    SrvData srv;
    if (!in.read(srv.priority) || !in.read(srv.weight) || !in.read(srv.port) || !in.read_name(srv.target))
        return false;
    data = std::move(srv);
    return true;
}

bool read_nsec(Cursor& in, std::size_t end, RecordData& data) {
    NsecData nsec;
    if (!in.read_name(nsec.next) || in.position() > end || !read_type_bitmap(in, end, nsec.types))
        return false;
    data = std::move(nsec);
    return true;
}

bool read_data(Cursor& in, DnsType type, std::size_t length, RecordData& data) {
    const std::size_t end = in.position() + length;
    bool good = false;
    switch (type) {
        case DnsType::a: good = read_address<IpAddress::V4>(in, length, data); break;
        case DnsType::aaaa: good = read_address<IpAddress::V6>(in, length, data); break;
        case DnsType::ptr:
        case DnsType::cname:
        case DnsType::ns: {
            DnsName name;
            good = in.read_name(name);
            data = std::move(name);
            break;
        }
        case DnsType::srv: good = read_srv(in, data); break;
        case DnsType::nsec: good = read_nsec(in, end, data); break;
        case DnsType::soa:
        case DnsType::txt:
        case DnsType::opt:
        case DnsType::svcb:
        case DnsType::https:
        case DnsType::any: {
            ByteView view;
            good = in.read(view, length);
            data = to_bytes(view);
            break;
        }
    }
    return good && in.position() == end;
}

bool read_unknown(Cursor& in, std::size_t length, RecordData& data) {
    ByteView view;
    if (!in.read(view, length)) return false;
    data = to_bytes(view);
    return true;
}

bool is_known(DnsType type) {
    switch (type) {
        case DnsType::a:
        case DnsType::ns:
        case DnsType::cname:
        case DnsType::ptr:
        case DnsType::txt:
        case DnsType::aaaa:
        case DnsType::srv:
        case DnsType::nsec: return true;
        case DnsType::soa:
        case DnsType::opt:
        case DnsType::svcb:
        case DnsType::https:
        case DnsType::any: return false;
    }
    return false;
}

bool read_question(Cursor& in, Question& question) {
    std::uint16_t type = 0;
    std::uint16_t record_class = 0;
    if (!in.read_name(question.name) || !in.read(type) || !in.read(record_class)) return false;
    question.type = static_cast<DnsType>(type);
    question.unicast_response = (record_class & kTopBit) != 0;
    question.record_class = record_class & static_cast<std::uint16_t>(~kTopBit);
    return true;
}

Edns edns_of(const Record& record, std::uint16_t raw_class) {
    Edns edns;
    edns.udp_size = raw_class;
    edns.extended_rcode = static_cast<std::uint8_t>(record.ttl >> 24);
    edns.version = static_cast<std::uint8_t>(record.ttl >> 16);
    edns.dnssec_ok = (record.ttl & 0x8000U) != 0;
    edns.options = std::get<Bytes>(record.data);
    return edns;
}

bool read_records(Cursor& in, std::size_t count, std::vector<Record>& records, std::optional<Edns>& edns) {
    for (std::size_t i = 0; i < count; ++i) {
        Record record;
        std::uint16_t type = 0;
        std::uint16_t record_class = 0;
        std::uint16_t length = 0;
        if (!in.read_name(record.name) || !in.read(type) || !in.read(record_class) || !in.read(record.ttl) ||
            !in.read(length))
            return false;
        record.type = static_cast<DnsType>(type);
        record.cache_flush = (record_class & kTopBit) != 0;
        record.record_class = record_class & static_cast<std::uint16_t>(~kTopBit);
        const bool read = is_known(record.type) ? read_data(in, record.type, length, record.data)
                                                : read_unknown(in, length, record.data);
        if (!read) return false;
        if (record.type == DnsType::opt) {
            edns = edns_of(record, record_class);
        } else {
            records.push_back(std::move(record));
        }
    }
    return true;
}

Header header_of(std::uint16_t id, std::uint16_t flags) {
    Header header;
    header.id = id;
    header.response = (flags & 0x8000) != 0;
    header.opcode = static_cast<std::uint8_t>((flags >> 11) & 0xf);
    header.authoritative = (flags & 0x0400) != 0;
    header.truncated = (flags & 0x0200) != 0;
    header.recursion_desired = (flags & 0x0100) != 0;
    header.recursion_available = (flags & 0x0080) != 0;
    header.rcode = static_cast<std::uint8_t>(flags & 0xf);
    return header;
}

}  // namespace

bool Record::same_as(const Record& other) const {
    return type == other.type && record_class == other.record_class && name == other.name &&
           data == other.data;
}

std::optional<Message> parse_message(ByteView octets) {
    if (octets.size() > kMaxMessage) return std::nullopt;
    Cursor in{octets};
    std::uint16_t id = 0;
    std::uint16_t flags = 0;
    std::array<std::uint16_t, 4> counts{};
    if (!in.read(id) || !in.read(flags)) return std::nullopt;
    for (auto& count : counts)
        if (!in.read(count)) return std::nullopt;
    Message message;
    message.header = header_of(id, flags);
    for (std::size_t i = 0; i < counts[0]; ++i)
        if (!read_question(in, message.questions.emplace_back())) return std::nullopt;
    if (!read_records(in, counts[1], message.answers, message.edns) ||
        !read_records(in, counts[2], message.authorities, message.edns) ||
        !read_records(in, counts[3], message.additionals, message.edns) || !in.at_end())
        return std::nullopt;
    return message;
}

}  // namespace muster::names
