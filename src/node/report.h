#pragma once

#include <string>

#include <boost/json/array.hpp>

#include "muster/report.h"

namespace muster::node {

/// The parts that sessions have given, with this machine as it is now.
std::string report_of(boost::json::array sessions, const ReportOptions& options);

}  // namespace muster::node
