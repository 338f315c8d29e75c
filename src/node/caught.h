#pragma once

#include <exception>
#include <string>

#include <boost/system/system_error.hpp>

#include "os/system_error.h"

namespace muster::node {

/// Calls what makes a node. Asio and TLS throw when the system has nothing left for them (the first descriptor of
/// an io_context is its epoll): an application that was promised a Result gets one.
template <class Make>
auto caught(Make make) -> decltype(make()) {
    try {
        return make();
    } catch (const boost::system::system_error& failure) {
        if (failure.code().category() == boost::system::system_category())
            return os::system_error("setting up the event loop", failure.code().value());
        return Error{Errc::system, failure.what()};
    } catch (const std::exception& failure) {
        return Error{Errc::system, failure.what()};
    }
}

}  // namespace muster::node
