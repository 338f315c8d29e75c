#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "discovery/discovery.h"
#include "discovery/link_table.h"
#include "discovery/service_records.h"

namespace muster::discovery {

/// A record that answers a question.
struct OwnAnswer {
    names::Record record;
    bool unique = false;
    bool lone = false;  ///< not unique by its kind, but nobody else has been heard with one
};

/// What is to be sent on one interface now.
struct ResponderOutput {
    struct Probe {
        names::DnsName name;
        std::vector<names::Record> proposed;
    };
    InterfaceIndex interface = InterfaceIndex::none;
    std::vector<Probe> probes;
    std::vector<names::Record> announcements;
    std::vector<names::Record> goodbyes;
};

/// Owns our records: probes for names, announces, defends, renames, says goodbye (RFC 6762 sections 8
/// to 10.1). One state per registration and interface.
class MdnsResponder {
public:
    /// `host`: first label of the host's name.
    MdnsResponder(std::string host, Randomness& random);

    Result<AdvertisementId> add(Registration registration, const LinkTable& links, TimePoint now);
    void update_txt(AdvertisementId id, TxtRecord txt, TimePoint now);
    void probe_again(AdvertisementId id, TimePoint now);
    void withdraw(AdvertisementId id, TimePoint now);
    /// Goodbye for everything, the host's addresses too. Nothing is answered afterwards.
    void withdraw_all(TimePoint now);

    /// Takes the interfaces as they are now; `changed` have other addresses than before.
    void on_links(const LinkTable& links, const LinkChanges& changes, TimePoint now);

    /// Appends what we know about the question; nothing while the name is being probed. A name of ours
    /// without the type asked for is answered by NSEC (section 6.1).
    void answer(const names::Question& question, InterfaceIndex interface, std::vector<OwnAnswer>& out) const;
    /// Records that whoever gets `answers` will ask for next (section 12), without repeating them.
    std::vector<names::Record> additionals(const std::vector<names::Record>& answers,
                                           InterfaceIndex interface) const;

    /// Somebody else probes: the tie-break of section 8.2.
    void on_probe(const names::Message& query, InterfaceIndex interface, TimePoint now);
    /// Somebody else answers: conflicts (section 9), rescue of what another said goodbye to (10.1).
    void on_response(const names::Message& response, const PacketInfo& info, const LinkTable& links,
                     TimePoint now);

    TimePoint next_wakeup() const;
    std::vector<ResponderOutput> on_timer(TimePoint now);
    std::optional<std::pair<AdvertisementId, AdvertiseEvent>> poll_event();

    const names::DnsName& host_name() const { return host_.name; }
    std::uint64_t conflicts() const { return conflicts_; }

private:
    enum class Phase : std::uint8_t { probing, announcing, established, conflicted };
    enum class Scope : std::uint8_t { everything, txt_only };

    struct Presence {
        InterfaceIndex interface = InterfaceIndex::none;
        Phase phase = Phase::probing;
        Scope scope = Scope::everything;
        std::uint8_t step = 0;
        TimePoint next = kNever;
        std::vector<OwnRecord> records;
        std::optional<names::DnsName> company;  // the last other instance heard under a subtype of ours

        bool answers() const { return phase == Phase::announcing || phase == Phase::established; }
    };

    // A name that is ours alone, with all records that depend on it: a service, or the
    // host (no registration).
    struct Entry {
        AdvertisementId id = AdvertisementId::none;
        std::optional<Registration> registration;
        ServiceNames names;
        names::DnsName name;
        std::vector<Presence> presences;
        std::uint32_t recent_conflicts = 0;
        TimePoint last_conflict{};
    };

    struct Farewell {
        InterfaceIndex interface = InterfaceIndex::none;
        std::vector<names::Record> records;
    };

    template <class Visit>
    void each_entry(Visit visit) {
        visit(host_);
        for (auto& [id, entry] : services_) visit(entry);
    }
    Entry* entry_of(AdvertisementId id);
    const Presence* presence_on(const Entry& entry, InterfaceIndex interface) const;
    std::vector<OwnRecord> records_for(const Entry& entry, const LocalLink& link) const;
    void join(Entry& entry, const LocalLink& link, TimePoint now);
    void start_probing(Presence& presence, TimePoint first);
    TimePoint first_probe_time(InterfaceIndex interface, TimePoint now);
    void renew_addresses(const LocalLink& link, TimePoint now);
    void say_goodbye(const Entry& entry);
    void reindex();

    void advance(Entry& entry, Presence& presence, ResponderOutput& out, TimePoint now);
    void announce(const Entry& entry, Presence& presence, ResponderOutput& out, TimePoint now);
    void answer_from(const Entry& entry, const names::Question& question, InterfaceIndex interface,
                     std::vector<OwnAnswer>& out) const;

    static void note_company(const Entry& entry, Presence& presence, const names::Record& theirs);
    void check(Entry& entry, const names::Record& theirs, const names::Message& response,
               const PacketInfo& info, const LinkTable& links, TimePoint now);
    bool is_conflict(const Entry& entry, const Presence& presence, const names::Record& theirs,
                     const LinkTable& links) const;
    void defend(Entry& entry, Presence& presence, TimePoint now);
    void lose_name(Entry& entry, const NameHolder& holder, const LinkTable& links, TimePoint now);
    void rename_service(Entry& entry, const NameHolder& holder, const LinkTable& links, TimePoint now);
    void rename_host(const LinkTable& links, TimePoint now);
    TimePoint retry_time(Entry& entry, TimePoint now);

    Randomness& random_;
    Entry host_;
    std::map<AdvertisementId, Entry> services_;
    // All names that our records stand under -> entries that have such records.
    std::unordered_multimap<names::DnsName, Entry*> index_;
    std::vector<Farewell> farewells_;
    std::deque<std::pair<AdvertisementId, AdvertiseEvent>> events_;
    std::uint32_t last_id_ = 0;
    std::uint64_t conflicts_ = 0;
    bool closed_ = false;
};

}  // namespace muster::discovery
