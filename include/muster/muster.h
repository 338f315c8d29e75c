#pragma once

// Everything. A program that is built often may rather name what it uses: one header per concept.

#include "muster/advertiser.h"     // IWYU pragma: export
#include "muster/browser.h"        // IWYU pragma: export
#include "muster/byte_stream.h"    // IWYU pragma: export
#include "muster/bytes.h"          // IWYU pragma: export
#include "muster/coordinator.h"    // IWYU pragma: export
#include "muster/endpoint.h"       // IWYU pragma: export
#include "muster/error.h"          // IWYU pragma: export
#include "muster/explanation.h"    // IWYU pragma: export
#include "muster/file_handles.h"   // IWYU pragma: export
#include "muster/file_transfer.h"  // IWYU pragma: export
#include "muster/group.h"          // IWYU pragma: export
#include "muster/identity.h"       // IWYU pragma: export
#include "muster/ids.h"            // IWYU pragma: export
#include "muster/interface.h"
#include "muster/interface_changes.h"    // IWYU pragma: export
#include "muster/interface_details.h"    // IWYU pragma: export
#include "muster/interface_monitor.h"    // IWYU pragma: export
#include "muster/internet.h"             // IWYU pragma: export
#include "muster/log.h"                  // IWYU pragma: export
#include "muster/member.h"               // IWYU pragma: export
#include "muster/multicast_diagnosis.h"  // IWYU pragma: export
#include "muster/multicast_doctor.h"     // IWYU pragma: export
#include "muster/multicast_group.h"      // IWYU pragma: export
#include "muster/multicast_sender.h"     // IWYU pragma: export
#include "muster/multicast_status.h"     // IWYU pragma: export
#include "muster/network_path.h"         // IWYU pragma: export
#include "muster/path_preferences.h"     // IWYU pragma: export
#include "muster/profile.h"              // IWYU pragma: export
#include "muster/report.h"               // IWYU pragma: export
#include "muster/service.h"              // IWYU pragma: export
#include "muster/session.h"              // IWYU pragma: export
#include "muster/session_types.h"        // IWYU pragma: export
#include "muster/socket_scope.h"         // IWYU pragma: export
#include "muster/text.h"                 // IWYU pragma: export
#include "muster/time.h"                 // IWYU pragma: export
#include "muster/timeline.h"             // IWYU pragma: export
#include "muster/version.h"              // IWYU pragma: export
#include "muster/why.h"                  // IWYU pragma: export
#include "muster/why_answer.h"           // IWYU pragma: export
