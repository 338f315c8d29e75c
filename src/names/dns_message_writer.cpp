// The writing half of the DNS message codec.
#include <algorithm>
#include <array>

#include "base/writer.h"
#include "names/dns_message.h"

namespace muster::names {
namespace {

constexpr std::uint16_t kTopBit = 0x8000;       // QU in questions, cache-flush in records
constexpr std::uint8_t kPointer = 0xc0;         // RFC 1035 section 4.1.4
constexpr std::size_t kLastPointable = 0x3fff;  // a pointer has 14 bits
constexpr std::size_t kHeaderSize = 12;
constexpr std::size_t kMaxMessage = 65535;

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
