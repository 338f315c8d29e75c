#pragma once

#include "base/check.h"
#include "quic/connection_impl.h"

namespace muster::quic {

/// While ngtcp2 works for one connection: it must not be entered again for that one, and the packets it
/// decrypts pass the guard.
class ConnectionImpl::EngineCall {
public:
    explicit EngineCall(ConnectionImpl& connection)
        : connection_(connection), outer_(std::exchange(current_, &connection)) {
        MUSTER_CHECK(!connection.in_engine_);
        connection.in_engine_ = true;
    }
    ~EngineCall() {
        connection_.in_engine_ = false;
        current_ = outer_;
    }
    EngineCall(const EngineCall&) = delete;
    EngineCall& operator=(const EngineCall&) = delete;

private:
    ConnectionImpl& connection_;
    ConnectionImpl* outer_;  // an event of one connection may lead to a call for another
};

}  // namespace muster::quic
