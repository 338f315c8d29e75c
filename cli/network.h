#pragma once

#include <future>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

namespace muster::cli {

/// The thread on which sessions live. They keep their links alive there while the program's own thread
/// waits for a terminal or for whoever reads its output. The destructor lets the last goodbyes out, for
/// at most three seconds.
class Network {
public:
    Network();
    ~Network();
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    boost::asio::io_context::executor_type executor() { return context_.get_executor(); }

private:
    boost::asio::io_context context_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    std::promise<void> ended_;
    std::thread thread_;
};

}  // namespace muster::cli
