// Two QUIC endpoints in virtual time do what the input says: talk, move, lose and damage packets, close. And
// the client may be a rogue: it shows a valid key, and then seals frames of the input's choice into its
// packets, so that they reach what lies behind the cryptography. The server must neither crash, hang nor
// grow, and must let an honest client in afterwards.
#include <cstdio>
#include <cstdlib>

#include <dlfcn.h>
#include <gnutls/crypto.h>

#include "base/writer.h"
#include "quic/test_world.h"

using namespace muster;
using namespace muster::quic;
using namespace muster::quic::test;

namespace {

/// Frames that take the place of a packet's own, and how many packets pass before.
Bytes forged_frames;
unsigned packets_before = 0;

class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
    bool empty() const { return size_ == 0; }
    unsigned next() {
        if (size_ == 0) return 0;
        --size_;
        return *data_++;
    }
    /// Mostly small, sometimes at the edge of what a variable-length integer holds.
    std::uint64_t number() {
        const unsigned octet = next();
        if (octet < 0xe0) return octet;
        const unsigned shift = next() % 62;
        return ((std::uint64_t{1} << shift) + (octet & 7) - 4) & kVarintMax;
    }
    Bytes octets(std::size_t count) {
        Bytes result;
        for (std::size_t i = 0; i < count && !empty(); ++i) result.push_back(static_cast<std::byte>(next()));
        return result;
    }

private:
    const std::uint8_t* data_;
    std::size_t size_;
};

/// Frames by the number of variable-length integers that follow their type.
constexpr struct {
    std::uint8_t type;
    int numbers;
} kPlainFrames[] = {{0x01, 0}, {0x04, 3}, {0x05, 2}, {0x10, 1}, {0x11, 2}, {0x12, 1}, {0x13, 1},
                    {0x14, 1}, {0x15, 2}, {0x16, 1}, {0x17, 1}, {0x19, 1}, {0x1e, 0}};

void forge_frame(Input& input, Writer& out) {
    const unsigned choice = input.next() % 22;
    if (choice < std::size(kPlainFrames)) {
        out.write(kPlainFrames[choice].type);
        for (int i = 0; i < kPlainFrames[choice].numbers; ++i) out.write_varint(input.number());
        return;
    }
    switch (choice) {
        case 13:  // NEW_CONNECTION_ID
            out.write(std::uint8_t{0x18}).write_varint(input.number()).write_varint(input.number());
            out.write(std::uint8_t{8}).write(Bytes(8, static_cast<std::byte>(input.next()))).write(Bytes(16));
            return;
        case 14:  // STREAM with offset, length and perhaps FIN
            out.write(static_cast<std::uint8_t>(0x0e | (input.next() & 1))).write_varint(input.number());
            out.write_varint(input.number()).write_sized(input.octets(input.next() % 40));
            return;
        case 15: {  // ACK
            out.write(std::uint8_t{0x02}).write_varint(input.number()).write_varint(input.number());
            const unsigned ranges = input.next() % 8;
            out.write_varint(ranges).write_varint(input.number());
            for (unsigned i = 0; i < 2 * ranges; ++i) out.write_varint(input.number());
            return;
        }
        case 16:  // PATH_CHALLENGE, PATH_RESPONSE
            out.write(static_cast<std::uint8_t>(0x1a | (input.next() & 1)))
                .write(Bytes(8, static_cast<std::byte>(input.next())));
            return;
        case 17:  // CRYPTO
            out.write(std::uint8_t{0x06})
                .write_varint(input.number())
                .write_sized(input.octets(input.next() % 60));
            return;
        case 18:
            out.write(std::uint8_t{0x07}).write_sized(input.octets(input.next() % 20));
            return;  // NEW_TOKEN
        case 19:
            out.write(std::uint8_t{0x31}).write_sized(input.octets(input.next() % 40));
            return;  // DATAGRAM
        case 20:     // CONNECTION_CLOSE
            out.write(std::uint8_t{0x1d})
                .write_varint(input.number())
                .write_sized(input.octets(input.next() % 40));
            return;
        default: out.write(input.octets(input.next() % 30)); return;  // anything
    }
}

class Game {
public:
    explicit Game(Input input) : input_(input) {
        world_.links.resize(4);
        world_.server_config.max_connections = 4;
        world_.server_config.idle_timeout = world_.client_config.idle_timeout = 60s;
        world_.host.prepare = [](Recorder& server) {
            server.keeps = false;
            server.when_data = [&server](StreamId id, ByteView data, bool fin) {
                server.connection->write(id,
                                         Slice::copy_of(data.first(std::min<std::size_t>(data.size(), 50))));
                if (fin) server.connection->finish(id);
            };
        };
        world_.swallow = [this](End from, std::size_t, ByteView packet) { return interfere(from, packet); };
        world_.start();
        client_.keeps = false;
        client_.when_closed = [this] { over_ = true; };
    }

    void play() {
        const unsigned first = input_.next();
        if (first >= 0xc0) {  // a rogue already during the handshake
            fill_forgery();
            packets_before = first % 16;
        }
        world_.connect(client_);
        if (first % 8 != 0) world_.run(20ms);
        forged_frames.clear();
        for (int moves = 0; !input_.empty() && moves < 300; ++moves) move();
        world_.swallow = nullptr;
        forged_frames.clear();
        world_.run(100ms);
        expect(world_.server->connections() <= 4, "the limit of connections");
        let_an_honest_client_in();
    }

private:
    void move() {
        switch (input_.next() % 16) {
            case 0: world_.run(std::chrono::milliseconds{input_.next()}); return;
            case 1: world_.run(std::chrono::seconds{input_.next() % 16}); return;
            case 2: damaged_ = 1 + input_.next(); return;
            case 3: lost_ += 1 + input_.next() % 3; return;
            case 4: raw(); return;
            case 5:
            case 6: forge(); return;
            case 7: world_.links[input_.next() % 4].dead = (input_.next() & 1) != 0; return;
            default: break;
        }
        if (!over_) talk();
        world_.run(1ms);
    }

    void talk() {
        Connection& connection = *client_.connection;
        switch (input_.next() % 10) {
            case 0:
            case 1: {
                const auto direction =
                    (input_.next() & 1) != 0 ? Direction::bidirectional : Direction::unidirectional;
                if (const auto id = connection.open_stream(direction)) streams_.push_back(*id);
                return;
            }
            case 2:
            case 3: connection.write(stream(), slice(pattern(input_.next() * 20))); return;
            case 4: connection.finish(stream()); return;
            case 5: connection.reset(stream(), input_.number()); return;
            case 6: connection.stop_sending(stream(), input_.number()); return;
            case 7: connection.send_datagram(slice(pattern(1 + input_.next() * 5))); return;
            case 8: world_.migrate(client_, input_.next() % 4); return;
            default:
                if (input_.next() % 8 == 0) connection.close(input_.number(), "over");
                return;
        }
    }

    StreamId stream() {
        const unsigned choice = input_.next();
        return streams_.empty() ? static_cast<StreamId>(choice) : streams_[choice % streams_.size()];
    }

    void fill_forgery() {
        Writer out{forged_frames};
        packets_before = 0;
        for (unsigned count = 1 + input_.next() % 3; count > 0 && forged_frames.size() < 200; --count)
            forge_frame(input_, out);
    }

    void forge() {
        const bool by_server = input_.next() % 4 == 0;
        if (over_ || world_.host.recorders.empty() || world_.host.last().is_closed()) return;
        Connection& rogue = by_server ? *world_.host.last().connection : *client_.connection;
        fill_forgery();
        rogue.send_datagram(slice(std::string(400, 'x')));  // a packet with room for them
        world_.run(2ms);
        forged_frames.clear();
    }

    void raw() {
        Bytes packet = last_;
        const Bytes overlay = input_.octets(input_.next() % 64);
        packet.resize(std::max(packet.size(), overlay.size()));
        std::copy(overlay.begin(), overlay.end(), packet.begin());
        if ((input_.next() & 1) != 0) packet.resize(1200);
        world_.server->on_datagram(World::server_path(input_.next() % 4), packet, 0, world_.now);
        world_.client->on_datagram(client_.connection->path(), packet, 0, world_.now);
    }

    bool interfere(End from, ByteView packet) {
        last_ = to_bytes(packet);
        if (lost_ > 0) {
            --lost_;
            return true;
        }
        if (damaged_ == 0) return false;
        last_[damaged_ % last_.size()] ^= std::byte{0x41};
        damaged_ = 0;
        if (from == End::client) world_.server->on_datagram(World::server_path(0), last_, 0, world_.now);
        return true;
    }

    void let_an_honest_client_in() {
        for (auto& link : world_.links) link = Link{};
        for (const auto& recorder : world_.host.recorders) world_.server->forget(*recorder->connection);
        Recorder honest;
        world_.run(4s);
        world_.connect(honest);
        expect(world_.run_until([&] { return honest.established == 1; }, 9s), "an honest client gets in");
    }

    static void expect(bool condition, const char* what) {
        if (condition) return;
        std::fprintf(stderr, "broken: %s\n", what);
        std::abort();
    }

    Input input_;
    World world_;
    Recorder client_;
    std::vector<StreamId> streams_;
    Bytes last_;
    unsigned damaged_ = 0, lost_ = 0;
    bool over_ = false;
};

}  // namespace

// Stands in front of GnuTLS's own, which ngtcp2 calls to seal each packet.
extern "C" int gnutls_aead_cipher_encrypt(gnutls_aead_cipher_hd_t handle, const void* nonce,
                                          std::size_t nonce_size, const void* aad, std::size_t aad_size,
                                          std::size_t tag_size, const void* in, std::size_t in_size,
                                          void* out, std::size_t* out_size) {
    using Function = decltype(&gnutls_aead_cipher_encrypt);
    static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "gnutls_aead_cipher_encrypt"));
    if (forged_frames.empty() || in_size < forged_frames.size() || packets_before-- > 0)
        return real(handle, nonce, nonce_size, aad, aad_size, tag_size, in, in_size, out, out_size);
    Bytes frames = std::exchange(forged_frames, {});
    frames.resize(in_size);  // zeros are PADDING
    return real(handle, nonce, nonce_size, aad, aad_size, tag_size, frames.data(), frames.size(), out,
                out_size);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    forged_frames.clear();
    Game{Input{data, size}}.play();
    return 0;
}
