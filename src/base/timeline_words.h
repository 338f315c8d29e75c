#pragma once

#include <chrono>
#include <string>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "muster/timeline.h"

namespace muster {

/// "14:05:09.123", in the local time zone.
std::string clock_time(std::chrono::system_clock::time_point when);
std::string_view to_string(Profile profile);

boost::json::object json_of(const Interface& interface);
boost::json::object json_of(const Timeline& timeline);
boost::json::array json_of(const std::vector<Evidence>& evidence);

}  // namespace muster
