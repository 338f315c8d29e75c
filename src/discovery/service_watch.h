#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "discovery/discovery.h"
#include "discovery/mdns_cache.h"
#include "discovery/mdns_querier.h"

namespace muster::discovery {

enum class WatchId : std::uint32_t { none = 0 };

/// Turns records into services: who browses or resolves sees found, updated and left. Compares what the cache
/// holds now with what was last reported, so it cannot lose or double a change. Asks for what is missing.
class ServiceWatch {
public:
    ServiceWatch(MdnsCache& cache, MdnsQuerier& querier) : cache_(cache), querier_(querier) {}

    /// `name` is the PTR name to browse.
    WatchId browse(const names::DnsName& name, const LinkTable& links, TimePoint now);
    /// `instance` is the one name to resolve.
    WatchId resolve(const names::DnsName& instance, const LinkTable& links, TimePoint now);
    void stop(WatchId id);
    std::size_t size() const { return watches_.size(); }

    /// Takes what the cache says has changed.
    void update(const LinkTable& links, TimePoint now);
    /// Interfaces came or went.
    void on_links(const LinkTable& links, TimePoint now);

    TimePoint next_wakeup() const;
    std::optional<std::pair<WatchId, ServiceEvent>> poll_event();
    /// True while nothing has been found.
    bool is_open(WatchId id) const;

private:
    struct Instance {
        std::set<InterfaceIndex> interfaces;  // where its PTR is
        std::set<QuestionKey> questions;
        std::vector<names::DnsName> hosts;
        ServiceInstance reported;
        bool is_reported = false;
        TimePoint patience = kNever;  // when to report it without TXT
        LeftReason reason = LeftReason::expired;
    };
    struct Watch {
        names::DnsName name;
        bool resolves = false;
        std::map<names::DnsName, Instance> instances;
    };
    struct View;

    void note_reasons(const std::vector<RemovedRecord>& removed, TimePoint now);
    void read_all(WatchId id, Watch& watch, const LinkTable& links, TimePoint now);
    void touch(Watch& watch, const ChangedName& change, std::set<names::DnsName>& touched);
    void refresh(WatchId id, Watch& watch, const names::DnsName& name, const LinkTable& links, TimePoint now);
    View look(const Watch& watch, const names::DnsName& name, const Instance& instance,
              const LinkTable& links) const;
    std::vector<IpAddress> addresses_of(const names::DnsName& host, InterfaceIndex interface) const;
    void look_on(InterfaceIndex interface, const names::DnsName& name, View& view) const;
    void ask(Instance& instance, std::set<QuestionKey> wanted, const View& view, const LinkTable& links,
             TimePoint now);
    void report(WatchId id, Instance& instance, View& view, TimePoint now);
    void forget(Instance& instance);

    MdnsCache& cache_;
    MdnsQuerier& querier_;
    mutable std::optional<TimePoint> next_;  // the earliest patience; empty after a change
    std::map<WatchId, Watch> watches_;
    std::deque<std::pair<WatchId, ServiceEvent>> events_;
    std::uint32_t last_id_ = 0;
};

}  // namespace muster::discovery
