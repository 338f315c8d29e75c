// libnice: an ICE agent for each pair of coordinator and member, host candidates on every interface, datagrams.
//
//   ice_pulse host --signal=PATH
//   ice_pulse join --name=NAME --signal=PATH [--patience-ms=500]
//
// ICE needs somebody who carries session descriptions to and fro. Here that is a Unix socket, which no fault of the laboratory
// touches and which costs next to nothing: better than what an application would have.
//
// Settings, and why they are the best that are reasonable:
//  - Consent freshness (RFC 7675) and keep-alive by connectivity checks are on. Their times are fixed in the library, and
//    consent takes ten seconds and more to expire, so a member that hears nothing for 500 ms restarts ICE (RFC 8445 section
//    9, nice_agent_restart), and again each 500 ms until messages come. Applications wait longer, for a restart costs
//    round trips through their signalling server.
//  - Checks go out each 5 ms, the smallest pace that RFC 8445 (section 14.2) allows; aggressive nomination; a check is
//    repeated after 100 ms, not 500, for this is a LAN. No TCP candidates, no UPnP: nothing here would answer.
//  - Datagrams as they are: libnice encrypts and repeats nothing. Its "reliable" mode (pseudo TCP) would lose less, later.
#include <memory>

#include <nice/agent.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "peer_pulse.h"

using namespace muster::lab;

namespace {

constexpr std::size_t kMostSignal = 16 * 1024;

/// One agent: one end of one pair.
class Agent {
public:
    Agent(PeerPulse& pulse, std::string peer, int signal, bool is_controlling)
        : pulse_(pulse), peer_(std::move(peer)), signal_(signal), is_controlling_(is_controlling) {
        agent_ =
            nice_agent_new_full(nullptr, NICE_COMPATIBILITY_RFC5245, NICE_AGENT_OPTION_CONSENT_FRESHNESS);
        g_object_set(agent_, "controlling-mode", static_cast<gboolean>(is_controlling), "ice-tcp", FALSE,
                     "upnp", FALSE, "keepalive-conncheck", TRUE, "stun-pacing-timer", 5U,
                     "stun-initial-timeout", 100U, nullptr);
        g_signal_connect(agent_, "candidate-gathering-done", G_CALLBACK(&on_gathered), this);
        g_signal_connect(agent_, "new-selected-pair-full", G_CALLBACK(&on_pair), this);
        g_signal_connect(agent_, "component-state-changed", G_CALLBACK(&on_state), this);
        stream_ = nice_agent_add_stream(agent_, 1);
        nice_agent_set_stream_name(agent_, stream_, "application");
        nice_agent_attach_recv(agent_, stream_, 1, nullptr, &on_datagram, this);
        if (nice_agent_gather_candidates(agent_, stream_) == FALSE) give_up("no candidates");
    }
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;
    ~Agent() {
        g_object_unref(agent_);
        ::close(signal_);
    }

    const std::string& peer() const { return peer_; }
    int signal() const { return signal_; }
    std::int64_t heard_ns() const { return heard_ns_; }
    bool was_ready() const { return was_ready_; }

    bool send(const BeatBytes& beat) {
        return nice_agent_send(agent_, stream_, 1, static_cast<guint>(beat.size()), beat.data()) ==
               static_cast<gint>(beat.size());
    }
    void restart() {
        PeerPulse::on_lost_path("silence: ICE restart");
        heard_ns_ = now_ns();
        nice_agent_restart(agent_);
        offer();
    }
    /// A description from the other end; one after the first is its restart, or the answer to ours.
    void on_signal(const std::string& description) {
        const bool is_restart = std::exchange(has_remote_, true) && !is_controlling_;
        if (is_restart) nice_agent_restart(agent_);
        if (nice_agent_parse_remote_sdp(agent_, description.c_str()) < 0) return;
        if (is_restart) offer();
    }

private:
    void offer() {
        gchar* description = nice_agent_generate_local_sdp(agent_);
        ::send(signal_, description, std::strlen(description), MSG_NOSIGNAL);
        g_free(description);
    }
    static void on_gathered(NiceAgent*, guint, gpointer self) { static_cast<Agent*>(self)->offer(); }
    static void on_state(NiceAgent*, guint, guint, guint state, gpointer self) {
        auto* agent = static_cast<Agent*>(self);
        if (state == NICE_COMPONENT_STATE_FAILED) PeerPulse::on_lost_path("failed");
        if (state != NICE_COMPONENT_STATE_CONNECTED && state != NICE_COMPONENT_STATE_READY) return;
        if (!std::exchange(agent->was_ready_, true)) agent->heard_ns_ = now_ns();
        agent->pulse_.on_joined(agent->peer_);
    }
    // NOLINTNEXTLINE(readability-function-size): the signature is libnice's
    static void on_pair(NiceAgent*, guint, guint, NiceCandidate* local, NiceCandidate*, gpointer self) {
        std::array<gchar, NICE_ADDRESS_STRING_LEN> text{};
        nice_address_to_string(&local->base_addr, text.data());
        auto* agent = static_cast<Agent*>(self);
        if (agent->is_controlling_) agent->pulse_.on_path(text.data());
    }
    // NOLINTNEXTLINE(readability-function-size): the signature is libnice's
    static void on_datagram(NiceAgent*, guint, guint, guint size, gchar* data, gpointer self) {
        auto* agent = static_cast<Agent*>(self);
        agent->heard_ns_ = now_ns();
        agent->pulse_.on_message(agent->peer_, {data, size});
    }

    PeerPulse& pulse_;
    std::string peer_;
    int signal_;
    bool is_controlling_, has_remote_ = false, was_ready_ = false;
    NiceAgent* agent_ = nullptr;
    guint stream_ = 0;
    std::int64_t heard_ns_ = 0;
};

sockaddr_un signal_address(const Options& options) {
    sockaddr_un made{};
    made.sun_family = AF_UNIX;
    options.text("signal").copy(made.sun_path, sizeof made.sun_path - 1);
    return made;
}

class Ice : public Transport {
public:
    Ice(PeerPulse& pulse, const Options& options)
        : pulse_(pulse),
          patience_ns_(options.number("patience-ms", 500) * 1'000'000),
          signal_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
        g_main_context_acquire(context_);
        const sockaddr_un where = signal_address(options);
        const auto* generic = reinterpret_cast<const sockaddr*>(&where);
        if (pulse.is_coordinator) {
            if (::bind(signal_, generic, sizeof where) != 0 || ::listen(signal_, 64) != 0)
                give_up("cannot listen");
            tell("hosting");
            return;
        }
        const std::string name = options.text("name", "member");
        if (::connect(signal_, generic, sizeof where) != 0)
            give_up(std::string{"no coordinator: "} + std::strerror(errno));
        ::send(signal_, name.data(), name.size(), MSG_NOSIGNAL);
        agents_.push_back(std::make_unique<Agent>(pulse, "coordinator", signal_, true));
    }
    std::int64_t wait_for(std::vector<pollfd>& polled) override {
        for (const auto& agent : agents_) polled.push_back({agent->signal(), POLLIN, 0});
        if (pulse_.is_coordinator) polled.push_back({signal_, POLLIN, 0});
        g_main_context_prepare(context_, &priority_);
        gint timeout_ms = 0;
        const gint many = g_main_context_query(context_, priority_, &timeout_ms, nullptr, 0);
        glib_.resize(static_cast<std::size_t>(many));
        g_main_context_query(context_, priority_, &timeout_ms, glib_.data(), many);
        for (const GPollFD& one : glib_) polled.push_back({one.fd, static_cast<short>(one.events), 0});
        return now_ns() + (timeout_ms < 0 ? 1000 : timeout_ms) * 1'000'000LL;
    }
    void turn(std::span<pollfd> polled) override {
        const std::size_t own = agents_.size() + (pulse_.is_coordinator ? 1 : 0);
        for (std::size_t i = 0; i < glib_.size(); ++i)
            glib_[i].revents = static_cast<gushort>(polled[own + i].revents);
        if (g_main_context_check(context_, priority_, glib_.data(), static_cast<gint>(glib_.size())) != FALSE)
            g_main_context_dispatch(context_);
        for (std::size_t i = 0; i < own; ++i)
            if (polled[i].revents != 0) i < agents_.size() ? read_signal(*agents_[i]) : accept();
        if (pulse_.is_coordinator) return;
        Agent& agent = *agents_.front();
        if (agent.was_ready() && now_ns() >= agent.heard_ns() + patience_ns_) agent.restart();
    }
    bool send(const std::string& peer, const BeatBytes& beat) override {
        for (const auto& agent : agents_)
            if (agent->peer() == peer) agent->send(beat);
        return true;  // a datagram that does not go out is lost on its way
    }

private:
    static std::string read_packet(int socket) {
        std::string packet(kMostSignal, '\0');
        const ssize_t size = ::recv(socket, packet.data(), packet.size(), MSG_DONTWAIT);
        packet.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
        return packet;
    }
    static void read_signal(Agent& agent) {
        const std::string description = read_packet(agent.signal());
        if (!description.empty()) agent.on_signal(description);
    }
    void accept() {
        const int socket = ::accept4(signal_, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket < 0) return;
        pollfd waits{socket, POLLIN, 0};  // for the name, which is sent at once
        ::poll(&waits, 1, 1000);
        agents_.push_back(std::make_unique<Agent>(pulse_, read_packet(socket), socket, false));
    }

    PeerPulse& pulse_;
    std::int64_t patience_ns_;
    int signal_;
    std::vector<std::unique_ptr<Agent>> agents_;
    GMainContext* context_ = g_main_context_default();
    std::vector<GPollFD> glib_;
    gint priority_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    const Options options{argc - 1, argv + 1};
    PeerPulse pulse{options};
    pulse.is_coordinator = is_host(argc, argv);
    Ice transport{pulse, options};
    pulse.run(transport);
}
