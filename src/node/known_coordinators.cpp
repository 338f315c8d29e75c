#include "node/known_coordinators.h"

#include <algorithm>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "base/crypto.h"
#include "os/files.h"

namespace muster::node {

namespace json = boost::json;

namespace {

constexpr char kFolder[] = "/groups";
constexpr char kSuffix[] = ".json";
constexpr std::size_t kMaxEndpoints = 8;

struct Entry {
    std::string group;
    KnownCoordinator coordinator;
};

std::optional<Entry> read(const std::string& text) {
    boost::system::error_code ec;
    const json::value value = json::parse(text, ec);
    const json::object* object = ec ? nullptr : value.if_object();
    if (!object) return std::nullopt;
    const json::value* named = object->if_contains("group");
    const json::value* id = object->if_contains("id");
    if (!named || !named->is_string() || !id || !id->is_string()) return std::nullopt;
    const auto device = DeviceId::parse(std::string_view{id->get_string()});
    if (!device) return std::nullopt;
    Entry entry{std::string{named->get_string()}, {.id = *device, .endpoints = {}}};
    std::vector<Endpoint>& endpoints = entry.coordinator.endpoints;
    const json::value* list = object->if_contains("endpoints");
    if (!list || !list->is_array()) return entry;
    for (const json::value& item : list->get_array()) {
        const auto endpoint =
            item.is_string() ? Endpoint::parse(std::string_view{item.get_string()}) : std::nullopt;
        if (endpoint && endpoints.size() < kMaxEndpoints) endpoints.push_back(*endpoint);
    }
    return entry;
}

Error damaged(const std::string& whose, const std::string& path) {
    return Error{Errc::bad_input, "the pinned coordinator of " + whose + " cannot be read from " + path}.cure(
        "remove that file if you trust the network you are on, then join again");
}

}  // namespace

std::string KnownCoordinators::folder() const { return directory_ + kFolder; }

std::string KnownCoordinators::path_of(const std::string& group) const {
    const Sha256Digest digest = sha256(as_bytes(group));
    return folder() + "/" + base32(std::as_bytes(std::span{digest}).first(10)) + kSuffix;
}

Result<std::optional<KnownCoordinator>> KnownCoordinators::find(const std::string& group) const {
    if (directory_.empty()) return std::optional<KnownCoordinator>{};
    const std::string path = path_of(group);
    const auto text = os::read_file(path);
    if (!text && text.error().code() == Errc::bad_input) return std::optional<KnownCoordinator>{};
    if (!text) return text.error();
    auto entry = read(*text);
    if (!entry || entry->group != group) return damaged("'" + group + "'", path);
    return std::optional{std::move(entry->coordinator)};
}

Result<void> KnownCoordinators::remember(const std::string& group,
                                         const KnownCoordinator& coordinator) const {
    if (directory_.empty()) return {};
    if (auto made = os::make_private_directory(folder()); !made) return made;
    json::array endpoints;
    for (const Endpoint& endpoint : coordinator.endpoints) endpoints.emplace_back(endpoint.to_string());
    const json::object object{
        {"group", group}, {"id", coordinator.id.to_string()}, {"endpoints", std::move(endpoints)}};
    const auto written =
        os::write_file(path_of(group), json::serialize(object) + "\n", os::IfPresent::replace);
    if (!written) return written.error();
    return {};
}

Result<std::vector<Pin>> KnownCoordinators::pins() const {
    std::vector<Pin> pins;
    if (directory_.empty()) return pins;
    const auto names = os::list_directory(folder());
    if (!names) return names.error();
    for (const std::string& name : *names) {
        if (!name.ends_with(kSuffix)) continue;  // of a process that died while it wrote
        const std::string path = folder() + "/" + name;
        const auto text = os::read_file(path);
        if (!text && text.error().code() == Errc::bad_input) continue;  // forgotten meanwhile
        if (!text) return text.error();
        auto entry = read(*text);
        if (!entry || path_of(entry->group) != path) return damaged("a group", path);
        pins.push_back({std::move(entry->group), entry->coordinator.id});
    }
    std::ranges::sort(pins, {}, &Pin::group);
    return pins;
}

Result<bool> KnownCoordinators::forget(const std::string& group) const {
    if (directory_.empty()) return false;
    return os::remove_file(path_of(group));
}

}  // namespace muster::node
