#include "discovery/mdns_service.h"

#include <array>
#include <optional>
#include <set>

#include <boost/asio/post.hpp>

#include "base/crypto.h"
#include "base/log.h"
#include "base/random.h"
#include "discovery/mdns_front.h"
#include "net/interface_monitor.h"
#include "os/timer.h"

namespace muster::discovery {
namespace {

namespace asio = boost::asio;

// 80 random bits: nobody else has this name (RFC 6762 section 8.1, last paragraph).
std::string random_host(Randomness& random) {
    std::array<std::byte, 10> octets{};
    random.fill(octets);
    return "m-" + base32(octets);
}

bool is_host_label(std::string_view label) {
    return check_instance_name(label).has_value() && label.find('.') == std::string_view::npos;
}

MdnsEngineOptions engine_options(const MdnsServiceOptions& options, Randomness& random) {
    MdnsEngineOptions out;
    out.host = is_host_label(options.host) ? options.host : random_host(random);
    out.links.ipv4 = options.ipv4;
    out.links.ipv6 = options.ipv6;
    out.links.loopback = options.loopback;
    out.links.only = options.only_interfaces;
    out.links.except = options.except_interfaces;
    return out;
}

}  // namespace

class MdnsService::Impl : public std::enable_shared_from_this<Impl> {
public:
    Impl(asio::any_io_executor executor, MdnsServiceOptions options)
        : executor_(std::move(executor)),
          options_(std::move(options)),
          sockets_(executor_),
          engine_(engine_options(options_, random_), sockets_, random_),
          front_(
              engine_, [] { return SteadyClock::now(); }, [this] { wake(); }),
          timer_(executor_),
          host_name_(engine_.host_name().to_string()) {}

    Result<void> start();
    void stop();
    void set_path_preferences(PathPreferences preferences) {
        options_.paths = std::move(preferences);
        if (monitor_) on_interfaces(monitor_->snapshot().interfaces);
    }

    MdnsFront& front() { return front_; }
    const std::string& host_name() const { return host_name_; }
    PortSharing port_sharing() const { return sharing_; }

private:
    enum class State : std::uint8_t { idle, running, stopped };

    void on_interfaces(std::vector<Interface> interfaces);
    void on_packet(const PacketInfo& info, ByteView packet);
    void wake();
    void pump();
    void arm();

    asio::any_io_executor executor_;
    MdnsServiceOptions options_;
    SystemRandomness random_;
    MdnsSockets sockets_;
    MdnsEngine engine_;
    MdnsFront front_;
    os::Timer timer_;
    std::string host_name_;
    std::unique_ptr<net::InterfaceMonitor> monitor_;
    std::set<InterfaceIndex> prohibited_;
    PortSharing sharing_ = PortSharing::sole;
    State state_ = State::idle;
    bool wake_posted_ = false;
};

Result<void> MdnsService::Impl::start() {
    if (state_ != State::idle) return Error{Errc::bad_input, "discovery has been started already"};
    if (!options_.host.empty() && !is_host_label(options_.host))
        return Error{Errc::bad_name, "the host name must be one label of 1 to 63 octets"};
    LinkPolicy families;
    families.ipv4 = options_.ipv4;
    families.ipv6 = options_.ipv6;
    auto sharing =
        sockets_.open(families, [this](const auto& info, ByteView packet) { on_packet(info, packet); });
    if (!sharing) {
        Error why = std::move(sharing.error()).during("opening the mDNS port 5353");
        if (why.code() == Errc::already_exists && why.cure().empty())
            why.cure("another program keeps the port for itself: stop it, or make it share (SO_REUSEADDR)");
        return why;
    }
    sharing_ = *sharing;
    engine_.set_sole_on_port(sharing_ == PortSharing::sole);
    auto monitor = net::InterfaceMonitor::open(
        executor_, [this](const auto& snapshot, const auto&) { on_interfaces(snapshot.interfaces); });
    if (!monitor) {
        sockets_.close();
        return std::move(monitor.error()).during("watching the network interfaces");
    }
    monitor_ = *std::move(monitor);
    state_ = State::running;
    on_interfaces(monitor_->snapshot().interfaces);
    return {};
}

void MdnsService::Impl::stop() {
    if (state_ == State::running) engine_.shut_down(SteadyClock::now());
    state_ = State::stopped;
    front_.close();
    monitor_.reset();
    sockets_.close();
    timer_.cancel();
}

// Joins before the engine sends: the answer may be faster than we.
void MdnsService::Impl::on_interfaces(std::vector<Interface> interfaces) {
    if (state_ != State::running) return;
    mark_interfaces(options_.paths, interfaces);
    prohibited_.clear();
    for (const Interface& each : interfaces)
        if (each.prohibited) prohibited_.insert(each.index);
    engine_.on_interfaces(interfaces, SteadyClock::now());
    sockets_.follow(engine_.links());
    wake();
}

void MdnsService::Impl::on_packet(const PacketInfo& info, ByteView packet) {
    if (prohibited_.contains(info.interface)) return;  // by unicast, on the port that serves all
    const auto self = shared_from_this();              // a handler may destroy the service
    engine_.on_packet(info, packet, SteadyClock::now());
    front_.dispatch();
    arm();
}

// What is asked in one turn of the strand is sent in one turn: fifty services share a few packets.
void MdnsService::Impl::wake() {
    if (state_ != State::running || std::exchange(wake_posted_, true)) return;
    asio::post(executor_, [self = shared_from_this()] {
        self->wake_posted_ = false;
        self->pump();
    });
}

void MdnsService::Impl::pump() {
    if (state_ != State::running) return;
    engine_.on_timer(SteadyClock::now());
    front_.dispatch();
    arm();
}

void MdnsService::Impl::arm() {
    if (state_ != State::running) return;
    const auto next = engine_.next_wakeup();
    if (next == kNever) {
        timer_.cancel();
        return;
    }
    timer_.expires_at(std::max(next, SteadyClock::now()));
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
        const auto self = weak.lock();
        if (!ec && self != nullptr) self->pump();
    });
}

MdnsService::MdnsService(asio::any_io_executor executor, MdnsServiceOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options))) {}

MdnsService::~MdnsService() { stop(); }

Result<void> MdnsService::start() { return impl_->start(); }

void MdnsService::set_path_preferences(PathPreferences preferences) {
    impl_->set_path_preferences(std::move(preferences));
}

void MdnsService::stop() { impl_->stop(); }

Result<Advertisement> MdnsService::advertise(Registration registration, AdvertiseHandler handler) {
    return impl_->front().advertise(std::move(registration), std::move(handler));
}

void MdnsService::update_txt(AdvertisementId id, TxtRecord txt) {
    impl_->front().update_txt(id, std::move(txt));
}

void MdnsService::probe_again(AdvertisementId id) { impl_->front().probe_again(id); }

Result<Subscription> MdnsService::browse(BrowseRequest request, ServiceHandler handler) {
    return impl_->front().browse(std::move(request), std::move(handler));
}

Result<Subscription> MdnsService::resolve_unique(ResolveRequest request, ServiceHandler handler) {
    return impl_->front().resolve_unique(std::move(request), std::move(handler));
}

void MdnsService::reconfirm(std::string_view instance, std::string_view type) {
    impl_->front().reconfirm(instance, type);
}

const std::string& MdnsService::host_name() const { return impl_->host_name(); }

PortSharing MdnsService::port_sharing() const { return impl_->port_sharing(); }

}  // namespace muster::discovery
