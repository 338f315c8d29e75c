#include "path_words.h"

#include <sstream>

#include "text.h"

namespace muster::cli {

Result<PathPreferences> read_preferences(const std::string& words) {
    PathPreferences wanted;
    std::istringstream in{words};
    for (std::string verb, selector; in >> verb; selector.clear()) {
        in >> selector;
        auto* list = verb == "require"    ? &wanted.require
                     : verb == "prohibit" ? &wanted.prohibit
                     : verb == "prefer"   ? &wanted.prefer
                     : verb == "metered"  ? &wanted.metered
                                          : nullptr;
        if (!list || selector.empty())
            return Error{Errc::bad_input,
                         list ? verb + " needs an interface" : "'" + printable(verb) + "' is no preference"}
                .cure(
                    "say require, prohibit, prefer or metered, each followed by an interface: a name (eth0), "
                    "a pattern "
                    "(wl*) or a kind (kind:wired)");
        list->push_back(selector);
    }
    if (auto fine = check_path_preferences(wanted); !fine) return fine.error();
    return wanted;
}

}  // namespace muster::cli
