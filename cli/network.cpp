#include "network.h"

#include <chrono>

namespace muster::cli {

namespace {
// Longer than any close of this program is given; who is not gone by then does not answer.
constexpr std::chrono::seconds kLastGoodbyes{3};
}  // namespace

Network::Network()
    : work_(context_.get_executor()), thread_([this] {
          context_.run();
          ended_.set_value();
      }) {}

Network::~Network() {
    work_.reset();
    if (ended_.get_future().wait_for(kLastGoodbyes) == std::future_status::timeout) context_.stop();
    thread_.join();
}

}  // namespace muster::cli
