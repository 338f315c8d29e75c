#include "node/group_names.h"

#include "base/crypto.h"
#include "base/text.h"

#include "muster/session_types.h"

namespace muster::node {
namespace {

std::string group_hash(std::string_view group, std::size_t octets) {
    const Sha256Digest digest = sha256(as_bytes(group));
    return base32(std::as_bytes(std::span{digest}).first(octets));
}

}  // namespace

std::string coordinator_instance(std::string_view group) { return "coord-" + group_hash(group, 10); }

std::string group_subtype(std::string_view group) { return "_g" + group_hash(group, 10); }

std::string host_label(const DeviceId& id) { return "m-" + id.to_string().substr(0, 16); }

TxtRecord coordinator_txt(std::string_view group, std::string_view name, const DeviceId& id) {
    TxtRecord txt;
    (void)txt.set("txtvers", "1");  // these keys and sizes always fit: group and name have at most 64 octets
    (void)txt.set("group", group);
    (void)txt.set("name", name);
    (void)txt.set("id", id.to_string());
    return txt;
}

std::optional<DeviceId> coordinator_id(const TxtRecord& txt, std::string_view group) {
    const auto id = txt.get("id");
    if (!id || txt.get("group") != group) return std::nullopt;
    return DeviceId::parse(*id);
}

std::string coordinator_name(const TxtRecord& txt) {
    return cleaned(txt.get("name").value_or(std::string_view{}), kMaxNameSize);
}

std::string listed_instance(std::string_view group, const DeviceId& id) {
    return id.to_string() + "-" + group_hash(group, 5);
}

CoordinatorNames coordinator_names(std::string_view group, std::string_view name, const DeviceId& id,
                                   std::uint16_t port) {
    discovery::Registration own;
    own.instance = listed_instance(group, id);
    own.type = kGroupType;
    own.subtypes = {group_subtype(group)};
    own.port = port;
    own.txt = coordinator_txt(group, name, id);
    own.uniqueness = discovery::Uniqueness::known_unique;
    own.on_conflict = discovery::OnConflict::keep;
    own.occupancy = discovery::Occupancy::one;
    discovery::Registration shared = own;
    shared.instance = coordinator_instance(group);
    shared.subtypes.clear();
    shared.uniqueness = discovery::Uniqueness::probe;
    shared.on_conflict = discovery::OnConflict::report;
    shared.listing = discovery::Listing::unlisted;
    return {.own = std::move(own), .shared = std::move(shared)};
}

discovery::ResolveRequest unique_request(std::string_view group, std::vector<Endpoint> hints) {
    discovery::ResolveRequest request;
    request.instance = coordinator_instance(group);
    request.type = kGroupType;
    request.hints = std::move(hints);
    return request;
}

discovery::BrowseRequest listing_request(std::string_view group) {
    discovery::BrowseRequest request;
    request.type = kGroupType;
    request.subtype = group_subtype(group);
    request.occupancy = discovery::Occupancy::one;
    return request;
}

Result<void> check_group(std::string_view group) {
    if (auto fine = check_name(group); !fine)
        return Error{fine.error()}.during("group").cure(
            "a group is 1 to 64 octets of text without control characters");
    return {};
}

}  // namespace muster::node

namespace muster {

std::optional<FoundGroup> found_group(const ServiceInstance& service) {
    const auto group = service.txt.get("group");
    const auto name = service.txt.get("name");
    const auto id = service.txt.get("id");
    if (!group || !check_name(*group) || !name || !check_name(*name) || !id) return std::nullopt;
    const auto coordinator = DeviceId::parse(*id);
    if (!coordinator) return std::nullopt;
    return FoundGroup{std::string{*group}, std::string{*name}, *coordinator, service.endpoints};
}

}  // namespace muster
