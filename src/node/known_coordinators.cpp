#include "node/known_coordinators.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "base/crypto.h"
#include "os/files.h"

namespace muster::node {

namespace json = boost::json;

namespace {

constexpr char kFolder[] = "/groups";
constexpr std::size_t kMaxEndpoints = 8;

std::optional<KnownCoordinator> read(const std::string& text, const std::string& group) {
    boost::system::error_code ec;
    const json::value value = json::parse(text, ec);
    const json::object* object = ec ? nullptr : value.if_object();
    if (!object) return std::nullopt;
    const json::value* named = object->if_contains("group");
    const json::value* id = object->if_contains("id");
    if (!named || !named->is_string() || named->get_string() != group || !id || !id->is_string())
        return std::nullopt;
    const auto device = DeviceId::parse(std::string_view{id->get_string()});
    if (!device) return std::nullopt;
    KnownCoordinator known{.id = *device, .endpoints = {}};
    const json::value* list = object->if_contains("endpoints");
    if (!list || !list->is_array()) return known;
    for (const json::value& item : list->get_array()) {
        const auto endpoint =
            item.is_string() ? Endpoint::parse(std::string_view{item.get_string()}) : std::nullopt;
        if (endpoint && known.endpoints.size() < kMaxEndpoints) known.endpoints.push_back(*endpoint);
    }
    return known;
}

}  // namespace

std::string KnownCoordinators::path_of(const std::string& group) const {
    const Sha256Digest digest = sha256(as_bytes(group));
    return directory_ + kFolder + "/" + base32(std::as_bytes(std::span{digest}).first(10)) + ".json";
}

Result<std::optional<KnownCoordinator>> KnownCoordinators::find(const std::string& group) const {
    if (directory_.empty()) return std::optional<KnownCoordinator>{};
    const std::string path = path_of(group);
    const auto text = os::read_file(path);
    if (!text && text.error().code() == Errc::bad_input) return std::optional<KnownCoordinator>{};
    if (!text) return text.error();
    auto known = read(*text, group);
    if (known) return known;
    return Error{Errc::bad_input, "the pinned coordinator of '" + group + "' cannot be read from " + path}
        .cure("remove that file if you trust the network you are on, then join again");
}

Result<void> KnownCoordinators::remember(const std::string& group,
                                         const KnownCoordinator& coordinator) const {
    if (directory_.empty()) return {};
    if (auto made = os::make_private_directory(directory_ + kFolder); !made) return made;
    json::array endpoints;
    for (const Endpoint& endpoint : coordinator.endpoints) endpoints.emplace_back(endpoint.to_string());
    const json::object object{
        {"group", group}, {"id", coordinator.id.to_string()}, {"endpoints", std::move(endpoints)}};
    const auto written =
        os::write_file(path_of(group), json::serialize(object) + "\n", os::IfPresent::replace);
    if (!written) return written.error();
    return {};
}

Result<bool> KnownCoordinators::forget(const std::string& group) const {
    if (directory_.empty()) return false;
    return os::remove_file(path_of(group));
}

}  // namespace muster::node
