#include "node/runner.h"

#include <boost/asio/post.hpp>

namespace muster::node {

namespace asio = boost::asio;

namespace {

// A timer that comes later than this says that the process did not run, or that others had the thread.
// Halving it would cost two system calls at many a timer of a busy node; doubling it nothing yet: liveness
// probes are 15 ms apart.
constexpr Duration kLate = std::chrono::milliseconds{5};

}  // namespace

Runner::Runner(asio::any_io_executor strand) : strand_(std::move(strand)), timer_(strand_) {}

Result<std::shared_ptr<Runner>> Runner::open(asio::any_io_executor strand, std::uint16_t port,
                                             PathPreferences preferences) {
    auto runner = std::make_shared<Runner>(strand);
    runner->self_ = runner;
    auto media = UdpMedia::open(strand, port);
    if (!media) return media.error();
    runner->media_ = std::move(*media);
    const std::weak_ptr<Runner> weak = runner;
    auto monitor = net::InterfaceMonitor::open(strand, [weak](const auto&, const auto&) {
        if (const auto self = weak.lock()) self->on_change();
    });
    if (!monitor) return monitor.error();
    runner->monitor_ = std::move(*monitor);
    if (auto fine = runner->set_path_preferences(std::move(preferences)); !fine) return fine.error();
    return runner;
}

void Runner::start(Core& core, std::function<void()> after_flush) {
    core_ = &core;
    after_flush_ = std::move(after_flush);
    core_->on_interfaces(interfaces(), SteadyClock::now());
    media_->start({
        .on_datagram =
            [this](const link::Path& from, ByteView datagram, std::uint8_t ecn) {
                if (core_) core_->on_datagram(from, datagram, ecn, SteadyClock::now());
            },
        .on_batch = [this] { turn(); },
        .on_refused =
            [this](const link::Path& path, SendRefusal refusal) {
                if (core_) core_->on_refused(path, refusal, SteadyClock::now());
            },
        .on_icmp =
            [this](const IcmpReport& report) {
                if (core_) core_->on_icmp(report, SteadyClock::now());
            },
        .on_findings =
            [this](const link::Path& path, const PathFindings& findings) {
                if (!core_) return;
                core_->on_findings(path, findings, SteadyClock::now());
                turn();
            },
    });
    turn();
}

void Runner::poke() {
    if (std::exchange(poked_, true)) return;
    asio::post(strand_, [weak = self_] {
        const auto self = weak.lock();
        if (!self) return;
        self->poked_ = false;
        self->turn();
    });
}

void Runner::turn() {
    if (!core_) return;
    const auto alive = self_.lock();  // after_flush_ may drop the last owner
    if (core_->flush(SteadyClock::now())) poke();
    after_flush_();
    if (core_) arm();
}

Result<void> Runner::set_path_preferences(PathPreferences preferences) {
    if (auto fine = check_path_preferences(preferences); !fine) return fine;
    if (monitor_)
        if (auto fine = check_satisfiable(preferences, monitor_->snapshot().interfaces); !fine) return fine;
    preferences_ = std::move(preferences);
    on_change();
    return {};
}

void Runner::use_fast_ipv6() {
    optimistic_.emplace();
    optimistic_->follow(interfaces());
}

std::vector<Evidence> Runner::preparations() const {
    return optimistic_ ? optimistic_->findings() : std::vector<Evidence>{};
}

std::vector<Interface> Runner::interfaces() const {
    if (!monitor_) return {};  // stopped
    auto all = monitor_->snapshot().interfaces;
    mark_interfaces(preferences_, all);
    return all;
}

void Runner::on_change() {
    if (!monitor_) return;
    const auto all = interfaces();
    if (optimistic_) optimistic_->follow(all);
    media_->restrict_to(all);
    if (!core_) return;
    core_->on_interfaces(all, SteadyClock::now());
    turn();
}

// A deadline that moved back is left to fire early once: cheaper than setting the timer with every packet.
void Runner::arm() {
    const TimePoint next = core_->next_wakeup();
    if (next >= armed_) return;
    armed_ = next;
    timer_.expires_at(next);
    timer_.async_wait([weak = self_](boost::system::error_code ec) {
        if (ec) return;
        if (const auto self = weak.lock()) self->on_timer();
    });
}

// What has arrived while we did not run must be heard before anybody is called silent.
void Runner::on_timer() {
    const TimePoint due = std::exchange(armed_, kNever);
    if (!core_) return;
    const auto alive = self_.lock();  // what is read may end the node
    if (SteadyClock::now() - due > kLate) media_->read_now();
    if (!core_) return;
    const TimePoint now = SteadyClock::now();
    if (now >= core_->next_wakeup()) core_->on_timer(now);
    turn();
}

void Runner::stop() {
    if (!core_) return;
    core_ = nullptr;
    media_->stop();
    timer_.cancel();
    monitor_.reset();
    optimistic_.reset();
}

}  // namespace muster::node
