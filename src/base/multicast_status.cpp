#include "muster/multicast_status.h"

#include "muster/text.h"

namespace muster {

std::string_view to_string(MulticastState state) noexcept {
    using enum MulticastState;
    switch (state) {
        case listening: return "listening";
        case receiving: return "receiving";
        case silent: return "silent";
        case sender_on_other_interface: return "sender_on_other_interface";
        case blocked: return "blocked";
        case no_interface: return "no_interface";
    }
    return "silent";
}

std::string_view to_string(SilenceCause cause) noexcept {
    using enum SilenceCause;
    switch (cause) {
        case none: return "";
        case nothing_yet: return "nothing_yet";
        case link_down: return "link_down";
        case interface_gone: return "interface_gone";
        case address_gone: return "address_gone";
        case asking_again: return "asking_again";
        case switch_forgot: return "switch_forgot";
        case sender_paused: return "sender_paused";
    }
    return "";
}

std::string_view cure_of(SilenceCause cause) noexcept {
    using enum SilenceCause;
    switch (cause) {
        case none:
        case asking_again: return "";
        case nothing_yet:
        case sender_paused:
            return "look whether the sender runs and sends to this group and port; `muster multicast doctor` "
                   "says what this machine does with what arrives";
        case link_down: return "plug the cable in, join the Wi-Fi again, or switch the interface on";
        case interface_gone:
            return "nothing, if it comes back under whatever index: the group is joined there";
        case address_gone: return "give the interface an address of the sender's network";
        case switch_forgot:
            return "switch a querier on in the network (a switch's IGMP or MLD querier, or a multicast "
                   "router), "
                   "or snooping off";
    }
    return "";
}

std::string_view to_string(Membership membership) noexcept {
    using enum Membership;
    switch (membership) {
        case joined: return "joined";
        case not_chosen: return "not_chosen";
        case watched: return "watched";
        case prohibited: return "prohibited";
        case blocked: return "blocked";
        case failed: return "failed";
        case unable: return "unable";
    }
    return "failed";
}

namespace {

template <class Fits>
std::string names(const MulticastStatus& status, Fits fits) {
    std::string text;
    for (const MulticastInterface& each : status.interfaces)
        if (fits(each)) text += (text.empty() ? "" : ", ") + printable(each.name);
    return text;
}

std::string why(SilenceCause cause) {
    using enum SilenceCause;
    switch (cause) {
        case none: return "";
        case nothing_yet: return "nothing has come yet";
        case link_down: return "the interface it came by was switched off or lost its carrier";
        case interface_gone: return "the interface it came by is gone";
        case address_gone: return "the interface it came by has lost an address";
        case asking_again: return "it stopped, and the membership is being announced afresh";
        case switch_forgot: return "a switch had forgotten the membership";
        case sender_paused: return "it stopped, and announcing the membership afresh does not bring it back";
    }
    return "";
}

}  // namespace

std::string MulticastStatus::explain() const {
    const std::string joined =
        names(*this, [](const auto& each) { return each.membership == Membership::joined; });
    const std::string on = joined.empty() ? "" : " on " + joined;
    switch (state) {
        case MulticastState::listening: return "listening" + on;
        case MulticastState::receiving: {
            const std::string by = names(*this, [](const auto& each) {
                return each.membership == Membership::joined && each.datagrams > 0;
            });
            return "receiving" + (by.empty() ? "" : " on " + by);
        }
        case MulticastState::silent: return "silent" + on + ": " + why(silence);
        case MulticastState::sender_on_other_interface:
            return "it comes by " +
                   names(*this,
                         [](const auto& each) {
                             return each.membership == Membership::watched && each.datagrams > 0;
                         }) +
                   ", which was not chosen, and not" + on;
        case MulticastState::blocked: {
            std::string text = "blocked";
            for (const MulticastInterface& each : interfaces) {
                const std::string& what = each.finding;
                if (each.membership == Membership::prohibited)
                    text += "; " + printable(each.name) + ": prohibited";
                if (!what.empty()) text += "; " + printable(each.name) + ": " + printable(what);
            }
            return text;
        }
        case MulticastState::no_interface:
            return joined.empty() ? "no interface to receive it by" : "no carrier" + on;
    }
    return {};
}

}  // namespace muster
