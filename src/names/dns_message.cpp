#include "names/dns_message.h"

#include <algorithm>
#include <array>

#include "base/reader.h"
#include "base/writer.h"

namespace muster::names {
namespace {

constexpr std::uint16_t kTopBit = 0x8000;       // QU in questions, cache-flush in records
constexpr std::uint8_t kPointer = 0xc0;         // RFC 1035 section 4.1.4
constexpr std::size_t kLastPointable = 0x3fff;  // a pointer has 14 bits
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

std::uint16_t flags_of(const Header& header) {
    unsigned flags = 0;
    if (header.response) flags |= 0x8000U;
    flags |= (header.opcode & 0xfU) << 11;
    if (header.authoritative) flags |= 0x0400U;
    if (header.truncated) flags |= 0x0200U;
    if (header.recursion_desired) flags |= 0x0100U;
    if (header.recursion_available) flags |= 0x0080U;
    flags |= header.rcode & 0xfU;
    return static_cast<std::uint16_t>(flags);
}

void put_type_bitmap(Writer& out, const std::vector<DnsType>& types) {
    std::size_t at = 0;
    while (at < types.size()) {
        const unsigned window = static_cast<unsigned>(types[at]) >> 8;
        std::array<std::uint8_t, 32> bits{};
        std::size_t used = 0;
        for (; at < types.size() && static_cast<unsigned>(types[at]) >> 8 == window; ++at) {
            const unsigned low = static_cast<unsigned>(types[at]) & 0xff;
            bits[low / 8] = static_cast<std::uint8_t>(bits[low / 8] | (0x80U >> (low % 8)));
            used = std::max<std::size_t>(used, low / 8 + 1);
        }
        out.write(static_cast<std::uint8_t>(window)).write(static_cast<std::uint8_t>(used));
        out.write(std::as_bytes(std::span{bits}.first(used)));
    }
}

void put_address(Bytes& out, const IpAddress& address) {
    const std::size_t size = address.is_v4() ? 4 : 16;
    const auto octets = std::as_bytes(std::span{address.v6()});
    out.insert(out.end(), octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(size));
}

void put_plain_name(Bytes& out, const DnsName& name) {
    Writer{out}.write(as_bytes(name.wire())).write(std::uint8_t{0});
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

Bytes uncompressed_data(const RecordData& data) {
    struct Visitor {
        Bytes operator()(const Bytes& octets) const { return octets; }
        Bytes operator()(const IpAddress& address) const {
            Bytes out;
            put_address(out, address);
            return out;
        }
        Bytes operator()(const DnsName& name) const {
            Bytes out;
            put_plain_name(out, name);
            return out;
        }
        Bytes operator()(const SrvData& srv) const {
            Bytes out;
            Writer{out}.write(srv.priority).write(srv.weight).write(srv.port);
            put_plain_name(out, srv.target);
            return out;
        }
        Bytes operator()(const NsecData& nsec) const {
            Bytes out;
            put_plain_name(out, nsec.next);
            Writer writer{out};
            put_type_bitmap(writer, nsec.types);
            return out;
        }
    };
    return std::visit(Visitor{}, data);
}

MessageWriter::MessageWriter(const Header& header, std::size_t limit, Compression compression)
    : header_(header), limit_(std::min(limit, kMaxMessage)), compression_(compression), out_(kHeaderSize) {}

bool MessageWriter::add(const Question& question) {
    if (questions_ == UINT16_MAX) return false;
    const std::size_t start = out_.size();
    put_name(question.name, true);
    put16(static_cast<std::uint16_t>(question.type));
    put16(static_cast<std::uint16_t>(question.record_class | (question.unicast_response ? kTopBit : 0)));
    if (!keep_or_undo(start)) return false;
    ++questions_;
    return true;
}

bool MessageWriter::add(Section section, const Record& record, std::uint32_t ttl) {
    auto& count = counts_[static_cast<std::size_t>(section)];
    if (count == UINT16_MAX) return false;
    const std::size_t start = out_.size();
    put_name(record.name, true);
    put16(static_cast<std::uint16_t>(record.type));
    put16(static_cast<std::uint16_t>(record.record_class | (record.cache_flush ? kTopBit : 0)));
    Writer{out_}.write(ttl);
    const std::size_t length_at = out_.size();
    put16(0);
    put_data(record.data);
    const std::size_t length = out_.size() - length_at - 2;
    out_[length_at] =
        static_cast<std::byte>(length >> 8);  // above 65535 the record does not fit either: undone
    out_[length_at + 1] = static_cast<std::byte>(length & 0xff);
    if (!keep_or_undo(start)) return false;
    ++count;
    return true;
}

bool MessageWriter::add(const Edns& edns) {
    Record record;
    record.type = DnsType::opt;
    record.record_class = edns.udp_size;
    record.ttl = static_cast<std::uint32_t>(edns.extended_rcode) << 24 |
                 static_cast<std::uint32_t>(edns.version) << 16 | (edns.dnssec_ok ? 0x8000U : 0U);
    record.data = edns.options;
    return add(Section::additional, record);
}

Bytes MessageWriter::finish() {
    Bytes head;
    Writer{head}
        .write(header_.id)
        .write(flags_of(header_))
        .write(questions_)
        .write(counts_[0])
        .write(counts_[1])
        .write(counts_[2]);
    std::copy(head.begin(), head.end(), out_.begin());
    return std::move(out_);
}

void MessageWriter::put_name(const DnsName& name, bool compress) {
    std::string_view rest = name.wire();
    while (!rest.empty()) {
        if (const auto known = suffixes_.find(std::string{rest}); compress && known != suffixes_.end()) {
            put16(static_cast<std::uint16_t>(kPointer << 8 | known->second));
            return;
        }
        if (out_.size() <= kLastPointable &&
            suffixes_.try_emplace(std::string{rest}, static_cast<std::uint16_t>(out_.size())).second)
            fresh_.emplace_back(rest);
        const std::size_t step = 1 + static_cast<std::size_t>(rest[0]);
        Writer{out_}.write(as_bytes(rest.substr(0, step)));
        rest.remove_prefix(step);
    }
    out_.push_back(std::byte{0});
}

void MessageWriter::put_data(const RecordData& data) {
    const bool everywhere = compression_ == Compression::all;
    if (const auto* name = std::get_if<DnsName>(&data)) {
        put_name(*name, true);
    } else if (const auto* srv = std::get_if<SrvData>(&data)) {
        Writer{out_}.write(srv->priority).write(srv->weight).write(srv->port);
        put_name(srv->target, everywhere);
    } else if (const auto* nsec = std::get_if<NsecData>(&data)) {
        put_name(nsec->next, everywhere);
        Writer writer{out_};
        put_type_bitmap(writer, nsec->types);
    } else {
        Writer{out_}.write(uncompressed_data(data));
    }
}

void MessageWriter::put16(std::uint16_t value) { Writer{out_}.write(value); }

bool MessageWriter::keep_or_undo(std::size_t start) {
    const bool fits = out_.size() <= limit_;
    if (!fits) {
        out_.resize(start);
        for (const auto& suffix : fresh_) suffixes_.erase(suffix);
    }
    fresh_.clear();
    return fits;
}

}  // namespace muster::names
