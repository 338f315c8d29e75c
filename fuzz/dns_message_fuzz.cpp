// Feeds any octets to the DNS message reader; what it accepts must survive being written and read again.
#include <cstdint>
#include <cstdlib>

#include "names/dns_message.h"

using namespace muster;
using namespace muster::names;

namespace {

bool write_all(MessageWriter& writer, const Message& message) {
    for (const auto& question : message.questions)
        if (!writer.add(question)) return false;
    for (const auto& record : message.answers)
        if (!writer.add(Section::answer, record)) return false;
    for (const auto& record : message.authorities)
        if (!writer.add(Section::authority, record)) return false;
    for (const auto& record : message.additionals)
        if (!writer.add(Section::additional, record)) return false;
    return !message.edns || writer.add(*message.edns);
}

void round_trip(const Message& message, Compression compression) {
    MessageWriter writer{message.header, 65535, compression};
    if (!write_all(writer, message)) return;  // compression of the input may have been better than ours
    const auto again = parse_message(writer.finish());
    if (!again || !(*again == message)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto message = parse_message(std::as_bytes(std::span{data, size}));
    if (!message) return 0;
    round_trip(*message, Compression::all);
    round_trip(*message, Compression::classical_only);
    for (const auto& record : message->answers) {
        const auto text = DnsName::parse(record.name.to_string());
        if (!text || !(*text == record.name)) std::abort();
    }
    return 0;
}
