#include "discovery/mdns_packets.h"

#include <algorithm>

namespace muster::discovery {
namespace {

using names::MessageWriter;
using names::Record;
using names::Section;

constexpr std::uint32_t kOneShotTtl = 10;  // RFC 6762 section 6.7: such resolvers do not hear what changes

names::Header response_header() {
    names::Header header;
    header.response = true;
    header.authoritative = true;  // section 18.4
    return header;
}

// A record alone may exceed the usual size up to the largest packet (section 17); beyond
// that it cannot be sent.
bool add_alone(std::vector<Bytes>& out, const Record& record) {
    MessageWriter writer{response_header(), kMaxPacket};
    if (!writer.add(Section::answer, record)) return false;
    out.push_back(writer.finish());
    return true;
}

}  // namespace

std::vector<Bytes> query_packets(const std::vector<names::Question>& questions,
                                 const std::vector<Record>& known, std::size_t limit) {
    std::vector<Bytes> out;
    MessageWriter writer{names::Header{}, limit};
    const auto next_packet = [&] {
        out.push_back(writer.finish());
        writer = MessageWriter{names::Header{}, limit};
    };
    for (const auto& question : questions) {
        if (writer.add(question)) continue;
        next_packet();
        writer.add(question);
    }
    for (const auto& record : known) {
        if (writer.add(Section::answer, record)) continue;
        if (!writer.empty()) {
            writer.set_truncated();
            next_packet();
        }
        writer.add(Section::answer, record);  // one too large for a packet is left out: it will be answered
    }
    if (!writer.empty()) next_packet();
    return out;
}

std::vector<Bytes> probe_packets(const std::vector<ProbeItem>& probes, std::size_t limit) {
    std::vector<Bytes> out;
    const auto compose = [](std::span<const ProbeItem> items, std::size_t size) -> std::optional<Bytes> {
        MessageWriter writer{names::Header{}, size};
        for (const auto& item : items)
            if (!writer.add(item.question)) return std::nullopt;
        for (const auto& item : items) {
            for (auto record : item.proposed) {
                record.cache_flush = false;  // section 10.2: never in probes
                if (!writer.add(Section::authority, record)) return std::nullopt;
            }
        }
        return writer.finish();
    };
    std::span<const ProbeItem> rest{probes};
    while (!rest.empty()) {
        std::size_t count = rest.size();
        auto packet = compose(rest, limit);
        while (!packet && count > 1) {
            count = (count + 1) / 2;
            packet = compose(rest.first(count), limit);
        }
        if (!packet) packet = compose(rest.first(count), kMaxPacket);  // one name alone may be larger
        if (packet) out.push_back(*std::move(packet));
        rest = rest.subspan(count);
    }
    return out;
}

std::vector<Bytes> response_packets(const std::vector<Record>& answers,
                                    const std::vector<Record>& additionals, std::size_t limit,
                                    std::vector<Record>& sent) {
    std::vector<Bytes> out;
    MessageWriter writer{response_header(), limit};
    const auto next_packet = [&] {
        if (!writer.empty()) out.push_back(writer.finish());
        writer = MessageWriter{response_header(), limit};
    };
    const auto add_answer = [&](const Record& record) {
        if (!writer.add(Section::answer, record)) {
            next_packet();
            if (!writer.add(Section::answer, record) && !add_alone(out, record)) return;
        }
        sent.push_back(record);
    };
    for (const auto& record : answers) add_answer(record);
    bool as_answers = false;
    for (const auto& record : additionals) {
        if (!as_answers && writer.add(Section::additional, record)) {
            sent.push_back(record);
            continue;
        }
        if (!as_answers) next_packet();
        as_answers = true;
        add_answer(record);
    }
    next_packet();
    return out;
}

Bytes one_shot_response(std::uint16_t id, const std::vector<names::Question>& questions,
                        const std::vector<Record>& answers, const std::vector<Record>& additionals,
                        std::size_t limit) {
    auto header = response_header();
    header.id = id;
    MessageWriter writer{header, limit, names::Compression::classical_only};
    for (auto question : questions) {
        question.unicast_response = false;
        writer.add(question);
    }
    const auto add = [&](Section section, Record record) {
        record.cache_flush = false;
        return writer.add(section, record, std::min(record.ttl, kOneShotTtl));
    };
    for (const auto& record : answers)
        if (!add(Section::answer, record)) writer.set_truncated();
    for (const auto& record : additionals) add(Section::additional, record);
    return writer.finish();
}

}  // namespace muster::discovery
