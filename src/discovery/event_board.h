#pragma once

#include <list>
#include <map>
#include <optional>
#include <string>

#include "muster/service.h"

namespace muster::discovery {

/// Service events that wait for their reader, folded to one per service: bounded by the number of services,
/// and the reader still sees a consistent story (found, then updated or left).
class EventBoard {
public:
    void push(const ServiceEvent& event);
    std::optional<ServiceEvent> pop();
    bool empty() const { return order_.empty(); }

private:
    using Order = std::list<ServiceEvent>;  // oldest first
    Order order_;
    std::map<std::string, Order::iterator> waiting_;  // by instance name
};

}  // namespace muster::discovery
