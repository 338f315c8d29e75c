#pragma once

#include <string>
#include <vector>

#include "session/stream_port.h"

namespace muster::detail {

/// A stream port whose octets nobody reads.
class SilentPort final : public session::StreamPort {
public:
    Result<StreamHandle> open_stream(const DeviceId&, ByteView header) override {
        headers.emplace_back(as_text(header));
        return StreamHandle{++opened};
    }
    Result<void> write(StreamHandle, Slice) override {
        if (full) return Error{Errc::queue_full, ""};
        ++writes;
        return {};
    }
    std::size_t writable(StreamHandle) const override { return 1 << 20; }
    void finish(StreamHandle) override {}
    void reset(StreamHandle, std::uint64_t, std::string_view reason) override { resets.emplace_back(reason); }
    void consume(StreamHandle, std::size_t) override {}

    bool full = false;
    int writes = 0;
    std::uint64_t opened = 0;
    std::vector<std::string> headers;  // of those opened
    std::vector<std::string> resets;   // why
};

}  // namespace muster::detail
