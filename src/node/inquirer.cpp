#include "node/inquirer.h"

#include <array>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "os/path_inquiry.h"

#include "muster/time.h"

namespace muster::node {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr int kMostAtATime = 8;
// An ICMP error on a LAN comes within a millisecond, an answer of a busy or sleepy one within some ten. All of them
// together end before profile realtime calls a link lost: 55 + 70 ms are less than 145.
constexpr std::array<Duration, 4> kLooks{3ms, 7ms, 20ms, 40ms};

}  // namespace

struct Inquirer::Running {
    Running(const asio::any_io_executor& strand, const link::Path& along,
            std::unique_ptr<os::PathInquiry> asked)
        : path(along), inquiry(std::move(asked)), timer(strand) {}

    link::Path path;
    std::unique_ptr<os::PathInquiry> inquiry;
    asio::steady_timer timer;
    std::size_t looks = 0;
};

struct Inquirer::State {
    asio::any_io_executor strand;
    OnFindings on_findings;  // empty: it is over
    int running = 0;
};

Inquirer::Inquirer(asio::any_io_executor strand, OnFindings on_findings)
    : state_(std::make_shared<State>(State{std::move(strand), std::move(on_findings)})) {}

Inquirer::~Inquirer() { state_->on_findings = nullptr; }

void Inquirer::ask(const link::Path& path) {
    if (state_->running == kMostAtATime) return;
    auto begun = os::PathInquiry::begin(path.remote, path.local);
    if (!begun) return;  // out of descriptors: it stays unknown
    ++state_->running;
    wait(state_, std::make_shared<Running>(state_->strand, path, std::move(*begun)));
}

void Inquirer::wait(const std::shared_ptr<State>& state, std::shared_ptr<Running> running) {
    asio::steady_timer& timer = running->timer;
    timer.expires_after(kLooks[running->looks++]);
    timer.async_wait([state, running = std::move(running)](boost::system::error_code) {
        const bool is_last = running->looks == kLooks.size();
        if (state->on_findings && !running->inquiry->look() && !is_last) return wait(state, running);
        --state->running;
        if (state->on_findings) state->on_findings(running->path, running->inquiry->finish());
    });
}

}  // namespace muster::node
